"""The commands and their options; the modules beside this one do the work.

The heavy imports are inside the commands, so that `rerank --help` answers immediately.
"""

from typing import Annotated, Any

import typer

from rerank_plugins import __version__
from rerank_plugins.cli.calibrate_command import calibrate
from rerank_plugins.cli.compile_command import compile_bundle, plan
from rerank_plugins.cli.errors import Commands
from rerank_plugins.cli.eval import evaluate
from rerank_plugins.cli.options import scorer_of, scorer_options
from rerank_plugins.cli.rank_command import rank
from rerank_plugins.cli.serve_command import serve
from rerank_plugins.cli.streams import check_output
from rerank_plugins.cli.train_command import train

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables leave help 20 characters at 80 columns
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rerank-plugins {__version__}")
        raise typer.Exit


@app.callback()
def rerank(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Reranks search results with a cross-encoder.

    Example: rerank demo
    """


@app.command(short_help="Shows on a small corpus how reranking changes results.")
@scorer_options()
def demo(
    query: Annotated[
        str | None,
        typer.Option(
            "--query",
            "-q",
            help="Search for this question instead of the 50 that come with the corpus.",
        ),
    ] = None,
    **scorer: Any,
) -> None:
    """Searches a small corpus with BM25, reranks the results, and shows the difference.

    Example: rerank demo --query "why is the sky blue"
    """
    from rich.console import Console

    from rerank_plugins.cli.demo import run_demo

    check_output()
    run_demo(Console(), scorer_of(scorer), query=query)


app.command(short_help="Orders the candidates in a file by relevance.")(rank)
app.command("eval", short_help="Measures rerankers on judged collections.")(evaluate)
app.command(short_help="Finds out what a model's scores mean.")(calibrate)
app.command(short_help="Fine-tunes a cross-encoder on your pairs.")(train)
app.command(short_help="Answers rerank requests over HTTP.")(serve)
app.command("compile", short_help="Compiles a model, to load without torch.")(compile_bundle)
app.command(short_help="Says how this machine runs a model, and why.")(plan)
