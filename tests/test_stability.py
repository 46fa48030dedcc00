"""A pair's score does not depend on its batch, its neighbours, or who else is scoring."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from rerank_plugins import CrossEncoderScorer, Reranker, compile_model
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.demo import load_corpus, load_questions
from tests.architectures import SAVED
from tests.tiny_models import WORDS
from tests.wide_weights import PAIRS

ROUNDS = 3
THREADS = 3
OFFERED = {
    ("torch", "fp32"): 1e-5,
    ("onnx", "fp32"): 1e-5,
    ("openvino", "fp32"): 1e-5,
    ("torch", "bf16"): 0.08,
    ("torch", "fp16"): 0.01,
    ("openvino", "bf16"): 0.05,
    ("openvino", "int8"): 0.05,
    ("jax", "fp32"): 1e-5,
    ("jax", "bf16"): 0.02,
}
"""How far apart two scores of one pair may be, in logits; docs/backends.md states these.

bf16 rounds to 8 bits of mantissa, and sums in another order where the batch has another shape.
"""


@pytest.fixture
def threads() -> Iterator[None]:
    """Torch's products are split among threads here, whatever the environment says."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(2, before))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    corpus = load_corpus()
    questions = [question.query for question in load_questions()[:4]]
    passages = [passage.text for passage in corpus[::16]]
    passages += ["", "sky", " ".join(passages[:3])]
    return [(question, passage) for question in questions for passage in passages]


def options(backend: str, precision: str) -> dict[str, str]:
    if precision == "bf16" and backend == "openvino" and not cpu_has_bf16():
        pytest.skip("this processor has no bf16 instructions")
    return {"backend": backend, "precision": precision, "device": "cpu"}


@pytest.mark.parametrize(("backend", "precision"), OFFERED)
def test_scores_are_the_same_in_any_batch_and_from_any_thread(
    tiny_model: Path, backend: str, precision: str
) -> None:
    draw = np.random.default_rng(5)
    pairs = [
        (" ".join(draw.choice(WORDS, 5)), " ".join(draw.choice(WORDS, size)))
        for size in draw.integers(0, 60, 60)
    ]
    chosen = options(backend, precision)
    with (
        CrossEncoderScorer(tiny_model, **chosen) as scorer,
        CrossEncoderScorer(tiny_model, **chosen, max_batch_tokens=300) as small,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        alone = scorer.score_pairs(pairs)

        def shuffled(seed: int) -> np.ndarray:
            order = np.random.default_rng(seed).permutation(len(pairs))
            part = order[: len(order) - seed % 7]
            scores = alone.copy()
            picked = [scorer, small][seed % 2]
            scores[part] = picked.score_pairs([pairs[index] for index in part])
            return scores

        # Its scores spread less than the embedded model's, and so do its rounding errors.
        bound = OFFERED[backend, precision] * (1.0 if precision == "fp32" else 0.25)
        for scores in pool.map(shuffled, range(ROUNDS * THREADS)):
            np.testing.assert_allclose(scores, alone, atol=bound, rtol=0)
    assert np.std(alone) > 0.1


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("backend", "precision"), OFFERED)
def test_the_embedded_models_scores_are_the_same_in_any_batch(
    pairs: list[tuple[str, str]], backend: str, precision: str
) -> None:
    chosen = options(backend, precision)
    pairs = pairs[::5]
    with (
        CrossEncoderScorer("embedded", **chosen) as scorer,
        CrossEncoderScorer("embedded", **chosen, max_batch_tokens=300) as small,
    ):
        alone, backwards = scorer.score_pairs(pairs), small.score_pairs(pairs[::-1])[::-1]
    np.testing.assert_allclose(backwards, alone, atol=OFFERED[backend, precision], rtol=0)
    assert np.std(alone) > 0.5


# One of each family of encoders; BERT is in the tests above.
@pytest.mark.parametrize("name", ["distilbert", "mpnet", "modernbert, mean", "ettin", "deberta-v3"])
def test_every_architecture_is_stable_in_openvino(tmp_path: Path, name: str) -> None:
    folder, quantised = SAVED[name](tmp_path / "model"), tmp_path / "int8"
    compile_model(folder, quantised, precision="int8", calibration=PAIRS[1:9])
    texts = [text for pair in PAIRS for text in pair]
    pairs = [(query, passage) for query in texts[2:12:2] for passage in texts]
    for model, precision in ((quantised, "int8"), (folder, "bf16")):
        chosen = options("openvino", precision)
        # In bf16 random weights round more than trained ones, compared with what they tell apart.
        bound = OFFERED["openvino", precision] * (2 if precision == "bf16" else 1)
        with (
            CrossEncoderScorer(model, **chosen) as scorer,
            CrossEncoderScorer(model, **chosen, max_batch_tokens=300) as small,
        ):
            alone = np.concatenate([scorer.score_pairs([pair]) for pair in pairs])
            for each in (scorer, small):
                np.testing.assert_allclose(each.score_pairs(pairs), alone, atol=bound, rtol=0)
        assert np.std(alone) > 0.5


def test_random_weights_in_jax_change_no_more_with_the_batch_than_bf16_allows(
    tmp_path: Path,
) -> None:
    pairs = PAIRS[2:9]  # of few lengths, each of which takes programs
    folder = SAVED["ettin"](tmp_path / "model")  # of all, it differs most
    with CrossEncoderScorer(folder, **options("jax", "bf16")) as scorer:
        alone = np.concatenate([scorer.score_pairs([pair]) for pair in pairs])
        together = scorer.score_pairs(pairs)
    with CrossEncoderScorer(folder, backend="onnx") as scorer:
        wanted = scorer.score_pairs(pairs)
    for found in (alone, together):
        np.testing.assert_allclose(found, wanted, atol=0.2, rtol=0)
    np.testing.assert_allclose(together, alone, atol=0.2, rtol=0)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_identical_passages_have_one_score_and_keep_their_order(
    pairs: list[tuple[str, str]], backend: str
) -> None:
    query, others = pairs[0][0], [passage for _, passage in pairs[:20]]
    passages = [text for other in others for text in (other, others[3], others[3])]
    copies = [index for index, text in enumerate(passages) if text == others[3]]
    options = {"backend": backend, "precision": "fp32", "device": "cpu"}
    with CrossEncoderScorer("embedded", **options, max_batch_tokens=600) as scorer:
        reranker = Reranker(scorer)
        rankings = [reranker.rank(query, passages)]
        rankings += reranker.rank_many([pairs[-1][0], query], [passages, passages])
        alone = scorer.score(query, others)
        scores = scorer.score(query, passages)
    for ranking in rankings:
        assert [ranked.index for ranked in ranking if ranked.index in copies] == copies
        assert len({ranked.score for ranked in ranking if ranked.index in copies}) == 1
    assert len(set(scores[copies].tolist())) == 1
    np.testing.assert_allclose(scores[::3], alone, atol=1e-5)
