"""JAX: few programs, which give the scores of `predict`, in fp32 and bf16."""

import gc
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from rerank_plugins import CrossEncoderScorer, ScoringTimeoutError
from rerank_plugins.backends.jax import JaxForward, PartSizes
from tests.tiny_models import WORDS

LIMIT = 64
"""The most tokens that the tiny models read."""


def drawn_pairs(count: int, *, most: int = 50) -> list[tuple[str, str]]:
    draw = np.random.default_rng(7)
    return [
        (" ".join(draw.choice(WORDS, 3)), " ".join(draw.choice(WORDS, size)))
        for size in draw.integers(1, most, count)
    ]


def forward_of(scorer: CrossEncoderScorer) -> JaxForward:
    (backend,) = scorer._shared.engine.backends
    return backend.forward


def test_lengths_are_rounded_up_by_a_half_at_most_and_never_beyond_the_limit() -> None:
    sizes = PartSizes(512, 500)
    lengths = {sizes.length(tokens) for tokens in range(1, 501)}
    assert sorted(lengths) == [32, 48, 64, 96, 128, 192, 256, 384, 500]
    assert all(tokens <= sizes.length(tokens) < 1.5 * tokens for tokens in range(32, 501))
    assert PartSizes(512, None).length(3000) == 3072


def test_a_batch_is_taken_apart_with_a_quarter_of_filling_at_most() -> None:
    sizes = PartSizes(512, None)
    for batch in range(1, 60):
        left, parts = batch, []
        while left > 0:
            parts.append(sizes.pairs(left, 32))
            left -= parts[-1]
        assert set(parts) <= {1, 4, 16}
        assert sum(parts) <= 4 / 3 * batch
    assert sizes.pairs(60, 128) == 4
    assert sizes.pairs(60, 129) == 1
    assert PartSizes(32768, None).pairs(300, 96) == 256


def test_programs_are_compiled_once_and_there_are_few(tiny_model: Path) -> None:
    pairs = drawn_pairs(90)
    with CrossEncoderScorer(tiny_model, backend="jax") as scorer:
        first = scorer.score_pairs(pairs)
        forward = forward_of(scorer)
        programs = forward._logits._cache_size()
        assert programs <= 8  # three lengths of up to three sizes, and of the longest only two
        np.testing.assert_allclose(scorer.score_pairs(pairs[::-1])[::-1], first, atol=1e-5)
        scorer.score_pairs(pairs[:13])
        assert forward._logits._cache_size() <= 8
    model = CrossEncoder(str(tiny_model), device="cpu")
    wanted = model.predict(pairs, activation_fn=torch.nn.Identity(), batch_size=1)
    np.testing.assert_allclose(first, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "strict"),
    [("jax_numpy_rank_promotion", "raise"), ("jax_transfer_guard", "disallow")],
)
def test_what_an_application_forbids_its_own_code_does_not_hold_for_the_model(
    tiny_model: Path, setting: str, strict: str
) -> None:
    pairs = drawn_pairs(6)
    with CrossEncoderScorer(tiny_model, backend="onnx") as scorer:
        wanted = scorer.score_pairs(pairs)
    before = getattr(jax.config, setting)
    jax.config.update(setting, strict)
    try:
        with CrossEncoderScorer(tiny_model, backend="jax") as scorer:
            np.testing.assert_allclose(scorer.score_pairs(pairs), wanted, atol=1e-5)
    finally:
        jax.config.update(setting, before)


def test_bf16_keeps_tables_and_matrices_in_half_the_memory(tiny_model: Path) -> None:
    pairs = drawn_pairs(5, most=20)
    with (
        CrossEncoderScorer(tiny_model, backend="jax", precision="bf16") as half,
        CrossEncoderScorer(tiny_model, backend="onnx") as full,
    ):
        wanted, found = full.score_pairs(pairs), half.score_pairs(pairs)
        weights = forward_of(half)._weights
    assert 1e-5 < np.abs(found - wanted).max() < 0.05
    assert {str(array.dtype) for array in weights.values() if array.ndim > 1} == {"bfloat16"}
    assert {str(array.dtype) for array in weights.values() if array.ndim == 1} == {"float32"}


def test_a_closed_scorer_gives_back_its_weights(tiny_model: Path) -> None:
    gc.collect()
    before = len(jax.live_arrays())
    with CrossEncoderScorer(tiny_model, backend="jax") as scorer:
        scorer.score("red fox", ["the sea"])
        assert len(jax.live_arrays()) > before
    gc.collect()
    assert len(jax.live_arrays()) == before


@pytest.mark.parametrize("device", [None, "cpu"])
def test_the_plan_says_what_jax_runs_the_model_on(tiny_model: Path, device: str | None) -> None:
    with CrossEncoderScorer(tiny_model, backend="jax", device=device) as scorer:
        plan = scorer.plan()
        assert forward_of(scorer).device == jax.devices(device)[0]
    assert (plan.backend, plan.precision) == ("jax", "fp32")
    assert plan.reason.endswith(f"was asked for; JAX runs it on {jax.devices(device)[0]}")


def test_late_and_cancelled_requests_hurt_no_other_while_a_program_is_compiled(
    tiny_model: Path,
) -> None:
    pairs = drawn_pairs(12)
    with CrossEncoderScorer(tiny_model, backend="jax", max_batch_tokens=256) as scorer:
        scorer.warm_up()
        late = scorer.submit(pairs, timeout=0.001)
        cancelled = scorer.submit(pairs)
        waiting = scorer.submit(pairs[:5])
        assert cancelled.cancel()
        with pytest.raises(ScoringTimeoutError):
            late.result()
        logits = waiting.result().logits
    with CrossEncoderScorer(tiny_model, backend="onnx") as scorer:
        np.testing.assert_allclose(logits, scorer.score_pairs(pairs[:5]), atol=1e-5)


FORKED = """
import os, sys
from rerank_plugins import CrossEncoderScorer, ForkedProcessError

CrossEncoderScorer(sys.argv[1], backend="jax").score("red fox", ["the fox"])
child = os.fork()
if not child:
    try:
        CrossEncoderScorer(sys.argv[1], backend="jax", precision="bf16").warm_up()
    except ForkedProcessError as error:
        os._exit(7 if "spawn, or use backend='onnx'" in str(error) else 2)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not fork")
def test_in_a_process_forked_after_jax_ran_a_model_is_refused(tiny_model: Path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, str(tiny_model)], check=True)
