"""The speed of each way on a GPU: one query, a bulk job, and other batch sizes of the scorer."""

import statistics
import time
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.gpu_models import Model, Pairs
from benchmarks.gpu_tasks import Size, bulk_pairs, mean_tokens, query_pairs
from benchmarks.ways import Texts
from rerank_plugins import CrossEncoderScorer


def first_scores(model: Model, data: Texts) -> str:
    """Times the first calls after `warm_up`, because a GPU's libraries load on first use."""
    lines = []
    for precision in model.ours:
        seconds = []
        for number in range(3):
            begin = time.perf_counter()
            model.score(precision, query_pairs(data, "short", 800 + number, 10))
            seconds.append(f"{1000 * (time.perf_counter() - begin):.0f}")
        lines.append(f"{precision} {', '.join(seconds)} ms")
    return f"The first three queries of 10 passages after `warm_up`: {'; '.join(lines)}."


def batch_sizes(
    model: Model, data: Texts, size: Size, wanted: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Returns the best batch size of `predict` by task and precision."""
    tasks = {
        "short": query_pairs(data, "short", 700, size.passages),
        "long": query_pairs(data, "long", 700, size.passages),
        "bulk": bulk_pairs(data, size.choosing, 700),
    }
    best: dict[str, dict[str, int]] = {}
    for task in wanted:
        pairs = tasks[task]
        sizes = [batch for batch in size.batches if batch < 2 * len(pairs)] or [size.batches[0]]
        best[task] = {}
        for precision in model.stock:
            seconds = {batch: float("inf") for batch in sizes}
            for turn in range(2 if task == "bulk" else 4):
                for batch in sizes:
                    begin = time.perf_counter()
                    model.predict(precision, pairs, batch)
                    if turn:  # the first is to warm up
                        seconds[batch] = min(seconds[batch], time.perf_counter() - begin)
            best[task][precision] = min(seconds, key=seconds.__getitem__)
    return best


def one_query(
    model: Model, data: Texts, name: str, rounds: int, best: dict[str, int], size: Size
) -> str:
    """Returns the table of one caller's queries; `best` has the batch sizes of `predict`."""
    every = (query_pairs(data, name, number, size.passages) for number in range(rounds + 1))
    seconds = _interleaved(model, best, every)
    lines = [
        f"### One query, {size.passages} {name} passages, {model.title}\n",
        f"{mean_tokens(query_pairs(data, name, 0, size.passages)):.0f} tokens per pair on average; "
        f"{rounds} queries.\n",
        "| way | precision | p50 / p95 / p99 ms | pairs/s | times predict |",
        "|---|---|---:|---:|---:|",
    ]
    for (way, precision), values in sorted(seconds.items(), key=lambda row: row[0][1]):
        p50, p95, p99 = np.quantile(values, [0.5, 0.95, 0.99]) * 1000
        lines.append(
            f"| {way} | {precision} | {p50:.1f} / {p95:.1f} / {p99:.1f} "
            f"| {size.passages / p50 * 1000:.0f} | {_ratio(seconds, precision, values):.2f} |"
        )
    return "\n".join(lines)


def bulk(model: Model, data: Texts, best: dict[str, int], size: Size) -> str:
    """Returns the table of a job with many pairs; `best` has the batch sizes of `predict`."""
    counts = (size.choosing, size.bulk, size.bulk, size.bulk)
    pairs = (bulk_pairs(data, count, number) for number, count in enumerate(counts))
    seconds = _interleaved(model, best, pairs)
    lines = [
        f"### {size.bulk} pairs, {model.title}\n",
        f"{mean_tokens(bulk_pairs(data, size.bulk, 0)):.0f} tokens per pair on average; median of "
        "3.\n",
        "| way | precision | seconds | slowest | pairs/s | times predict |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for (way, precision), values in sorted(seconds.items(), key=lambda row: row[0][1]):
        median = statistics.median(values)
        lines.append(
            f"| {way} | {precision} | {median:.3f} | {max(values):.3f} | {size.bulk / median:.0f} "
            f"| {_ratio(seconds, precision, values):.2f} |"
        )
    return "\n".join(lines)


def budgets(model: Model, data: Texts, size: Size) -> str:
    """Compares batches smaller and bigger than the scorer's own."""
    scorer = model.ours["fp16"]
    device = str(scorer._settings.device)
    seconds: dict[int, list[float]] = {budget: [] for budget in size.budgets}
    for number in range(3):
        for budget in size.budgets:
            count = size.bulk if number else size.choosing
            pairs = bulk_pairs(data, count, 500 + number * 50 + size.budgets.index(budget))
            # It shares the loaded model with the scorer whose settings are equal.
            with CrossEncoderScorer(
                scorer.name,
                backend="torch",
                device=device,
                precision="fp16",
                max_batch_tokens=budget,
            ) as other:
                begin = time.perf_counter()
                other.submit(pairs).result()
                if number:
                    seconds[budget].append(time.perf_counter() - begin)
    lines = [
        f"### Tokens a batch, fp16, {model.title}\n",
        f"{size.bulk} pairs.\n",
        "| max_batch_tokens | pairs/s |",
        "|---:|---:|",
    ]
    lines += [
        f"| {budget} | {size.bulk / statistics.median(values):.0f} |"
        for budget, values in seconds.items()
    ]
    return "\n".join(lines)


def _interleaved(
    model: Model, best: dict[str, int], rounds: Iterable[Pairs]
) -> dict[tuple[str, str], list[float]]:
    """Returns the seconds of each way per round, without the first round."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for number, pairs in enumerate(rounds):
        for precision, batch in best.items():
            begin = time.perf_counter()
            model.predict(precision, pairs, batch)
            middle = time.perf_counter()
            model.score(precision, pairs)
            end = time.perf_counter()
            if number:
                name = f"`predict`, batches of {batch}"
                seconds.setdefault((name, precision), []).append(middle - begin)
                seconds.setdefault(("torch backend", precision), []).append(end - middle)
    return seconds


def _ratio(
    seconds: dict[tuple[str, str], list[float]], precision: str, values: list[float]
) -> float:
    stock = next(v for (way, p), v in seconds.items() if p == precision and "predict" in way)
    return statistics.median(stock) / statistics.median(values)
