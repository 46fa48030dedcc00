"""The torch backend on a GPU, and the code of its benchmark, which needs none."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from benchmarks.__main__ import main
from benchmarks.gpu import NoGpuError, gpu
from benchmarks.gpu_models import operations
from benchmarks.gpu_parts import in_batches
from benchmarks.gpu_variants import tried
from benchmarks.ways import embedded_tokenizer
from rerank_plugins import CrossEncoderScorer, UnsupportedOptionError
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.tokens.pairs import PairTokens

HAS_GPU = torch.cuda.is_available()
on_a_gpu = pytest.mark.skipif(not HAS_GPU, reason="torch finds no GPU")
without_one = pytest.mark.skipif(HAS_GPU, reason="there is a GPU")

QUERY = load_questions()[0].query
PASSAGES = [passage.text for passage in load_corpus()][:60]
GIBIBYTE = 2**30


def encoded(count: int) -> list[PairTokens]:
    return embedded_tokenizer().encode([(QUERY, passage) for passage in PASSAGES[:count]])


@pytest.fixture
def little_memory() -> Iterator[None]:
    """One gibibyte of the GPU's memory, whatever it has."""
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(GIBIBYTE / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@on_a_gpu
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-4), ("fp16", 0.02), ("bf16", 0.2)]
)
def test_a_gpu_gives_the_logits_of_the_cpu(precision: str, tolerance: float) -> None:
    with CrossEncoderScorer("embedded", backend="torch", device="cpu") as scorer:
        wanted = scorer.score(QUERY, PASSAGES)
    with CrossEncoderScorer("embedded", device="cuda", precision=precision) as scorer:
        assert (scorer.plan().backend, scorer.plan().precision) == ("torch", precision)
        np.testing.assert_allclose(scorer.score(QUERY, PASSAGES), wanted, atol=tolerance)


@on_a_gpu
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-4), ("fp16", 0.01), ("bf16", 0.08)]
)
def test_a_score_on_a_gpu_does_not_hang_on_its_batch(precision: str, tolerance: float) -> None:
    with CrossEncoderScorer("embedded", device="cuda", precision=precision) as scorer:
        together = scorer.score(QUERY, PASSAGES)
        alone = [float(scorer.score(QUERY, [passage])[0]) for passage in PASSAGES]
    np.testing.assert_allclose(alone, together, atol=tolerance)


@on_a_gpu
def test_two_workers_on_one_gpu_share_the_work() -> None:
    with CrossEncoderScorer("embedded", device="cuda:0") as scorer:
        wanted = scorer.score(QUERY, PASSAGES)
    devices = ["cuda:0", "cuda"]
    with CrossEncoderScorer("embedded", device=devices, max_batch_tokens=512) as scorer:
        np.testing.assert_allclose(scorer.score(QUERY, PASSAGES), wanted, atol=1e-4)


@on_a_gpu
def test_a_batch_too_big_for_the_gpu_is_halved(little_memory: None) -> None:
    texts = [" ".join(PASSAGES[start : start + 12]) for start in range(40)]
    long = [text + " " * end for end in range(6) for text in texts]  # other texts, the same tokens
    with CrossEncoderScorer("embedded", device="cuda", max_batch_tokens=2_000_000) as scorer:
        scores = scorer.score(QUERY, long)
        (runner,) = scorer._shared.engine._runners
        assert runner._most_tokens is not None
    np.testing.assert_allclose(scores, np.tile(scores[:40], 6), atol=1e-4)


@on_a_gpu
def test_closed_scorers_leave_nothing_more_on_the_gpu() -> None:
    left = []
    for _ in range(3):  # the first leaves the workspaces of CUDA's libraries
        with CrossEncoderScorer("embedded", device="cuda") as scorer:
            scorer.score(QUERY, PASSAGES)
            assert torch.cuda.memory_allocated() > 30_000_000
        gc.collect()
        left.append(torch.cuda.memory_allocated())
    assert left[-1] < left[0] + 10_000_000


@on_a_gpu
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with (
        CrossEncoderScorer("embedded", device="cuda:99") as scorer,
        pytest.raises(UnsupportedOptionError, match="cannot be used here"),
    ):
        scorer.warm_up()


@on_a_gpu
def test_the_benchmarks_variants_run_on_a_gpu_and_agree() -> None:
    model = AutoModelForSequenceClassification.from_pretrained(EMBEDDED_FOLDER, dtype=torch.float16)
    for one in tried(model.eval().cuda(), encoded(20), compiling=False):
        assert not one.failure, one
        assert one.difference < 0.02, one


def test_unpadded_pairs_give_the_same_logits() -> None:
    model = AutoModelForSequenceClassification.from_pretrained(EMBEDDED_FOLDER).eval()

    found = {one.name: one for one in tried(model, encoded(3), compiling=False)}

    for name in ("unpadded (varlen_attn)", "padded to a multiple of 16"):
        assert not found[name].failure
        assert found[name].difference < 1e-4


@without_one
def test_a_variant_that_cannot_run_here_says_why() -> None:
    model = AutoModelForSequenceClassification.from_pretrained(EMBEDDED_FOLDER).eval()

    (graph,) = (o for o in tried(model, encoded(1), compiling=False) if o.name == "CUDA graph")

    assert graph.milliseconds is None
    assert "CUDA" in graph.failure


@without_one
def test_without_a_gpu_the_benchmark_says_so() -> None:
    with pytest.raises(NoGpuError, match=r"finds no GPU here.*--device cpu"):
        gpu()


@without_one
def test_without_a_gpu_the_command_ends_with_the_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = tmp_path / "report.md"
    monkeypatch.setattr(sys, "argv", ["benchmarks", "gpu", "--report", str(report)])

    with pytest.raises(SystemExit, match="error: device='cuda'"):
        main()

    assert not report.exists()


def test_the_operations_of_pairs_are_those_of_the_models_matrices() -> None:
    config = AutoConfig.from_pretrained(EMBEDDED_FOLDER)
    whole = 2 * (4 * 384 * 384 + 2 * 384 * 1536)
    body = 3 * (whole * 30 + 4 * 384 * (10**2 + 20**2))

    assert operations(config, [10, 20]) == body + 2 * whole


def test_batches_hold_every_pair_within_the_budget() -> None:
    pairs = sorted(encoded(9), key=len, reverse=True)

    batches = in_batches(pairs, 200)

    assert [pair for batch in batches for pair in batch] == pairs
    assert all(len(batch) * len(batch[0]) <= 200 for batch in batches)
