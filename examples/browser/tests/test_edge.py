"""What `rerank compile --layout transformers.js` writes, run in Node and in a browser.

`make test-edge` installs what this needs. Without Node, or without a browser, those tests are
skipped.
"""

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from rerank_plugins import CrossEncoderScorer, compile_model
from rerank_plugins.backends.graphs.described import described_network
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.models.references import EMBEDDED, EMBEDDED_FOLDER
from rerank_plugins.tokens.pairs import PairTokenizer
from tests.architectures import DESIGNS, SAVED, save
from tests.browsers import BROWSER
from tests.test_folders import save as save_as_transformers
from tests.tiny_models import edit_json
from tests.trained_tokenizers import random_words
from tests.wide_weights import PAIRS as DRAWN_PAIRS

EXAMPLE = Path(__file__).parents[1]
NODE = shutil.which("node")
WITHOUT_TRUNCATION = 384  # tokens that the embedded model reads

pytestmark = pytest.mark.skipif(
    NODE is None or not (EXAMPLE / "node_modules").is_dir(),
    reason="Node or the packages of examples/browser are not installed: make test-edge",
)


@cache
def fifty_pairs() -> list[tuple[str, str]]:
    """Questions with answers and with other texts; odd characters; texts that are too long."""
    corpus = load_corpus()
    answers = {passage.id: passage.text for passage in corpus}
    pairs = []
    for index, question in enumerate(load_questions()[:18]):
        pairs.append((question.query, answers[question.answer]))
        pairs.append((question.query, corpus[7 * index].text))
    long = " ".join(passage.text for passage in corpus[:8])
    choice = random.Random(5)
    return [
        *pairs,
        ("", ""),
        ("why is the sky blue", ""),
        ("sky", long),
        ("why is the sky blue today", long),  # an odd number of tokens has room
        (long, "sky"),
        (long, long),
        (long[:1400], long[:1500]),
        ("CAFÉ e\u0301té İstanbul", "Straße, naïve ﬁn — “quoted”\u2026 €5 \u200bzero"),
        ("中文 和 東京", "これはペンです。 한국어 शब्द עברית العربية"),
        ("a[SEP]b [MASK] [CLS]", "[UNK] un[PAD]known [sep]"),
        ("tab\tnew\nline\r\n  blanks\u00a0\u3000", "x" * 200 + " 🙂👩‍👩‍👧 1,234.5e-6"),
        ("\x00\x07\ufffd", "control\u0085 \u2028 separators"),
        *[(words(choice), words(choice)) for _ in range(2)],
    ]


def words(choice: random.Random) -> str:
    return without_capital_sigma(" ".join(random_words(choice, 30)))


def without_capital_sigma(text: str) -> str:
    """The text without the one letter that the library lower-cases in another way."""
    return text.replace("Σ", "s")


PAIRS = [
    (without_capital_sigma(query), without_capital_sigma(passage)) for query, passage in DRAWN_PAIRS
]


