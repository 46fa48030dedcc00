"""TREC run files: reads them, joins them with texts, and writes them."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.formats.documents import documents_in, read_corpus, read_queries
from rerank_plugins.formats.lines import read_lines, shown
from rerank_plugins.formats.passages import Passage, shown_id
from rerank_plugins.formats.trec_scores import falling, trec_order
from rerank_plugins.results import RankedList, falling_scores

TAG = "rerank-plugins"


def read_run(source: str | Path) -> dict[str, dict[str, float]]:
    """Query id -> document id -> score, in the order of the file.

    TREC's tools ignore that order and the ranks: they sort by score, and equal scores by id.

    Args:
        source: The file, compressed or not; `-` is standard input.

    Raises:
        InvalidInputError: A line is not a line of a run, or repeats a document of its query.
    """
    scores: dict[str, dict[str, float]] = {}
    for number, line in enumerate(read_lines(source), start=1):
        if not line.strip():
            continue
        where = f"{shown(source)}, line {number}"
        try:
            query, _, document, _, score, _ = line.split()
            value = float(score)
            if not math.isfinite(value):
                raise ValueError(score)
        except ValueError as error:
            message = (
                f"{where} is not a line of a TREC run: {line[:60]!r}. "
                "It has six fields: query id, Q0, document id, rank, score (a number), tag."
            )
            raise InvalidInputError(message) from error
        found = scores.setdefault(query, {})
        if document in found:
            message = f"{where} names document {document!r} again for query {query!r}."
            raise InvalidInputError(message)
        found[document] = value
    return scores


def read_candidates(
    run: Mapping[str, Mapping[str, float]],
    queries: str | Path,
    corpus: str | Path,
    *,
    name: str = "the run",
    higher_is_better: bool = True,
) -> list[QueryPassages]:
    """The queries of a run, in their order there, each with its passages.

    A query's passages are ordered as TREC's tools order them: by falling score, then by falling id.
    Where the scores are distances, they are ordered by rising score, then by falling id. The scores
    are in single precision, as these tools read them, so passages that tie have equal scores.

    Args:
        run: Query id -> document id -> score, as `read_run` returns it.
        queries: The file with the queries' texts; see `read_queries`.
        corpus: The file with the documents' texts; see `read_corpus`.
        name: The run's name in messages.
        higher_is_better: False for distances.

    Raises:
        InvalidInputError: A file cannot be read, or an id of the run has no text.
    """
    sign = 1 if higher_is_better else -1
    candidates = {
        query: trec_order({document: sign * score for document, score in found.items()})
        for query, found in run.items()
    }
    wanted = {document for documents in candidates.values() for document in documents}
    texts = read_queries(queries)
    documents = read_corpus(corpus, wanted)
    _check_known(list(candidates), texts, "queries", name, shown(queries))
    if not documents:  # so that the message can show an id of the corpus
        documents = dict(islice(documents_in(corpus), 1))
    _check_known(sorted(wanted), documents, "documents", name, shown(corpus))
    return [
        QueryPassages(
            query,
            texts[query],
            [
                Passage(documents[document], document, score=sign * score)
                for document, score in found.items()
            ],
        )
        for query, found in candidates.items()
    ]


def write_run(run: Mapping[str, Mapping[str, float]], file: str | Path) -> None:
    """Writes query id -> document id -> score as a TREC run, best first.

    Equal scores keep their order: the written scores fall from line to line, because TREC's tools
    order equal scores by id.

    Args:
        run: The scores; the passages of a query may be in any order.
        file: The file to write.

    Raises:
        InvalidInputError: An id has white space, which separates the fields of a run; a score is
            not finite; or the file cannot be written.
    """
    lines = run_lines(run)
    try:
        Path(file).write_text(lines, encoding="utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        broken = next(name for name in chain(run, *run.values()) if half in name)
        message = (
            f"cannot write {file}: the id {broken!r} has half of a surrogate pair. Give queries "
            "and documents ids in valid Unicode."
        )
        raise InvalidInputError(message) from error
    except OSError as error:
        message = (
            f"cannot write {file}: {error.strerror or error}. Give the name of a file in a folder "
            "that exists and may be written to."
        )
        raise InvalidInputError(message) from error


def as_run(requests: Sequence[QueryPassages], rankings: Sequence[RankedList]) -> str:
    """Rankings as a TREC run; passages without a score are last, with falling scores."""
    return run_lines(
        {
            request.id: {
                str(request.passages[index].id): score
                for index, score in falling_scores(ranking, ranking.backfill).items()
            }
            for request, ranking in zip(requests, rankings, strict=True)
        }
    )


def run_lines(run: Mapping[str, Mapping[str, float]]) -> str:
    """Query id -> document id -> score as a TREC run, by falling score, with ranks from 1.

    Equal scores keep their order. The written scores fall from line to line, because TREC's tools
    ignore the rank and order equal scores by id.

    Raises:
        InvalidInputError: An id has white space, which separates the fields of a run, or a score
            is not finite.
    """
    for name in chain(run, chain.from_iterable(run.values())):
        if len(name.split()) != 1:
            message = (
                f"the id {name!r} has white space or is empty, so a TREC run cannot hold it. "
                "Give queries and documents ids without white space."
            )
            raise InvalidInputError(message)
    lines = []
    for query, scores in run.items():
        for document, score in scores.items():
            if not math.isfinite(score):
                message = (
                    f"the score of document {document!r} for query {query!r} is {score}, which has "
                    "no place in a TREC run. Leave the document out, or give it a finite score."
                )
                raise InvalidInputError(message)
        order = sorted(scores, key=lambda id: -scores[id])
        texts = falling([scores[document] for document in order])
        lines += [
            f"{query} Q0 {document} {rank} {text} {TAG}\n"
            for rank, (document, text) in enumerate(zip(order, texts, strict=True), start=1)
        ]
    return "".join(lines)


def _check_known(ids: list[str], known: dict[str, str], kind: str, run: str, source: str) -> None:
    unknown = [id for id in ids if id not in known]
    if unknown:
        message = (
            f"{len(unknown)} of the {len(ids)} {kind} in {run} are not in {source}, "
            f"for example {unknown[0]!r}; an id there is, for example, {shown_id(known)}. Give "
            "files that belong together."
        )
        raise InvalidInputError(message)
