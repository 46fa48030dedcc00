"""What `rerank eval` shows: quality, changes, latency and the queries that lost most."""

from statistics import fmean

from rich.console import Console

from rerank_plugins.cli.demo_tables import say
from rerank_plugins.cli.tables import plain, wide_table
from rerank_plugins.evaluation import Comparison, DepthPoint, Order, change, worst_queries
from rerank_plugins.evaluation.memory import peak_memory

MEASURE = "nDCG@10"
"""The measure of changes, lost queries and means; the field's usual one."""

_WORST = 10


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Prints one collection: a line an order in each table."""
    collection = comparison.collection
    say(
        console,
        f"\n{collection.name}: {len(collection.queries)} queries, {len(collection.passages)} "
        f"passages, {comparison.depth} candidates a query",
    )
    _quality(console, comparison)
    _changes(console, comparison)
    _latency(console, comparison)
    for order in comparison.reranked:
        _lost(console, comparison, order)


def show_curve(console: Console, name: str, points: list[DepthPoint]) -> None:
    """Prints a line a depth: quality, the first stage's recall there, and the time."""
    table = wide_table()
    table.add_column(f"depth: {name}", ratio=1, no_wrap=True, overflow="ellipsis")
    for column in (f"{MEASURE} x 100", "recall %", "p50"):
        table.add_column(column, justify="right", no_wrap=True)
    for point in points:
        table.add_row(
            str(point.depth) if point.depth else "first stage",
            f"{100 * point.quality:.1f}",
            f"{100 * point.recall:.1f}" if point.depth else "",
            f"{1000 * point.seconds:.0f} ms" if point.depth else "",
        )
    console.print(table)


def show_means(console: Console, comparisons: list[Comparison]) -> None:
    """Prints the measure of every collection and its mean over them."""
    names = [comparisons[0].first_stage.name, *(order.name for order in comparisons[0].reranked)]
    table = wide_table()
    table.add_column(f"{MEASURE} x 100", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in names:
        table.add_column(plain(name), justify="right", overflow="fold")
    rows = []
    for comparison in comparisons:
        rows.append([o.mean(MEASURE) for o in (comparison.first_stage, *comparison.reranked)])
        table.add_row(plain(comparison.collection.name), *(f"{100 * v:.1f}" for v in rows[-1]))
    means = [fmean(column) for column in zip(*rows, strict=True)]
    table.add_row("mean", *(f"{100 * value:.1f}" for value in means), style="bold")
    console.print(table)


def _quality(console: Console, comparison: Comparison) -> None:
    names = list(comparison.first_stage.values)
    table = wide_table()
    table.add_column("x 100", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for order in (comparison.first_stage, *comparison.reranked):
        table.add_row(plain(order.name), *(f"{100 * order.mean(name):.1f}" for name in names))
    console.print(table)
    recall = 100 * comparison.first_stage.mean(names[-1])
    say(
        console,
        f"The first stage found {recall:.1f}% of what is relevant ({names[-1]}); "
        "no order of its candidates shows more.",
    )


def _changes(console: Console, comparison: Comparison) -> None:
    table = wide_table()
    table.add_column(f"change of {MEASURE}", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("mean", "better", "worse", "same", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for order in comparison.reranked:
        moved = change(comparison.first_stage.values[MEASURE], order.values[MEASURE])
        table.add_row(
            plain(order.name),
            f"{100 * moved.mean:+.1f}",
            *(str(count) for count in (moved.better, moved.worse, moved.unchanged)),
            f"{moved.p_value:.4f}",
        )
    console.print(table)


def _latency(console: Console, comparison: Comparison) -> None:
    table = wide_table()
    table.add_column("time a query", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("p50", "p95", "p99", "pairs/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for order in comparison.reranked:
        latency = order.latency()
        seconds = (latency.p50, latency.p95, latency.p99)
        table.add_row(
            plain(order.name),
            *(f"{1000 * value:.0f} ms" for value in seconds),
            f"{latency.pairs_per_second:.0f}",
        )
    console.print(table)
    megabytes = peak_memory()
    if megabytes is not None:
        say(console, f"Peak memory of the process: {megabytes:.0f} MB.")


def _lost(console: Console, comparison: Comparison, order: Order) -> None:
    lost = worst_queries(comparison, order, MEASURE, _WORST)
    if not lost:
        return
    table = wide_table()
    table.add_column(f"lost most: {order.name}", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("before", justify="right", no_wrap=True)
    table.add_column("after", justify="right", no_wrap=True)
    for query in lost:
        table.add_row(plain(query.query), f"{query.before:.2f}", f"{query.after:.2f}")
    console.print(table)
