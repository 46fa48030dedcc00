"""TREC run files and the queries and documents they point to."""

from collections.abc import Mapping
from itertools import islice

from rerank_plugins.cli.errors import show
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.formats.documents import _documents, read_corpus, read_queries
from rerank_plugins.formats.lines import shown
from rerank_plugins.formats.passages import Passage, shown_id
from rerank_plugins.formats.runs import read_run_scores
from rerank_plugins.formats.trec_scores import tied, trec_order


def read_run_requests(run: str, queries: str, corpus: str) -> list[QueryPassages]:
    """The queries of a run, in the order they have there, each with the texts it names.

    A note says how many of its scores are equal.

    Raises:
        InvalidInputError: A file cannot be read, or an id of the run is in neither of the others.
    """
    scores = read_run_scores(run)
    candidates = {query: list(trec_order(found)) for query, found in scores.items()}
    wanted = {document for documents in candidates.values() for document in documents}
    texts = read_queries(queries)
    documents = read_corpus(corpus, wanted)
    _check_known(list(candidates), texts, "queries", shown(run), shown(queries))
    if not documents:  # shows an id that the corpus has
        documents = dict(islice(_documents(corpus), 1))
    _check_known(sorted(wanted), documents, "documents", shown(run), shown(corpus))
    show_ties(shown(run), scores)
    return [
        QueryPassages(
            query, texts[query], [Passage(documents[document], document) for document in ids]
        )
        for query, ids in candidates.items()
    ]


def show_ties(name: str, run: Mapping[str, Mapping[str, float]]) -> None:
    """Notes how many scores of a user's run are equal, and what that means for its order."""
    ties = sum(tied(scores.values()) for scores in run.values())
    if ties:
        show(
            "note",
            f"{name}: {ties} of {sum(map(len, run.values()))} scores are equal to a score before "
            "them, in single precision; equal ones are ordered as trec_eval does, by falling id",
        )


def _check_known(ids: list[str], known: dict[str, str], kind: str, run: str, source: str) -> None:
    unknown = [id for id in ids if id not in known]
    if unknown:
        message = (
            f"{len(unknown)} of the {len(ids)} {kind} in {run} are not in {source}, "
            f"for example {unknown[0]!r}; there an id is for example {shown_id(known)}. Give the "
            "files that belong together."
        )
        raise InvalidInputError(message)