def run_node(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    assert NODE is not None
    return subprocess.run(
        [NODE, *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def in_node(script: str, given: dict[str, Any]) -> Any:
    done = run_node(EXAMPLE / "tests" / script, given=json.dumps(given))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def scored_in_node(
    written: Path, dtype: str, pairs: Sequence[tuple[str, str]], **options: Any
) -> Any:
    given = {"folder": str(written.parent), "name": written.name, "dtype": dtype, "pairs": pairs}
    return in_node("score.mjs", {**given, **options})


def check_tokens(
    found: list[dict[str, list[int]]], folder: Path, pairs: Sequence[tuple[str, str]]
) -> None:
    _, description = described_network(folder, str(folder))
    tokenizer = PairTokenizer(description.tokenizer, max_length=description.default_length)
    for pair, tokens, wanted in zip(pairs, found, tokenizer.encode(pairs), strict=True):
        assert tokens["input_ids"] == wanted.input_ids.tolist(), pair
        assert set(tokens["attention_mask"]) == {1}
        if "token_type_ids" in description.inputs:
            assert tokens["token_type_ids"] == wanted.type_ids.tolist(), pair


def scored_in_python(
    model: Path | str, pairs: Sequence[tuple[str, str]], **options: Any
) -> np.ndarray:
    with CrossEncoderScorer(model, long_passages="truncate", **options) as scorer:
        return scorer.score_pairs(pairs)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_model(
        EMBEDDED, tmp_path_factory.mktemp("edge") / "embedded", layout="transformers.js"
    )


@pytest.mark.parametrize(("dtype", "allowed"), [("fp32", 1e-4), ("fp16", 2e-2)])
def test_node_reads_and_scores_fifty_pairs_as_python_does(
    embedded: Path, dtype: str, allowed: float
) -> None:
    pairs = fifty_pairs()
    assert len(pairs) == 50
    found = scored_in_node(embedded, dtype, pairs)
    check_tokens(found["tokens"], EMBEDDED_FOLDER, pairs)
    lengths = [len(tokens["input_ids"]) for tokens in found["tokens"]]
    assert lengths.count(WITHOUT_TRUNCATION) == 5
    wanted = scored_in_python(EMBEDDED, pairs)
    np.testing.assert_allclose(found["alone"], wanted, rtol=0, atol=allowed)
    np.testing.assert_allclose(found["together"], wanted, rtol=0, atol=allowed)


ARCHITECTURES = (
    "bert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "electra",
    "mpnet",
    "modernbert",
    "deberta-v3",
    "ettin",
)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_node_scores_every_architecture_as_python_does(tmp_path: Path, name: str) -> None:
    design = DESIGNS[name]
    if design.tokenizer == "SentencePiece":  # has a rule that the library lacks
        design = replace(design, tokenizer="SentencePiece of words")
    folder = save(design, tmp_path / "model")
    written = compile_model(folder, tmp_path / "written", layout="transformers.js")
    found = scored_in_node(written, "fp32", PAIRS)
    check_tokens(found["tokens"], folder, PAIRS)
    wanted = scored_in_python(folder, PAIRS)
    np.testing.assert_allclose(found["alone"], wanted, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["together"], wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["xlm-roberta", "deberta-v2"])
def test_node_reads_pairs_as_the_tokenizer_that_transformers_makes_does(
    tmp_path: Path, name: str
) -> None:
    folder = save_as_transformers(name, tmp_path / "model")
    written = compile_model(folder, tmp_path / "written", layout="transformers.js")
    pairs = [*PAIRS, *fifty_pairs()]
    if name == "xlm-roberta":  # to SentencePiece, this control character is white space
        pairs = [(query, passage.replace("\x85", "")) for query, passage in pairs]
    check_tokens(scored_in_node(written, "fp32", pairs)["tokens"], folder, pairs)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (EMBEDDED, "ΟΔΟΣ"),  # it writes a small sigma at the end of a word as Greek does
        (EMBEDDED, "a\U00020000b"),  # ideographs of the first 65,536 characters alone are words
        (EMBEDDED, "a\u08d0b"),  # a mark of the Unicode of 2016, which it removes
        ("xlm-roberta", "a\x85b"),
        ("xlm-roberta", "a\ufeffb"),  # to JavaScript, white space
        ("deberta-v2", "a\ufeff"),
    ],
    ids=ascii,
)
def test_the_library_reads_these_characters_otherwise(
    embedded: Path, tmp_path: Path, name: str, text: str
) -> None:
    folder, written = EMBEDDED_FOLDER, embedded
    if name != EMBEDDED:
        folder = save_as_transformers(name, tmp_path / "model")
        written = compile_model(folder, tmp_path / "written", layout="transformers.js")
    pairs = [(text, text)]
    found = scored_in_node(written, "fp32", pairs)
    with pytest.raises(AssertionError):
        check_tokens(found["tokens"], folder, pairs)


def test_a_prompt_of_the_model_stands_before_the_query(tmp_path: Path) -> None:
    prompts = {"query": "the red fox: "}
    folder = str(SAVED["bert"](tmp_path / "model"))
    model = CrossEncoder(folder, prompts=prompts, default_prompt_name="query", device="cpu")
    model.save_pretrained(str(tmp_path / "prompted"))
    written = compile_model(tmp_path / "prompted", tmp_path / "written", layout="transformers.js")
    found = scored_in_node(written, "fp32", PAIRS)
    wanted = scored_in_python(tmp_path / "prompted", PAIRS)
    np.testing.assert_allclose(found["alone"], wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "label"),
    [("bert, three columns", 2), ("bert, three columns", "yes"), ("roberta, two columns", 1)],
)
def test_a_column_is_chosen_and_scored_as_in_python(
    tmp_path: Path, name: str, label: int | str
) -> None:
    folder = SAVED[name](tmp_path / "model")
    if isinstance(label, str):
        edit_json(folder / "config.json", id2label={"0": "no", "1": label, "2": "maybe"})
    written = compile_model(folder, tmp_path / "written", layout="transformers.js")
    found = scored_in_node(written, "fp32", PAIRS, label=label)
    wanted = scored_in_python(folder, PAIRS, label=label)
    np.testing.assert_allclose(found["alone"], wanted, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["together"], wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "label", "reason"),
    [
        ("bert, three columns", None, r'2 \("LABEL_2"\); no label was chosen\. Pass.*option label'),
        ("bert, three columns", 3, r"; 3 is not one\. Pass"),
        ("bert, three columns", "relevant", r'; "relevant" is not one\. Pass'),
        ("bert", 1, r'columns: 0 \("LABEL_0"\); 1 is not one\. Pass'),
    ],
)
def test_a_label_that_names_no_column_is_refused_before_anything_is_scored(
    tmp_path: Path, name: str, label: int | str | None, reason: str
) -> None:
    written = compile_model(
        SAVED[name](tmp_path / "model"), tmp_path / "written", layout="transformers.js"
    )
    with pytest.raises(AssertionError, match=reason):
        scored_in_node(written, "fp32", [], **({} if label is None else {"label": label}))


