"""The tables of `rerank eval`: quality, changes, latency, and the queries that changed most."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.console import Console
from rich.padding import Padding

from rerank_plugins.cli.demo_tables import say
from rerank_plugins.cli.eval.fusion_tables import show_fusions
from rerank_plugins.cli.tables import plain, wide_table
from rerank_plugins.evaluation import (
    CardCheck,
    Change,
    Comparison,
    DepthPoint,
    QueryChange,
    Report,
    Verdict,
    best_queries,
    change,
    overall,
    timed_queries,
    tradeoffs,
    verdict,
    worst_queries,
)
from rerank_plugins.evaluation.judged import FIRST, not_judged
from rerank_plugins.evaluation.lost import JudgedPassage
from rerank_plugins.evaluation.measures import mean_name
from rerank_plugins.evaluation.time_report import Table
from rerank_plugins.evaluation.verdict import share

_LISTED = 5
"""Queries listed as won and as lost; the page and JSON have more."""


def show_report(console: Console, report: Report) -> None:
    """Prints each collection, then the figures over all of them."""
    several = len(report.comparisons) > 1
    if several:
        _show_verdict(console, overall(report.comparisons))
    for number, comparison in enumerate(report.comparisons):
        _show_comparison(console, comparison)
        for name, points in report.curve(number).items():
            _show_curve(console, name, points, comparison)
    if several:
        _show_means(console, report.comparisons)
    _show_tradeoffs(console, report)
    if report.fusions:
        show_fusions(console, report)
    for each in (*report.time_tables, *report.calibration_tables):
        _show_table(console, each)
    if report.card:
        _show_card(console, report.card)


def _show_comparison(console: Console, comparison: Comparison) -> None:
    """Prints the tables of one collection, with one line per order."""
    collection = comparison.collection
    say(
        console,
        f"\n{collection.name}: {len(collection.queries)} queries, {len(collection.passages)} "
        f"passages, {comparison.depth} candidates per query",
    )
    _show_verdict(console, verdict(comparison))
    _quality(console, comparison)
    _changes(console, comparison)
    _latency(console, comparison)
    for order in comparison.reranked:
        won = best_queries(comparison, order, count=_LISTED)
        lost = worst_queries(comparison, order, count=_LISTED)
        _moved(console, f"Won most by {order.name}", won, comparison.measures[0])
        _moved(console, f"Lost most by {order.name}", lost, comparison.measures[0])
    say(
        console,
        "Not judged: nobody has said whether the passage answers; it counts as not relevant.",
    )


def _show_verdict(console: Console, found: Verdict) -> None:
    console.print(plain(found.headline), style="bold")
    say(console, plain(" ".join(found.reasons)))


def _quality(console: Console, comparison: Comparison) -> None:
    names = comparison.measures
    table = wide_table()
    table.add_column("x 100", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in names:
        table.add_column(mean_name(name), justify="right", no_wrap=True)
    table.add_column("not judged", justify="right", no_wrap=True)
    for order in (comparison.first_stage, *comparison.reranked):
        table.add_row(
            plain(order.name),
            *(f"{100 * order.mean(name):.1f}" for name in names),
            share(not_judged(comparison.collection, order)),
        )
    console.print(table)
    say(
        console,
        f"The first stage found {100 * comparison.ceiling:.1f}% of the relevant passages "
        f"(R@{comparison.depth}); no order of its candidates finds more. Not judged: share of the "
        f"first {FIRST}.",
    )
    for note in comparison.notes:
        say(console, plain(note))


def _changes(console: Console, comparison: Comparison) -> None:
    measure = comparison.measures[0]
    before = comparison.first_stage.values[measure]
    changes = {order.name: change(before, order.values[measure]) for order in comparison.reranked}
    _change_table(console, f"change of {measure}", changes)
    others = comparison.against_first_scorer(measure)
    if others:
        _change_table(console, f"from {comparison.reranked[0].name}", others)
    say(
        console,
        f"p: paired randomisation test over {len(comparison.collection.queries)} queries; above "
        "0.05 the difference may be luck.",
    )


def _change_table(console: Console, title: str, changes: Mapping[str, Change]) -> None:
    table = wide_table()
    table.add_column(plain(title), ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("mean", "won", "lost", "tied", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, moved in changes.items():
        counts = (moved.better, moved.worse, moved.unchanged)
        table.add_row(
            plain(name),
            f"{100 * moved.mean:+.1f}",
            *(f"{count} ({count / moved.queries:.0%})" for count in counts),
            f"{moved.p_value:.4f}",
        )
    console.print(table)


def _latency(console: Console, comparison: Comparison) -> None:
    asked = len(comparison.collection.queries)
    table = wide_table()
    table.add_column(f"time, all {asked} queries", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("p50", "p95", "p99", "pairs/s", "cut"):
        table.add_column(name, justify="right", no_wrap=True)
    for order in comparison.reranked:
        latency = order.latency()
        table.add_row(
            plain(order.name),
            *(_time(value) for value in (latency.p50, latency.p95, latency.p99)),
            f"{latency.pairs_per_second:.0f}",
            share(order.cut_share),
        )
    console.print(table)
    say(
        console,
        "p50: half of the queries took no longer. Cut: passages that the model (of several, the "
        "last) read only in part, because they are longer than its limit.",
    )


def _moved(console: Console, title: str, moved: Sequence[QueryChange], measure: str) -> None:
    if moved:
        say(console, plain(f"{title} ({measure} before > after, first passages):"))
    for query in moved:
        line = plain(f"{query.before:.2f} > {query.after:.2f} {query.query}")
        line.truncate(console.width, overflow="ellipsis")
        console.print(line)
        for when, passage in (("was", query.first_before), ("now", query.first_after)):
            first = plain(f"{when}: {_judged(passage)}")
            first.truncate(console.width - 12, overflow="ellipsis")
            console.print(Padding(first, (0, 0, 0, 12)))


def _judged(passage: JudgedPassage | None) -> str:
    if passage is None:
        return "nothing"
    relevance = "not judged" if passage.relevance is None else f"judged {passage.relevance}"
    return f"[{relevance}] {passage.text}"


def _show_curve(
    console: Console, name: str, points: Sequence[DepthPoint], comparison: Comparison
) -> None:
    measure = comparison.measures[0]
    table = wide_table()
    table.add_column(f"depth: {name}", ratio=1, no_wrap=True, overflow="ellipsis")
    timed = f"p50 of {timed_queries(comparison)} queries"
    for column in (f"{mean_name(measure)} x 100", "recall %", timed):
        table.add_column(column, justify="right", no_wrap=True)
    for point in points:
        table.add_row(
            str(point.depth) if point.depth else "first stage",
            f"{100 * point.quality:.1f}",
            f"{100 * point.recall:.1f}" if point.depth else "",
            _time(point.seconds) if point.depth else "",
        )
    console.print(table)


def _show_means(console: Console, comparisons: Sequence[Comparison]) -> None:
    names = [comparisons[0].first_stage.name, *(order.name for order in comparisons[0].reranked)]
    measure = comparisons[0].measures[0]
    table = wide_table()
    table.add_column(f"{mean_name(measure)} x 100", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in names:
        table.add_column(plain(name), justify="right", overflow="fold")
    rows = []
    for comparison in comparisons:
        rows.append([o.mean(measure) for o in (comparison.first_stage, *comparison.reranked)])
        table.add_row(plain(comparison.collection.name), *(f"{100 * v:.1f}" for v in rows[-1]))
    means = [fmean(column) for column in zip(*rows, strict=True)]
    table.add_row("mean", *(f"{100 * value:.1f}" for value in means), style="bold")
    console.print(table)


def _show_tradeoffs(console: Console, report: Report) -> None:
    table = wide_table()
    table.add_column("quality against latency", ratio=1, no_wrap=True, overflow="ellipsis")
    measure = mean_name(report.comparisons[0].measures[0])
    memory = ["memory"] if report.memory else []
    for name in (f"{measure} x 100", "median", *memory, "best for its time"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in tradeoffs(report.comparisons):
        table.add_row(
            plain(each.name),
            f"{100 * each.quality:.1f}",
            _time(each.seconds),
            *(_megabytes(report.memory, each.name) for _ in memory),
            "yes" if each.on_front else "no",
        )
    console.print(table)


def _show_card(console: Console, checks: Sequence[CardCheck]) -> None:
    table = wide_table()
    table.add_column("model card", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("scorer", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("measure", "queries", "card", "here", "off by"):
        table.add_column(name, justify="right", no_wrap=True)
    for check in checks:
        table.add_row(
            plain(check.figure.dataset.removeprefix("msmarco-passage/")),
            plain(check.scorer),
            mean_name(check.figure.measure),
            str(check.queries),
            f"{100 * check.figure.value:.2f}",
            f"{100 * check.measured:.2f}",
            f"{check.percent_off:+.1f}%",
        )
    console.print(table)


def _show_table(console: Console, shown: Table) -> None:
    table = wide_table()
    name, *figures = shown.head
    table.add_column(plain(name), ratio=1, overflow="fold")
    for place, figure in enumerate(figures, start=1):
        texts = [*figure.split(), *(row[place] for row in shown.rows)]  # headers may wrap
        table.add_column(plain(figure), justify="right", width=max(map(len, texts)))
    for row in shown.rows:
        table.add_row(*map(plain, row))
    console.print(table)
    say(console, plain(shown.about))


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _megabytes(memory: Mapping[str, float | None], name: str) -> str:
    megabytes = memory.get(name)
    return "" if megabytes is None else f"{megabytes:.0f} MB"
