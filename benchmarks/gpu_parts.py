"""Where the time goes on a GPU: each step of a bulk job alone, and the whole job."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.gpu_models import Model, Pairs, operations
from rerank_plugins.engine.schedule import SLICE
from rerank_plugins.scorer import reading_of
from rerank_plugins.tokens.padding import pad
from rerank_plugins.tokens.pairs import PairTokens

REPEATS = 3


def parts_table(model: Model, precisions: Sequence[str], pairs: Pairs) -> str:
    """Returns a table with the milliseconds of each step, one row per precision."""
    lines = [
        f"### Where the time goes, {len(pairs)} pairs, {model.title}\n",
        "Milliseconds of each step alone, median of "
        f"{REPEATS}. Launching is the time in which the model's kernels are asked for, model the "
        "GPU's own time for them. The job runs tokenising beside the rest.\n",
        "| precision | tokenising | padding | to the GPU | launching | model | Top/s | the job "
        "| of it tokenising | of it model |",
        "|---|" + "---:|" * 9,
    ]
    for number, precision in enumerate(precisions):
        rows = [_steps(model, precision, _fresh(pairs, (number, turn))) for turn in range(REPEATS)]
        step = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        lines.append(
            f"| {precision} | "
            + " | ".join(
                f"{1000 * step[name]:.1f}"
                for name in ("tokenising", "padding", "to the GPU", "launching", "model")
            )
            + f" | {step['operations'] / step['model'] / 1e12:.1f} | {1000 * step['job']:.0f} "
            f"| {step['tokenising'] / step['job']:.0%} | {step['model'] / step['job']:.0%} |"
        )
    return "\n".join(lines)


def _fresh(pairs: Pairs, mark: tuple[int, int]) -> Pairs:
    """The pairs with passages that the scorer has not seen before."""
    return [(query, f"{passage} {mark[0]} {mark[1]}") for query, passage in pairs]


def _steps(model: Model, precision: str, pairs: Pairs) -> dict[str, float]:
    scorer = model.ours[precision]
    backend: Any = scorer._shared.engine.backends[0]
    options = reading_of(scorer)
    found: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = call()
        found[name] = time.perf_counter() - begin
        return result

    timed("job", lambda: scorer.submit(pairs).result())
    again = _fresh(pairs, (-1, -1))
    slices = [again[start : start + SLICE] for start in range(0, len(again), SLICE)]
    prepared = timed("tokenising", lambda: [backend.prepare(part, options) for part in slices])
    encoded = sorted((one for part in prepared for one in part.inputs), key=len, reverse=True)
    batches = in_batches(encoded, backend.batch_tokens(options))
    padded = timed("padding", lambda: [pad(batch, backend.description.pad_id) for batch in batches])
    forward = backend.forward

    def moved() -> list[Any]:
        features = [forward.features(tokens) for tokens in padded]
        _wait(model)
        return features

    features = timed("to the GPU", moved)
    _run(model, forward, features, found)
    found["operations"] = operations(model.stock[precision].config, [len(one) for one in encoded])
    return found


def in_batches(encoded: list[PairTokens], budget: int) -> list[list[PairTokens]]:
    """Splits the pairs, longest first, into batches within the token budget."""
    batches = []
    start = 0
    while start < len(encoded):
        count = max(1, budget // len(encoded[start]))
        batches.append(encoded[start : start + count])
        start += count
    return batches


def _run(model: Model, forward: Any, features: list[Any], found: dict[str, float]) -> None:
    """Runs the model on all batches: launched one after the other, awaited once."""
    on_gpu = torch.cuda.is_available() and features[0]["input_ids"].is_cuda
    if on_gpu:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
    begin = time.perf_counter()
    for one in features:
        forward.scores(one)
    found["launching"] = found["model"] = time.perf_counter() - begin
    if on_gpu:
        end.record()
        end.synchronize()
        found["model"] = start.elapsed_time(end) / 1000


def _wait(model: Model) -> None:
    if next(iter(model.stock.values())).device.type == "cuda":
        torch.cuda.synchronize()
