"""The command `rerank eval`, from its arguments to its report."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from rerank_plugins.cli.errors import show
from rerank_plugins.cli.eval import options
from rerank_plugins.cli.eval.calibrations import check_calibration, curves_of
from rerank_plugins.cli.eval.candidates import stage_of
from rerank_plugins.cli.eval.comparing import collection_of, compared
from rerank_plugins.cli.eval.fusion import (
    check_save_weight,
    found_fusions,
    save_weights,
    typed_weight,
    weighted_orders,
    weights_of,
)
from rerank_plugins.cli.eval.inputs import dataset_source, sources_of
from rerank_plugins.cli.eval.output import Output
from rerank_plugins.cli.eval.rerankers import rerankers_of
from rerank_plugins.cli.eval.scorers import Scorers, loaded_scorers
from rerank_plugins.cli.eval.times import measured_times, wanted_times
from rerank_plugins.cli.files import Writes
from rerank_plugins.cli.options import as_arguments, scorer_options
from rerank_plugins.cli.progress import progress

if TYPE_CHECKING:
    from rerank_plugins.evaluation import Comparison, DepthPoint
    from rerank_plugins.evaluation.marks import Marks
    from rerank_plugins.evaluation.timing import Ask

_DEPTH = 100
_CURVE_DEPTH = 200


@scorer_options(without=("model", "backend", "precision", "max_length"))
def evaluate(
    context: typer.Context,
    data: options.Data = None,
    split: options.Split = None,
    topics: options.Topics = None,
    qrels: options.Qrels = None,
    corpus: options.Corpus = None,
    card: options.Card = None,
    model: options.Models = None,
    options_file: options.OptionsFile = None,
    backend: options.BackendNames = None,
    precision: options.Precisions = None,
    max_length: options.MaxLengths = None,
    first_stage: options.Stage = None,
    run: options.GivenRun = None,
    keep_identical: options.KeepIdentical = False,
    bi_encoder: options.BiEncoder = None,
    depth: options.Depth = None,
    measure: options.Measures = None,
    sample: options.Sample = None,
    seed: options.Seed = 0,
    curve: options.Curve = False,
    within: options.Within = None,
    budgets: options.Budgets = None,
    memory: options.Memory = False,
    first_stage_weight: options.FirstStageWeight = None,
    calibration: options.Calibration = None,
    fuse: options.Fuse = False,
    save_weight: options.SaveWeight = False,
    resume: options.Resume = None,
    as_json: options.Json = False,
    markdown: options.Markdown = False,
    html: options.Html = None,
    runs: options.Runs = None,
    **scorer: Any,
) -> None:
    """Measures rerankers on judged collections: quality before and after, changes, latency.

    Example: rerank eval my-collection --html report.html

    Example: rerank eval beir/scifact/test -m embedded -m my-model

    Example: rerank eval --card cross-encoder/ms-marco-MiniLM-L4-v2
    """
    from rerank_plugins.evaluation import (
        Report,
        ScoreStore,
        card_figures,
        check_card,
        current_environment,
        with_orders,
    )
    from rerank_plugins.evaluation.calibration.measured import measured_calibrations
    from rerank_plugins.evaluation.cards import DEPTH as CARD_DEPTH
    from rerank_plugins.evaluation.measures import MEASURES, check_grades, measure_names
    from rerank_plugins.evaluation.memory import scoring_memory

    output = Output(as_json, markdown, html, runs)
    output.check()
    figures = () if card is None else card_figures(card)
    if figures and (data or split or topics or qrels or corpus):
        message = "--card names its own data; leave out collections and --split."
        raise typer.BadParameter(message)
    sources = [dataset_source(figure.dataset) for figure in figures] or sources_of(
        data or [], split=split, topics=topics, qrels=qrels, corpus=corpus
    )
    unless_given = None if figures else options.FirstStage.bm25
    otherwise = CARD_DEPTH if figures else _CURVE_DEPTH if curve else _DEPTH
    stage = stage_of(
        first_stage, unless_given, run, bi_encoder, depth, otherwise, scorer, len(sources)
    )
    measures = [*(measure or MEASURES), *(figure.measure for figure in figures)]
    names = measure_names(stage.depth, measures)  # refuses unknown measures before the work
    combinations = rerankers_of(
        model or [],
        {"backends": backend, "precisions": precision, "max_lengths": max_length},
        options_file,
        card or "embedded",
        as_arguments(scorer),
    )
    times = wanted_times(within, budgets, curve=curve)
    if save_weight and not fuse:
        message = "--save-weight saves the weight that --fuse finds; add --fuse."
        raise typer.BadParameter(message)
    if save_weight:
        check_save_weight(combinations.values())
    weight = typed_weight(first_stage_weight, combinations.values())
    check_calibration(calibration, combinations.values())
    with (
        loaded_scorers(combinations, bi_encoder, stage.encoder) as scorers,
        scorers.asking(resume) as ask,
    ):
        weights = weights_of(weight, scorers)
        curves_of_scores = curves_of(calibration, weights, scorers)
        collections = [
            collection_of(source, sample, seed, keep_identical=keep_identical) for source in sources
        ]
        for each in collections:
            check_grades(each, names)
        comparisons = [
            compared(source, collection, stage, scorers, ask, measures)
            for source, collection in zip(sources, collections, strict=True)
        ]
        curves = [_curves(each, scorers, ask) for each in comparisons] if curve else []
        timed = measured_times(times, comparisons, curves, scorers)
        fusions = found_fusions(comparisons, scorers) if fuse else []
        fused = [*weighted_orders(comparisons, weights), *(each.orders for each in fusions)]
        shown = with_orders(comparisons, fused)
        marks = [] if output.html is None else _marks(shown, scorers)
    report = Report(
        shown,
        current_environment(shlex.join(["rerank", *(context.obj or ())])),
        curves,
        scoring_memory(scorers.configurations, comparisons) if memory else {},
        check_card(figures, comparisons),
        ask.reused if isinstance(ask, ScoreStore) else {},
        fusions,
        timed,
        measured_calibrations(comparisons, curves_of_scores),
        marks,
    )
    writes = Writes()
    output.write_files(report, writes)
    if save_weight:
        save_weights(fusions, comparisons, scorers, writes)
    if report.about_times:
        show("note", report.about_times)
    output.show(report)
    writes.finish()


def _curves(
    comparison: "Comparison", scorers: Scorers, ask: "Ask"
) -> "dict[str, list[DepthPoint]]":
    from rerank_plugins.evaluation import depth_curves
    from rerank_plugins.evaluation.curve import curve_steps

    name = f"Depths {comparison.collection.name}"
    with progress(curve_steps(comparison), "query", name) as advance:
        return depth_curves(comparison, scorers.functions, ask=ask, on_query=lambda: advance(1))


def _marks(comparisons: "Sequence[Comparison]", scorers: Scorers) -> "list[Marks]":
    from rerank_plugins.evaluation.marks import found_marks

    marks = []
    with progress(len(comparisons), "collection", "Mark answers") as advance:
        for comparison in comparisons:
            marks.append(found_marks(comparison, scorers.rerankers))
            advance(1)
    return marks
