"""The options of `rerank eval`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rerank_plugins.cli.options import typed

_EACH = "Give it several times to compare; every combination is measured."


class FirstStage(StrEnum):
    """What finds the candidates."""

    bm25 = "bm25"
    dense = "dense"
    fused = "fused"
    judged = "judged"
    scoreddocs = "scoreddocs"


Data = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="COLLECTION...",
        help="Folders in BEIR layout (corpus.jsonl, queries.jsonl, qrels.tsv or qrels/test.tsv; "
        "each may end in .gz), folders of such folders, or ir_datasets ids such as "
        "beir/scifact/test (irds:beir/scifact/test where a folder has that name).",
        show_default=False,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Which judgements of a folder are read: qrels/NAME.tsv.",
        show_default="qrels.tsv, or else qrels/test.tsv",
    ),
]
Topics = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Queries of a collection in TREC's files: <top> topics, lines of id, tab, text, or "
        "JSON Lines. Needs --qrels and --corpus.",
        show_default=False,
    ),
]
Qrels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Its judgements, TREC or BEIR.", show_default=False),
]
Corpus = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Its passages: JSON Lines, or lines of id, tab, text.",
        show_default=False,
    ),
]
Card = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Rerun the table of a model's card on the data it names (ir_datasets), for this "
        "model or those of --model.",
        show_default=False,
    ),
]
Models = Annotated[
    list[str] | None,
    typed("model", "-m", help=_EACH, unset="embedded"),
]
BackendNames = Annotated[list[str] | None, typed("backend", help=_EACH)]
Precisions = Annotated[list[str] | None, typed("precision", help=_EACH)]
MaxLengths = Annotated[list[int] | None, typed("max_length", help=_EACH)]
Stage = Annotated[
    FirstStage | None,
    typer.Option(
        help="What finds the candidates: BM25, embeddings, both fused by reciprocal rank, the "
        "judged passages alone, or the candidates that an ir_datasets id comes with.",
        show_default="bm25; with --card scoreddocs",
    ),
]
GivenRun = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A TREC run of one collection as first stage.", show_default=False
    ),
]
KeepIdentical = Annotated[
    bool,
    typer.Option(
        "--keep-identical",
        help="Keep a query that is a passage itself, by id and text, among its own candidates.",
    ),
]
BiEncoder = Annotated[
    str | None,
    typer.Option(
        help="Bi-encoder for --first-stage dense and fused, and beside the models as a scorer of "
        "its own: a hub id or a folder.",
        show_default=False,
    ),
]
Depth = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Candidates of a query.",
        show_default="100; with --curve 200, with --card 1000",
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        help="In ir-measures' notation, for example P@5; repeatable, the one that matters most "
        "first.",
        show_default="nDCG@10, RR@10, AP, P@10",
    ),
]
Sample = Annotated[
    int | None, typer.Option(min=1, help="Queries of a collection.", show_default="all")
]
Seed = Annotated[int, typer.Option(help="Which queries are sampled.")]
Curve = Annotated[
    bool, typer.Option("--curve", help="Measure quality, time and recall at depths from 10 on.")
]
Memory = Annotated[
    bool,
    typer.Option(
        "--memory",
        help="Measure each model's peak memory too; loads each once more, in its own process.",
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="Keep every score in this file, and go on from it where it is there already.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write all figures as JSON.")]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Write one Markdown table of the first measure.")
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", dir_okay=False, help="Report with plots, in one file.", show_default=False
    ),
]
Runs = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        help="Folder for each order, the first stage's too, as a TREC run.",
        show_default=False,
    ),
]
