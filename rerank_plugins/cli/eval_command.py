"""`rerank eval`: does reranking help on judged collections, and what does it cost."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerank_plugins.cli.files import check_writable, write_text
from rerank_plugins.cli.trec import read_run_scores, run_lines
from rerank_plugins.errors import InvalidInputError

if TYPE_CHECKING:
    from rerank_plugins.evaluation import (
        Comparison,
        DepthPoint,
        JudgedCollection,
        ScoreFunction,
    )
    from rerank_plugins.evaluation.first_stage import Candidates, Encoder


class FirstStage(StrEnum):
    """What finds the candidates."""

    bm25 = "bm25"
    dense = "dense"
    fused = "fused"
    judged = "judged"


def evaluate(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Collections in BEIR layout (corpus.jsonl, queries.jsonl, qrels.tsv or "
            "qrels/test.tsv; also .gz), or a folder of such folders.",
            show_default=False,
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Cross-encoder to measure: 'embedded', a hub id or a folder; repeatable.",
            show_default="embedded",
        ),
    ] = None,
    first_stage: Annotated[
        FirstStage,
        typer.Option(
            help="What finds the candidates: BM25, embeddings, both fused by reciprocal rank, or "
            "the judged passages alone."
        ),
    ] = FirstStage.bm25,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A TREC run of one collection as first stage.",
            show_default=False,
        ),
    ] = None,
    bi_encoder: Annotated[
        str | None,
        typer.Option(
            help="Bi-encoder for --first-stage dense and fused, and beside the models as a "
            "scorer of its own: a hub id or a folder.",
            show_default=False,
        ),
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Candidates of a query.")] = 100,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Queries of a collection.", show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which queries are sampled.")] = 0,
    max_length: Annotated[
        int | None,
        typer.Option(min=8, help="Tokens of a pair.", show_default="all that the model reads"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON array.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write one Markdown table of nDCG@10.")
    ] = False,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Show quality and time at depths from 10 to --depth (scores again)."
        ),
    ] = False,
    runs: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder for each order as a TREC run.", show_default=False
        ),
    ] = None,
) -> None:
    """Measures rerankers on judged collections: quality before and after, changes, latency.

    Example: rerank eval my-collection

    Example: rerank eval beir/* -m embedded -m cross-encoder/ms-marco-MiniLM-L4-v2 --sample 100
    """
    from tqdm import tqdm

    from rerank_plugins.evaluation import as_json as json_of
    from rerank_plugins.evaluation import as_table, compare

    if as_json and markdown:
        message = "--json and --markdown exclude each other."
        raise typer.BadParameter(message)
    folders = _folders(data)
    if run is not None and len(folders) > 1:
        message = "--run is of one collection; give one."
        raise typer.BadParameter(message)
    encoder = _encoder(bi_encoder, needed=run is None and first_stage in ("dense", "fused"))
    scorers = _scorers(model or ["embedded"], bi_encoder, encoder, max_length)
    collections = _collections(folders, sample, seed)
    total = len(scorers) * sum(len(collection.queries) for collection in collections)
    comparisons = []
    with tqdm(total=total, unit="query", disable=not sys.stderr.isatty()) as bar:
        for collection in collections:
            bar.set_description(collection.name)
            comparisons.append(
                compare(
                    collection,
                    _candidates(collection, first_stage, run, encoder, depth),
                    scorers,
                    depth=depth,
                    first_stage=run.name if run is not None else first_stage.value,
                    on_query=bar.update,
                )
            )
    if runs is not None:
        _write_runs(comparisons, runs)
    curves = [_curves(comparison, scorers) if curve else {} for comparison in comparisons]
    if as_json:
        pairs = zip(comparisons, curves, strict=True)
        typer.echo(json.dumps([json_of(each, points) for each, points in pairs], indent=2))
    elif markdown:
        typer.echo(as_table(comparisons))
    else:
        _show(comparisons, curves)


def _folders(data: list[Path]) -> list[Path]:
    """The collections that the arguments mean."""
    folders: list[Path] = []
    for path in data:
        inside = [path] if _is_collection(path) else sorted(filter(_is_collection, path.glob("*")))
        if not inside:
            message = (
                f"{path} is no collection and holds none: there is no qrels.tsv or qrels folder. "
                "Give a folder with corpus.jsonl, queries.jsonl and qrels.tsv."
            )
            raise InvalidInputError(message)
        folders += inside
    return folders


def _is_collection(path: Path) -> bool:
    return (path / "qrels.tsv").is_file() or (path / "qrels").is_dir()


def _collections(folders: list[Path], sample: int | None, seed: int) -> list["JudgedCollection"]:
    from rerank_plugins.evaluation import read_collection

    collections = [read_collection(folder) for folder in folders]
    if sample is None:
        return collections
    return [collection.sample(sample, seed) for collection in collections]


def _encoder(bi_encoder: str | None, *, needed: bool) -> "Encoder | None":
    from rerank_plugins.evaluation.scorers import text_encoder

    if bi_encoder is None:
        if needed:
            message = (
                "--first-stage dense and fused need --bi-encoder, for example "
                "--bi-encoder sentence-transformers/all-MiniLM-L6-v2"
            )
            raise typer.BadParameter(message)
        return None
    return text_encoder(bi_encoder)


def _scorers(
    models: list[str], bi_encoder: str | None, encoder: "Encoder | None", max_length: int | None
) -> dict[str, "ScoreFunction"]:
    """Scorers by short name, by the whole reference where short names are equal."""
    from rerank_plugins.evaluation.scorers import cosine_scorer, cross_encoder_scorer

    scorers: dict[str, ScoreFunction] = {}
    if bi_encoder is not None and encoder is not None:
        scorers[f"{Path(bi_encoder).name} cosine"] = cosine_scorer(encoder)
    for reference in dict.fromkeys(models):
        name = Path(reference).name
        scorers[reference if name in scorers else name] = cross_encoder_scorer(
            reference, max_length
        )
    return scorers


def _candidates(
    collection: "JudgedCollection",
    first_stage: FirstStage,
    run: Path | None,
    encoder: "Encoder | None",
    depth: int,
) -> "Candidates":
    from rerank_plugins.evaluation import first_stage as stages

    if run is not None:
        return stages.given_candidates(collection, read_run_scores(str(run)), depth)
    if first_stage is FirstStage.judged:
        return stages.judged_candidates(collection)
    lexical = stages.bm25_candidates(collection, depth)
    if first_stage is FirstStage.bm25 or encoder is None:
        return lexical
    dense = stages.dense_candidates(collection, encoder, depth)
    if first_stage is FirstStage.dense:
        return dense
    return stages.fused_candidates([lexical, dense], depth)


def _write_runs(comparisons: list["Comparison"], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for comparison in comparisons:
        for order in comparison.reranked:
            name = f"{comparison.collection.name}.{order.name.replace('/', '_')}.run"
            check_writable(folder / name)
            write_text(folder / name, run_lines(order.run))


def _curves(
    comparison: "Comparison", scorers: dict[str, "ScoreFunction"]
) -> dict[str, list["DepthPoint"]]:
    from rerank_plugins.evaluation import depth_curve

    return {
        order.name: depth_curve(comparison, order, scorers[order.name])
        for order in comparison.reranked
    }


def _show(comparisons: list["Comparison"], curves: list[dict[str, list["DepthPoint"]]]) -> None:
    from rich.console import Console

    from rerank_plugins.cli.eval_tables import show_comparison, show_curve, show_means

    console = Console()
    for comparison, by_name in zip(comparisons, curves, strict=True):
        show_comparison(console, comparison)
        for name, points in by_name.items():
            show_curve(console, name, points)
    if len(comparisons) > 1:
        show_means(console, comparisons)
