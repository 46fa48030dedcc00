"""The collections of `rerank eval`: folders, TREC files and ir_datasets ids."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.names import last_name

if TYPE_CHECKING:
    from rerank_plugins.evaluation import JudgedCollection

_IR_DATASETS = "irds:"


@dataclass(frozen=True)
class Source:
    """A collection that has not been read yet, with its ir_datasets id if it has one."""

    read: Callable[[], "JudgedCollection"]
    dataset_id: str | None = None


def sources_of(
    data: Sequence[str],
    *,
    split: str | None,
    topics: Path | None,
    qrels: Path | None,
    corpus: Path | None,
) -> list[Source]:
    """Returns the collections that the arguments name.

    Folders with the same last part keep their full names as given, to tell them apart.

    Raises:
        typer.BadParameter: There are none, or a file of a TREC collection is missing.
        InvalidInputError: An argument is neither a folder of collections nor an ir_datasets id.
    """
    found = [each for argument in data for each in _found(argument)]
    if split is not None and not any(isinstance(each, Path) for each in found):
        message = "--split is for folders with qrels/NAME.tsv; an ir_datasets id names its own."
        raise typer.BadParameter(message)
    repeated = Counter(last_name(each) for each in found if isinstance(each, Path))
    sources = [
        each
        if isinstance(each, Source)
        else Source(partial(_read_folder, each, split, whole_name=repeated[last_name(each)] > 1))
        for each in found
    ]
    if topics is not None and qrels is not None and corpus is not None:
        sources.append(Source(partial(_read_trec, topics, qrels, corpus)))
    elif topics is not None or qrels is not None or corpus is not None:
        message = "--topics, --qrels and --corpus belong together; give all three."
        raise typer.BadParameter(message)
    if not sources:
        message = (
            "Give a collection: a folder in BEIR layout, an ir_datasets id, or --topics, --qrels "
            "and --corpus."
        )
        raise typer.BadParameter(message)
    return sources


def dataset_source(dataset_id: str) -> Source:
    """Returns a collection of the ir_datasets catalogue."""

    def read() -> "JudgedCollection":
        from rerank_plugins.evaluation import read_dataset

        return read_dataset(dataset_id)

    return Source(read, dataset_id)


def _found(argument: str) -> "list[Source | Path]":
    if argument.startswith(_IR_DATASETS):
        return [dataset_source(argument.removeprefix(_IR_DATASETS))]
    path = Path(argument)
    if path.exists():
        return [*_folders(path)]
    from rerank_plugins.evaluation.datasets import known_dataset

    if known_dataset(argument):
        return [dataset_source(argument)]
    message = (
        f"{argument} is neither a folder nor an ir_datasets id. Give a folder with corpus.jsonl, "
        "queries.jsonl and qrels.tsv, or an id such as beir/scifact/test."
    )
    raise InvalidInputError(message)


def _folders(path: Path) -> list[Path]:
    from rerank_plugins.evaluation.collection import is_collection

    inside = [path] if is_collection(path) else sorted(filter(is_collection, path.glob("*")))
    if not inside:
        message = (
            f"{path} neither is nor holds a collection: there is no qrels.tsv or qrels folder. "
            "Give a folder with corpus.jsonl, queries.jsonl and qrels.tsv."
        )
        raise InvalidInputError(message)
    return inside


def _read_folder(folder: Path, split: str | None, *, whole_name: bool) -> "JudgedCollection":
    from rerank_plugins.evaluation import read_collection

    collection = read_collection(folder, split=split)
    return replace(collection, name=str(folder)) if whole_name else collection


def _read_trec(topics: Path, qrels: Path, corpus: Path) -> "JudgedCollection":
    from rerank_plugins.evaluation import judged_collection
    from rerank_plugins.formats.documents import read_corpus, read_queries
    from rerank_plugins.formats.qrels import read_qrels

    queries = read_queries(str(topics))
    titles = dict.fromkeys(queries, "")
    passages = read_corpus(str(corpus), titles=titles)
    return judged_collection(topics.name, passages, queries, read_qrels(qrels), titles)
