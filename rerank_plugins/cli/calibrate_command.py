"""`rerank calibrate`: from judged collections to a file that says what a model's scores mean."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from rerank_plugins.cli.eval import options
from rerank_plugins.cli.eval.candidates import stage_of
from rerank_plugins.cli.eval.comparing import collection_of, compared
from rerank_plugins.cli.eval.fusion import typed_weight, weights_of
from rerank_plugins.cli.eval.inputs import sources_of
from rerank_plugins.cli.eval.scorers import loaded_scorers
from rerank_plugins.cli.files import Writes, check_writable, write_text
from rerank_plugins.cli.options import as_arguments, scorer_options, typed
from rerank_plugins.cli.streams import check_output
from rerank_plugins.scoring.identity import named_identity

_DEPTH = 50


@scorer_options(without=("model",))
def calibrate(
    context: typer.Context,
    data: options.Data = None,
    split: options.Split = None,
    topics: options.Topics = None,
    qrels: options.Qrels = None,
    corpus: options.Corpus = None,
    model: Annotated[str, typed("model", "-m")] = "embedded",
    first_stage: options.Stage = None,
    run: options.GivenRun = None,
    bi_encoder: options.BiEncoder = None,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Calibrate on the first N candidates of each query: as many as you rerank.",
            show_default=str(_DEPTH),
        ),
    ] = None,
    sample: options.Sample = None,
    seed: options.Seed = 0,
    first_stage_weight: Annotated[
        str | None,
        typed(
            "first_stage_weight",
            help="The fused score is calibrated, for rankings with this weight.",
        ),
    ] = None,
    judged_only: Annotated[
        bool,
        typer.Option(
            "--judged-only",
            help="Leave out candidates that nobody judged; they count as not relevant otherwise.",
        ),
    ] = False,
    keep: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0.5,
            max=0.99,
            help="Find the threshold that keeps a relevant passage for this share of queries.",
        ),
    ] = 0.9,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="Write the calibration into this file, beside those of other models or weights "
            "that it holds. Rankings take it with --calibration FILE.",
            show_default=False,
        ),
    ] = None,
    html: options.Html = None,
    as_json: options.Json = False,
    resume: options.Resume = None,
    **scorer: Any,
) -> None:
    """Finds out on judged collections what a model's scores mean, and which threshold to use.

    Scores become probabilities: of the passages with 0.2, one in five is relevant. Of your own
    search, give its results with --run, and as many per query as you rerank.

    Example: rerank calibrate my-collection -m my-model -o calibration.json

    Example: rerank calibrate my-collection --judged-only --html report.html
    """
    from rerank_plugins.calibration.file import read_calibrations, write_calibration
    from rerank_plugins.evaluation import (
        calibrate,
        calibration_page,
        calibration_values,
        configurations,
        current_environment,
    )
    from rerank_plugins.evaluation.measures import MEASURES
    from rerank_plugins.process.extras import require

    require("sklearn", extra="calibrate", purpose="rerank calibrate")
    check_output()
    for file in filter(None, (output, html)):
        check_writable(file)
    if output is not None and output.exists():
        read_calibrations(output)  # what is in it must not be lost after the work
    sources = sources_of(data or [], split=split, topics=topics, qrels=qrels, corpus=corpus)
    combinations = configurations([model], **_as_lists(as_arguments(scorer)))
    weight = typed_weight(first_stage_weight, combinations.values())
    bm25 = options.FirstStage.bm25
    stage = stage_of(first_stage, bm25, run, bi_encoder, depth, _DEPTH, scorer, len(sources))
    with loaded_scorers(combinations, None, None) as scorers, scorers.asking(resume) as ask:
        (name,) = scorers.configurations
        number = weights_of(weight, scorers).get(name, 0.0)
        comparisons = [
            compared(each, collection_of(each, sample, seed), stage, scorers, ask, MEASURES)
            for each in sources
        ]
        identity = named_identity(scorers.rerankers[name].scorer, "nothing can be calibrated")
    report = calibrate(comparisons, name, weight=number, judged_only=judged_only, wanted=keep)
    writes = Writes()
    if output is None:
        writes.notes.append("nothing is written; add --output FILE to use this calibration")
    else:
        with writes.one():
            write_calibration(output, report.calibration(model, identity))
            used = shlex.quote(str(output))
            writes.notes.append(f"written to {output}; use it with --calibration {used}")
    if html is not None:
        environment = current_environment(shlex.join(["rerank", *(context.obj or ())]))
        with writes.one():
            write_text(html, calibration_page(report, environment))
    if as_json:
        typer.echo(json.dumps(calibration_values(report), indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        from rerank_plugins.cli.calibrate_tables import show_calibration

        show_calibration(Console(), report)
    writes.finish()


def _as_lists(given: dict[str, Any]) -> dict[str, Any]:
    """The options of one scorer as `configurations` takes them."""
    several = {"backend": "backends", "precision": "precisions", "max_length": "max_lengths"}
    return {
        several.get(name, name): [value] if name in several else value
        for name, value in given.items()
    }
