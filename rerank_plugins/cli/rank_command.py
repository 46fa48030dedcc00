"""`rerank rank`: its options, and the way from input to output."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rerank_plugins.checks.cascade import check_scores_count, has_weights
from rerank_plugins.cli import output as output_forms
from rerank_plugins.cli.errors import show
from rerank_plugins.cli.files import check_writable, write_text
from rerank_plugins.cli.options import as_arguments, scorer_options, typed, with_options
from rerank_plugins.cli.rank import MANY_PAIRS, cut_warnings, rank_all
from rerank_plugins.cli.ranking_options import ranking_arguments
from rerank_plugins.cli.server_option import server_arguments
from rerank_plugins.cli.streams import check_output
from rerank_plugins.cli.trec import read_run_requests
from rerank_plugins.formats.candidates import CandidateFormat, QueryPassages, read_passages
from rerank_plugins.formats.lines import STANDARD_INPUT, shown
from rerank_plugins.formats.runs import as_run
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.options import SCORER_OPTIONS
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import RankedList, ScoreScale, in_order

RUN_SCORE = "score"
"""The name of a run's scores as a field."""


@scorer_options()
@with_options(
    {
        "calibration": {},
        "first_stage_weight": {},
        "first_stage_score_field": {"help": "Scores of a --run are called score."},
        "higher_is_better": {"help": "With --lower-is-better a --run is read nearest first."},
        "cascade": {
            "help": "Here MODEL:KEEP, or such a dictionary as JSON; give it several times for "
            "several models."
        },
        "time_budget": {
            "help": "A time such as 100ms or 0.1s for each query; loading the models does not "
            "count."
        },
        "spans": {"help": "A table shows them in colour; a line has their text as a fifth column."},
        "max_spans": {},
        "compress": {},
        "compress_threshold": {},
        "compress_neighbours": {},
    }
)
def rank(
    query: Annotated[
        str | None,
        typer.Argument(metavar="QUERY", help="The question to answer.", show_default=False),
    ] = None,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="The candidates: a file with one passage per line, JSON Lines, a JSON array, CSV "
            "or TSV. Objects and tables have the text in text, contents or passage, and perhaps a "
            "title and an id. The file may be gzipped; - reads standard input.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        CandidateFormat, typer.Option("--format", help="Format of FILE; auto recognises it.")
    ] = "auto",
    run: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Rerank this TREC run, instead of QUERY and FILE.",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File with the queries of the run: JSON Lines, TREC topics, or one query per line "
            "as id, tab, text.",
            show_default=False,
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File with the documents of the run: JSON Lines, or one document per line as id, "
            "tab, text.",
            show_default=False,
        ),
    ] = None,
    top_k: Annotated[int | None, typed("top_k", "-k")] = None,
    score_threshold: Annotated[float | None, typed("score_threshold")] = None,
    scale: Annotated[
        ScoreScale | None,
        typed("scale", unset="probability; logit for a run; calibrated with --calibration"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Score on this rerank server instead of with --model: its address, or the options "
            "of an HttpScorer as JSON.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the result to this file instead of standard output.",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Orders the candidates in a file by how well they answer a question.

    A terminal shows a table. A pipe gets one line per passage: rank, score, id and text, separated
    by tabs. With --run the result is a run. --json works with both. A passage that --time-budget
    left without a score is behind the others, and its score is empty.

    Example: rerank rank "why is the sky blue" passages.txt --top-k 5

    Example: rerank rank --run bm25.run --queries q.jsonl --corpus corpus.jsonl
    """
    if output is None:
        check_output()
    else:
        check_writable(output)
    score_field = options.pop("first_stage_score_field")
    if scale is None and options["calibration"] is not None:
        scale = "calibrated"
    scale = scale or ("probability" if run is None else "logit")
    of_ranking = ranking_arguments(
        {"top_k": top_k, "score_threshold": score_threshold, "scale": scale, **options}
    )
    if score_field is not None:
        weight, in_stages = of_ranking["first_stage_weight"], has_weights(of_ranking["cascade"])
        check_scores_count("first_stage_score_field", weight, in_stages=in_stages)
    asked = [name for name in ("spans", "compress") if of_ranking[name]]
    if asked and run is not None and not as_json:
        message = (
            f"{option(asked[0], of_ranking[asked[0]])} goes with --json for a --run: a run has ids "
            "and scores alone."
        )
        raise typer.BadParameter(message)
    of_scorer = {name: value for name, value in options.items() if name in SCORER_OPTIONS}
    requests = _requests(
        query,
        file,
        form,
        run,
        queries,
        corpus,
        score_field,
        higher_is_better=options["higher_is_better"],
    )
    pairs = sum(len(request.passages) for request in requests)
    show_progress = pairs >= MANY_PAIRS and sys.stderr.isatty()
    if server is None:
        given = {**as_arguments(of_scorer), "progress_bar": show_progress and run is None}
    else:
        given = server_arguments(server, of_scorer, of_ranking["cascade"])
    with Reranker.from_options(**given, **of_ranking) as reranker:
        rankings = rank_all(
            reranker,
            requests,
            by_score=score_field is not None,
            show_progress=show_progress and run is not None,
        )
        warnings = list(cut_warnings(reranker, options, rankings))
    if run is not None and as_json:
        _write(output_forms.as_json_by_query(requests, rankings), output)
    elif run is not None:
        _write(as_run(requests, rankings), output)
    elif as_json:
        _write(output_forms.as_json(requests[0], rankings[0]), output)
    elif output is not None or not sys.stdout.isatty():
        _write(output_forms.as_lines(requests[0], rankings[0], spans=of_ranking["spans"]), output)
    else:
        _show_table(requests[0], rankings[0])
    for warning in warnings:
        show("warning", warning)
    unscored = sum(len(ranking.unscored) for ranking in rankings)
    if unscored:
        places = "left out" if score_threshold is not None else "behind the others"
        show("note", f"{unscored} of {pairs} passages got no score in --time-budget; {places}")
    if output is not None:
        show(
            "note", f"{sum(len(in_order(each)) for each in rankings)} passages written to {output}"
        )


def _requests(
    query: str | None,
    file: str | None,
    form: CandidateFormat,
    run: str | None,
    queries: str | None,
    corpus: str | None,
    score_field: str | None,
    *,
    higher_is_better: bool,
) -> list[QueryPassages]:
    """Reads the requests: one query with its passages, or all queries of a run."""
    if run is not None:
        if query is not None or form != "auto":
            message = "--run brings its own queries: leave out QUERY, FILE and --format."
            raise typer.BadParameter(message)
        if queries is None or corpus is None:
            message = "--run needs --queries and --corpus, because a run only contains ids."
            raise typer.BadParameter(message)
        if score_field not in (None, RUN_SCORE):
            message = (
                f"--first-stage-score-field is {score_field!r}, but a run has one field of scores. "
                f"Type --first-stage-score-field {RUN_SCORE}."
            )
            raise typer.BadParameter(message)
        return read_run_requests(run, queries, corpus, higher_is_better=higher_is_better)
    if queries is not None or corpus is not None:
        message = "--queries and --corpus go with --run. For one question, give QUERY and FILE."
        raise typer.BadParameter(message)
    if not higher_is_better and score_field is None:
        message = (
            "--lower-is-better says how to read scores, and none are read: passages count in the "
            "order given. Name their field with --first-stage-score-field, or leave it out."
        )
        raise typer.BadParameter(message)
    if query is None or file is None:
        message = (
            "Give the question and a file with its candidates (- for standard input), for "
            f'example: {command("rerank")} rank "why is the sky blue" passages.txt'
        )
        raise typer.BadParameter(message)
    if file == STANDARD_INPUT and sys.stdin is not None and sys.stdin.isatty():
        show("note", "type one passage per line, then Ctrl-D")
    request = QueryPassages("", query, read_passages(file, form, score_field=score_field))
    if not request.passages:
        show("warning", f"{shown(file)} holds no passages.")
    return [request]


def _show_table(request: QueryPassages, ranking: RankedList) -> None:
    from rich.console import Console

    from rerank_plugins.cli.tables import show_table

    show_table(Console(), request, ranking)
    shown_rows = len(in_order(ranking))
    if shown_rows < len(request.passages):
        typer.echo(f"{shown_rows} of {len(request.passages)} passages.")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