def test_a_folder_of_an_older_version_which_names_no_columns_is_to_be_compiled_again(
    tmp_path: Path,
) -> None:
    written = compile_model(
        SAVED["bert"](tmp_path / "model"), tmp_path / "written", layout="transformers.js"
    )
    edit_json(written / "config.json", rerank_plugins={"default_prompt": ""})
    with pytest.raises(AssertionError, match=r"again: rerank compile MODEL --layout transf"):
        scored_in_node(written, "fp32", [])


def test_the_example_runs_in_a_folder_with_any_name(embedded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "größer 100% browser"
    (folder / "models").mkdir(parents=True)
    shutil.copytree(embedded, folder / "models" / "embedded")
    for name in ("rank.mjs", "reranker.js"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / "node_modules").symlink_to(EXAMPLE / "node_modules")
    done = run_node(folder / "rank.mjs")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0.38 A soap molecule has one end")


def test_the_javascript_on_the_page_prints_what_the_page_says(
    embedded: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(embedded.parent)
    for name in ("node_modules", "reranker.js"):
        (tmp_path / name).symlink_to(EXAMPLE / name)
    page = (EXAMPLE.parents[1] / "docs" / "edge.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```js\n(.*?)```\s+```text\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == page.count("```js") == 3
    assert NODE is not None
    for code, shown in blocks:
        command = [NODE, "--input-type=module"]
        done = subprocess.run(
            command, input=code, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout == shown, done.stderr


@pytest.fixture
def url() -> Iterator[str]:
    """Where the example is served."""
    command = [sys.executable, str(EXAMPLE / "serve.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_the_page_orders_its_passages_as_python_does_and_asks_no_other_host(url: str) -> None:
    questions = ["why is the sky blue", "where should bread be kept"]
    views = [{"width": width, "height": 800} for width in (1200, 390)]
    given = {"url": url, "browser": BROWSER, "questions": questions, "views": views}
    seen = in_node("page.mjs", given)
    for question, cards in zip(questions, seen["answers"], strict=True):
        passages = [passage for passage, _ in cards]
        assert len(set(passages)) == 12
        shown = [logit for _, logit in cards]
        assert shown == sorted(shown, reverse=True)
        wanted = scored_in_python(EMBEDDED, [(question, passage) for passage in passages])
        np.testing.assert_allclose(shown, wanted, rtol=0, atol=1e-3)
    assert "Sunlight arrives" in seen["answers"][0][0][0]
    assert all(request.startswith((url, "data:")) for request in seen["requests"])
    assert any(request.endswith("model_fp16.onnx") for request in seen["requests"])
    assert seen["isolated"]
    assert seen["problems"] == []
    assert seen["wide"] == [0, 0]
