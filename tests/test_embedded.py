"""The model that ships: the same scores in every backend, no torch, and it ranks."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sentence_transformers import CrossEncoder

from rerank_plugins import CrossEncoderScorer, Reranker, UnsupportedOptionError, compile_model
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.models.json_files import read_json
from rerank_plugins.models.references import EMBEDDED_FOLDER

QUERY = "how do bees tell each other where flowers are"
NOISE = [2, 3, 5, 7]
"""What answers nothing. A heap of the query's words still scores high; the model card says so."""
PASSAGES = [
    "Honeybees dance in the hive to show their sisters the direction and distance of nectar.",
    "Flowers open in the morning and close at night.",
    "",
    "!!! ??? ...",
    "def flowers(bees):\n    return [bee.tell() for bee in bees]",
    "花は朝に開き、夜に閉じます。",
    "bees flowers " * 400,
    "lorem ipsum dolor sit amet " * 200,
]


@pytest.fixture(scope="module")
def onnx_scores() -> np.ndarray:
    with CrossEncoderScorer("embedded", backend="onnx", long_passages="truncate") as scorer:
        return scorer.score(QUERY, PASSAGES)


def test_onnx_and_torch_and_cross_encoder_give_the_same_logits(onnx_scores: np.ndarray) -> None:
    with CrossEncoderScorer("embedded", backend="torch", long_passages="truncate") as scorer:
        np.testing.assert_allclose(scorer.score(QUERY, PASSAGES), onnx_scores, atol=1e-4)
    model = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", model_kwargs={"dtype": torch.float32})
    pairs = [(QUERY, passage) for passage in PASSAGES]
    wanted = model.predict(pairs, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(onnx_scores, wanted, atol=1e-4)
    # saved so that plain CrossEncoder gives logits too, as the ms-marco models on the hub do
    np.testing.assert_allclose(model.predict(pairs), wanted, atol=1e-6)


def test_the_answer_beats_noise_and_other_languages(onnx_scores: np.ndarray) -> None:
    assert np.isfinite(onnx_scores).all()
    assert (onnx_scores[NOISE] < onnx_scores[0]).all()


def test_noise_of_any_kind_ranks_below_the_answer_of_nearly_every_question() -> None:
    letters = np.random.default_rng(1).choice([*"abcdefghijklmnopqrstuvwxyz    "], 300)
    noise = [
        "",
        "!!! ??? ...",
        "".join(letters),
        "花は朝に開き、夜に閉じます。",
        "Der Zug nach Hamburg fährt heute zehn Minuten später vom Gleis sieben ab.",
        "def resize(image, width):\n    ratio = width / image.width\n    return image.scale(ratio)",
        "lorem ipsum dolor sit amet " * 200,
    ]
    texts = {passage.id: f"{passage.title} {passage.text}" for passage in load_corpus()}
    below = []
    with CrossEncoderScorer("embedded", precision="auto") as scorer:
        for question in load_questions()[:20]:
            answer, *scores = scorer.score(question.query, [texts[question.answer], *noise])
            below += [score < answer for score in scores]
    assert np.mean(below) > 0.97


def test_its_weights_are_light() -> None:
    assert (EMBEDDED_FOLDER / "model.safetensors").stat().st_size < 40_000_000


def test_it_is_the_architecture_of_the_reference_model() -> None:
    config = read_json(EMBEDDED_FOLDER / "config.json")
    shape = {
        "num_hidden_layers": 4,
        "hidden_size": 384,
        "num_attention_heads": 12,
        "max_position_embeddings": 384,
    }
    assert shape.items() <= config.items()
    assert config["architectures"] == ["BertForSequenceClassification"]


@pytest.mark.parametrize("backend", ["auto", "openvino"])
def test_it_runs_without_torch_sentence_transformers_or_network(
    onnx_scores: np.ndarray, backend: str
) -> None:
    code = (
        "import json, socket, sys\n"
        "for name in ('torch', 'sentence_transformers', 'transformers'):\n"
        "    sys.modules[name] = None\n"
        "socket.socket.connect = None\n"
        "from rerank_plugins import CrossEncoderScorer\n"
        f"options = {{'backend': {backend!r}, 'long_passages': 'truncate'}}\n"
        "scorer = CrossEncoderScorer('embedded', **options)\n"
        "scores = scorer.score(*json.load(sys.stdin))\n"
        "print(json.dumps(scores.tolist()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([QUERY, PASSAGES]),
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_allclose(json.loads(done.stdout), onnx_scores, atol=1e-5)
    assert done.stderr == ""


LONG = [f"{PASSAGES[0]} {text}" for text in (PASSAGES[6], PASSAGES[7] * 3)]
RECIPE = Path("examples/embedded_model/recipes/third-version.toml")
LEARNT = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["max_length"]
"""Tokens of the longest pairs that the model was trained on."""


def test_it_says_what_it_cut() -> None:
    with CrossEncoderScorer("embedded", long_passages="truncate") as scorer:
        ranking = Reranker(scorer).rank(QUERY, PASSAGES)
    assert {ranked.index for ranked in ranking if ranked.truncated} == {6, 7}


def test_it_reads_long_passages_in_windows_unless_it_is_told_to_truncate() -> None:
    with CrossEncoderScorer("embedded") as scorer:
        ranking = Reranker(scorer).rank(QUERY, PASSAGES)
    assert not any(ranked.truncated for ranked in ranking)
    assert {ranked.index for ranked in ranking if ranked.windows > 1} == {6, 7}


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_it_reads_as_far_as_it_learnt_in_every_backend(backend: str) -> None:
    assert LEARNT == 384
    pairs = [(QUERY, passage) for passage in LONG]
    plain = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu")
    wanted = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", max_length=LEARNT).predict(pairs)
    np.testing.assert_array_equal(plain.predict(pairs), wanted)
    with CrossEncoderScorer("embedded", backend=backend, long_passages="truncate") as scorer:
        np.testing.assert_allclose(scorer.score(QUERY, LONG), wanted, atol=1e-5)
    with (
        CrossEncoderScorer("embedded", backend=backend, max_length=LEARNT + 1) as scorer,
        pytest.raises(UnsupportedOptionError, match="reads at most 384 tokens"),
    ):
        scorer.warm_up()


def test_nobody_can_make_it_read_further_than_it_learnt() -> None:
    asked = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", max_length=512)
    with pytest.raises(RuntimeError, match="size of tensor"):  # no rows for later positions
        asked.predict([(QUERY, LONG[0])])


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_bundle_of_it_reads_no_further(backend: str, tmp_path: Path) -> None:
    bundle = compile_model("embedded", tmp_path / "bundle", backend=backend)
    model = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", max_length=LEARNT)
    wanted = model.predict([(QUERY, passage) for passage in LONG])
    with CrossEncoderScorer(bundle, long_passages="truncate") as scorer:
        np.testing.assert_allclose(scorer.score(QUERY, LONG), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "page",
    ["rerank_plugins/embedded/README.md", "docs/backends.md", "examples/embedded_model/log.md"],
)
def test_the_embedded_models_figures_are_those_of_its_defaults(page: str) -> None:
    text = Path(page).read_text(encoding="utf-8")
    commands = re.findall(r"^ *(?:rerank eval|python -m benchmarks).*$", text, re.M)
    assert commands
    for command in commands:
        assert "--max-length" not in command


def test_it_finds_most_answers_of_the_demo_among_all_passages() -> None:
    corpus, questions = load_corpus(), load_questions()[:10]
    texts = [f"{passage.title} {passage.text}" for passage in corpus]
    with CrossEncoderScorer("embedded", precision="auto") as scorer:
        rankings = Reranker(scorer, top_k=3).rank_many(
            [question.query for question in questions], [texts] * len(questions)
        )
    found = [
        question.answer in {corpus[ranked.index].id for ranked in ranking}
        for question, ranking in zip(questions, rankings, strict=True)
    ]
    assert sum(found) > len(found) / 2


def test_a_longer_passage_is_not_a_better_one() -> None:
    words = " ".join(passage.text for passage in load_corpus()).split()
    generator = np.random.default_rng(0)
    correlations = []
    with CrossEncoderScorer("embedded", precision="auto") as scorer:
        for question in load_questions()[:25]:
            lengths = generator.integers(8, 200, size=20)
            starts = generator.integers(0, len(words) - 200, size=20)
            passages = [" ".join(words[at : at + n]) for at, n in zip(starts, lengths, strict=True)]
            scores = scorer.score(question.query, passages)
            correlations.append(spearmanr(lengths, scores).statistic)
    assert abs(np.mean(correlations)) < 0.25  # 0.11 over all 50, with a standard error of 0.03
