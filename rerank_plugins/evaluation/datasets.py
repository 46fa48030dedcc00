"""Collections of the ir_datasets catalogue by id; texts are looked up when needed."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from rerank_plugins.errors import DatasetUnreachableError, InvalidInputError, MissingExtraError
from rerank_plugins.evaluation.collection import JudgedCollection, judged_collection
from rerank_plugins.evaluation.first_stage import Candidates, drawn_order
from rerank_plugins.formats.passages import with_title
from rerank_plugins.formats.qrels import check_judgements
from rerank_plugins.formats.trec_scores import trec_order
from rerank_plugins.messages.commands import command
from rerank_plugins.process.extras import require

_NEEDED = ("docs", "queries", "qrels")


def known_dataset(dataset_id: str) -> bool:
    """Returns whether the catalogue has the id; nothing is downloaded."""
    try:
        _library().load(dataset_id)
    except KeyError:
        return False
    return True


def read_dataset(dataset_id: str) -> JudgedCollection:
    """Returns a dataset's passages, queries and judgements, downloaded on first use.

    Texts are the default texts that ir_datasets gives documents and queries. Queries and judgements
    are held in memory; passages stay on disk.

    Args:
        dataset_id: For example `"beir/scifact/test"`; ir-datasets.com lists all.

    Raises:
        InvalidInputError: There is no such dataset, it has no judgements, or a relevance is out of
            range.
        DatasetUnreachableError: It could not be downloaded, or must be downloaded by hand.
        MissingExtraError: ir_datasets, or a package it needs for this dataset, is not installed.
    """
    dataset = _load(dataset_id)
    lacking = [part for part in _NEEDED if not dataset.has(part)]
    if lacking:
        message = (
            f"the dataset {dataset_id} has no {', '.join(lacking)}, so nothing can be measured on "
            "it. Choose a subset that has them, for example a /test one: see ir-datasets.com."
        )
        raise InvalidInputError(message)
    with _readable(dataset_id):
        queries = {query.query_id: query.default_text() for query in dataset.queries_iter()}
        found: dict[str, dict[str, object]] = {}
        for qrel in dataset.qrels_iter():
            found.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.relevance
        passages = StoredPassages(dataset_id, dataset)
    judgements = check_judgements(dataset_id, found)
    return judged_collection(dataset_id, passages, queries, judgements, StoredTitles(passages))


def dataset_candidates(
    dataset_id: str, collection: JudgedCollection, depth: int
) -> Candidates | None:
    """Returns the candidates that come with a dataset, or `None` if it has none.

    They are cut at `depth` in the order of trec_eval: by falling score, then by falling id. If all
    candidates of a query have the same score, as in MS MARCO's top 1000 files, they have no order.
    A hash of the ids then decides their places.

    Raises:
        DatasetUnreachableError: They could not be downloaded.
        InvalidInputError: More than `depth` candidates of a query have no order.
    """
    dataset = _load(dataset_id)
    if not dataset.has("scoreddocs"):
        return None
    found: Candidates = {query_id: {} for query_id in collection.queries}
    with _readable(dataset_id):
        for scored in dataset.scoreddocs_iter():
            if scored.query_id in found:
                found[scored.query_id][scored.doc_id] = float(scored.score)
    return {
        query_id: _best(
            dataset_id, query_id, collection.candidates(query_id, scores.items()), depth
        )
        for query_id, scores in found.items()
    }


def _best(
    dataset_id: str, query_id: str, scores: Mapping[str, float], depth: int
) -> dict[str, float]:
    if len(set(scores.values())) != 1:
        return dict(islice(trec_order(scores).items(), depth))
    if len(scores) > depth:
        message = (
            f"{dataset_id} gives the {len(scores)} candidates of query {query_id} no order, so "
            f"the first {depth} of them mean nothing; take all with a depth of {len(scores)}, or "
            "another first stage, for example bm25."
        )
        raise InvalidInputError(message)
    return {name: scores[name] for name in drawn_order(query_id, scores)}


class StoredPassages(Mapping[str, str]):
    """Passage id to text, read from the store of ir_datasets on disk at each look-up.

    Collections such as MS MARCO do not fit into memory, and reranking given candidates needs only a
    small part of them.

    Args:
        dataset_id: For messages.
        dataset: The dataset.
    """

    def __init__(self, dataset_id: str, dataset: Any) -> None:
        self._id = dataset_id
        self._dataset = dataset
        self._store = dataset.docs_store()

    def __getitem__(self, passage_id: str) -> str:
        with _readable(self._id):
            return _text_of(self._store.get(passage_id))

    def title(self, passage_id: str) -> str:
        """The title of a passage, empty if it has none."""
        with _readable(self._id):
            return _title_of(self._store.get(passage_id))

    def __iter__(self) -> Iterator[str]:
        with _readable(self._id):
            for document in self._dataset.docs_iter():
                yield document.doc_id

    def __len__(self) -> int:
        with _readable(self._id):
            count = self._dataset.docs_count()  # None until ir_datasets has built its store
            return sum(1 for _ in self) if count is None else int(count)

    def items(self) -> ItemsView[str, str]:
        """Ids and texts in the collection's order, in one pass over it."""
        return _Items(self)

    def documents(self) -> Iterator[tuple[str, str]]:
        """Ids and texts, read one after the other."""
        with _readable(self._id):
            for document in self._dataset.docs_iter():
                yield document.doc_id, _text_of(document)


def _text_of(document: Any) -> str:
    """The default text, without the leading space that an empty title leaves."""
    text: str = document.default_text().strip()
    title = _title_of(document)
    start = f"{title} "
    return with_title(title, text.removeprefix(start)) if text.startswith(start) else text


def _title_of(document: Any) -> str:
    title = getattr(document, "title", None)
    return title.strip() if isinstance(title, str) else ""


class StoredTitles(Mapping[str, str]):
    """Passage id to title, looked up like the passages."""

    def __init__(self, passages: StoredPassages) -> None:
        self._passages = passages

    def __getitem__(self, passage_id: str) -> str:
        return self._passages.title(passage_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._passages)

    def __len__(self) -> int:
        return len(self._passages)


class _Items(ItemsView[str, str]):
    _mapping: StoredPassages

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return self._mapping.documents()


def _library() -> Any:
    return require("ir_datasets", extra="eval", purpose="Reading an ir_datasets id")


def _load(dataset_id: str) -> Any:
    try:
        return _library().load(dataset_id)
    except KeyError as error:
        message = (
            f"ir_datasets has no dataset {dataset_id!r}. Check the spelling: ir-datasets.com and "
            "`ir_datasets list` show all ids, for example beir/scifact/test."
        )
        raise InvalidInputError(message) from error


@contextmanager
def _readable(dataset_id: str) -> Iterator[None]:
    """Turns errors about a dataset's files into errors that say what to do."""
    try:
        yield
    except FileNotFoundError as error:
        message = (
            f"the dataset {dataset_id} needs a file that is not there and that ir_datasets cannot "
            f"download: {error.filename or error}. Download it as described at "
            f"ir-datasets.com/{dataset_id}."
        )
        raise DatasetUnreachableError(message) from error
    except (OSError, RuntimeError) as error:
        message = (
            f"the dataset {dataset_id} could not be downloaded ({_first_line(error)}). Check the "
            "network and type the command again; without a network, give a folder in BEIR layout."
        )
        raise DatasetUnreachableError(message) from error
    except ImportError as error:
        message = (
            f"Reading the dataset {dataset_id} needs {error.name}, which is not installed. "
            f'Type: {command("pip")} install "ir_datasets[all]"'
        )
        raise MissingExtraError(message, name=error.name) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
