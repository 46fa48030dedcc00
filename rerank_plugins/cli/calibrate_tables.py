"""A calibration in the terminal: the answer, the errors, what thresholds keep."""

from rich.console import Console

from rerank_plugins.cli.demo_tables import say
from rerank_plugins.cli.tables import plain, wide_table
from rerank_plugins.evaluation import CalibrationReport
from rerank_plugins.evaluation.calibration.words import headline, reasons
from rerank_plugins.evaluation.verdict import share


def show_calibration(console: Console, report: CalibrationReport) -> None:
    """Prints what a model's scores mean."""
    labels = report.labels
    say(
        console,
        f"{report.name}: {len(labels.scores)} candidates of {labels.asked} queries, "
        f"{labels.relevant.sum()} of them relevant",
    )
    console.print(plain(headline(report)), style="bold")
    for sentence in reasons(report):
        say(console, plain(sentence))
    table = wide_table()
    table.add_column("said %, calibrated", ratio=1)
    for name in ("relevant %", "candidates"):
        table.add_column(name, justify="right")
    for each in report.after.bins:
        table.add_row(f"{100 * each.said:.1f}", f"{100 * each.happened:.1f}", str(each.count))
    console.print(table)
    table = wide_table()
    table.add_column("threshold", ratio=1, min_width=9)
    for name in ("kept", "precision", "recall", "queries with an answer left"):
        table.add_column(name, justify="right")
    for row in report.kept:
        table.add_row(
            f"{row.threshold:g}",
            share(row.share),
            "" if row.precision is None else share(row.precision),
            share(row.recall),
            share(row.queries),
        )
    console.print(table)
