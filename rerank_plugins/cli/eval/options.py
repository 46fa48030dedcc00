"""The options of `rerank eval`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rerank_plugins.cli.options import typed

_EACH = "Give it several times to compare; every combination is measured."


class FirstStage(StrEnum):
    """The methods that find candidates."""

    bm25 = "bm25"
    dense = "dense"
    fused = "fused"
    judged = "judged"
    scoreddocs = "scoreddocs"


Data = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="COLLECTION...",
        help="Folders in BEIR's layout (corpus.jsonl, queries.jsonl, and qrels.tsv or "
        "qrels/test.tsv, each perhaps gzipped), folders of such folders, or ir_datasets ids such "
        "as beir/scifact/test (irds:beir/scifact/test if a folder has the same name).",
        show_default=False,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Read the judgements of qrels/NAME.tsv.",
        show_default="qrels.tsv, or else qrels/test.tsv",
    ),
]
Topics = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with the queries of a collection, with --qrels and --corpus, instead of "
        "COLLECTION: TREC topics, JSON Lines, or one query per line as id, tab, text.",
        show_default=False,
    ),
]
Qrels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="File with the judgements, as in TREC or BEIR.", show_default=False
    ),
]
Corpus = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with the passages: JSON Lines, or one per line as id, tab, text.",
        show_default=False,
    ),
]
Card = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Measure again what this model's card reports, on the same data (ir_datasets), for "
        "this model or those of --model.",
        show_default=False,
    ),
]
Models = Annotated[
    list[str] | None,
    typed("model", "-m", help=_EACH, unset="embedded"),
]
OptionsFile = Annotated[
    Path | None,
    typer.Option(
        "--options",
        metavar="FILE",
        dir_okay=False,
        help="Also measure the rerankers of this YAML or JSON file, names with options: a model, "
        "and for example first_stage_weight, a cascade or a time_budget.",
        show_default=False,
    ),
]
BackendNames = Annotated[list[str] | None, typed("backend", help=_EACH)]
Precisions = Annotated[list[str] | None, typed("precision", help=_EACH)]
MaxLengths = Annotated[list[int] | None, typed("max_length", help=_EACH)]
Stage = Annotated[
    FirstStage | None,
    typer.Option(
        help="First stage that finds the candidates: BM25, embeddings (dense), both fused by "
        "reciprocal rank, only the judged passages, or the candidates in ir_datasets (scoreddocs).",
        show_default="bm25; with --card scoreddocs",
    ),
]
GivenRun = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Rerank the candidates of this TREC run, for one collection.",
        show_default=False,
    ),
]
KeepIdentical = Annotated[
    bool,
    typer.Option(
        "--keep-identical",
        help="Let a query find itself, if it is also a passage of the collection.",
    ),
]
BiEncoder = Annotated[
    str | None,
    typer.Option(
        help="Embedding model for --first-stage dense and fused, a hub id or a local folder. It is "
        "also measured as a reranker, by the cosine.",
        show_default=False,
    ),
]
Depth = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Rerank the first N candidates of each query.",
        show_default="100; with --curve 200, with --card 1000",
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        help="Measure in the notation of ir-measures, for example P@5. Give several, the most "
        "important one first.",
        show_default="nDCG@10, RR@10, AP, P@10",
    ),
]
Sample = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Use N random queries of each collection, the same ones every time.",
        show_default="all",
    ),
]
Seed = Annotated[
    int, typer.Option(metavar="N", help="Number that decides which queries --sample uses.")
]
Curve = Annotated[
    bool,
    typer.Option(
        "--curve", help="Also measure quality, time and recall for fewer candidates, from 10 on."
    ),
]
Within = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="With --curve, also say how many candidates can be scored in this time, for example "
        "100ms.",
        show_default=False,
    ),
]
Budgets = Annotated[
    str | None,
    typer.Option(
        metavar="TIMES",
        help="Also measure quality and depth with these values of time_budget, for example "
        "25ms,50ms,100ms.",
        show_default=False,
    ),
]
Memory = Annotated[
    bool,
    typer.Option(
        "--memory",
        help="Measure each model's peak memory too; loads each once more, in its own process.",
    ),
]
FirstStageWeight = Annotated[
    str | None,
    typed(
        "first_stage_weight",
        help="The fused order of each model is measured beside that of the model alone.",
    ),
]
Calibration = Annotated[
    str | None,
    typed(
        "calibration",
        help="How far off it is on these collections is measured for each model.",
    ),
]
Fuse = Annotated[
    bool,
    typer.Option(
        "--fuse",
        help="Find how much to add to each reranker's scores for the first stage's opinion "
        "(first_stage_weight), and measure it on queries that had no part in finding it.",
    ),
]
SaveWeight = Annotated[
    bool,
    typer.Option(
        "--save-weight",
        help="With --fuse, write each weight that is advised into its model's folder.",
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="Keep all scores in this file, and reuse those that are there already.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write all figures as JSON.")]
Markdown = Annotated[
    bool,
    typer.Option(
        "--markdown", help="Write Markdown: the answer, a table of the first measure, notes."
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="Write a report with plots to this file.",
        show_default=False,
    ),
]
Runs = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        help="Write every ranking, and the first stage's, to this folder as a TREC run.",
        show_default=False,
    ),
]
