"""What `rerank eval --fuse` found, in the terminal."""

from rich.console import Console
from rich.text import Text

from rerank_plugins.cli.demo_tables import say
from rerank_plugins.cli.tables import plain, wide_table
from rerank_plugins.evaluation import Gain, Report, advice
from rerank_plugins.evaluation.measures import mean_name


def show_fusions(console: Console, report: Report) -> None:
    """Prints the gain of each reranker by fusion, and then what to do and the options to copy."""
    table = wide_table()
    table.add_column("with the first stage", ratio=1, no_wrap=True, overflow="ellipsis")
    measure = mean_name(report.comparisons[0].measures[0])
    for name in (f"{measure} x 100", "over the model alone", "over the first stage"):
        table.add_column(name, justify="right")
    for fusion in report.fusions:
        table.add_row(
            plain(fusion.name),
            f"{100 * fusion.fused:.1f}",
            _interval(fusion.over_model),
            _interval(fusion.over_first_stage),
        )
    console.print(table)
    for fusion in report.fusions:
        found = advice(fusion, report.comparisons)
        console.print(plain(f"{fusion.name}: {found.headline}"), style="bold")
        say(console, plain(" ".join(found.reasons)))
        if found.options:
            say(console, "In Python (the plug-ins of the frameworks take the same), and in YAML:")
            for line in (found.python, *found.yaml.splitlines()):
                console.print(Text(f"  {line}"), soft_wrap=True)  # whole, to be copied


def _interval(gain: Gain) -> str:
    return f"{100 * gain.mean:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
