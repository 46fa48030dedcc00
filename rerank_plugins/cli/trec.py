"""Reads TREC runs for commands, with a note about equal scores."""

from collections.abc import Mapping

from rerank_plugins.cli.errors import show
from rerank_plugins.formats import QueryPassages, read_candidates, read_run
from rerank_plugins.formats.lines import shown
from rerank_plugins.formats.trec_scores import tied


def read_run_requests(
    run: str, queries: str, corpus: str, *, higher_is_better: bool = True
) -> list[QueryPassages]:
    """Reads a run with its queries and passages; a note says how many of its scores are equal.

    Args:
        run: The run's file.
        queries: The file with the queries' texts.
        corpus: The file with the documents' texts.
        higher_is_better: False if the run's scores are distances.

    Raises:
        InvalidInputError: A file cannot be read, or the other files lack an id of the run.
    """
    scores = read_run(run)
    requests = read_candidates(
        scores, queries, corpus, name=shown(run), higher_is_better=higher_is_better
    )
    show_ties(shown(run), scores)
    return requests


def show_ties(name: str, run: Mapping[str, Mapping[str, float]]) -> None:
    """Shows a note about equal scores in a user's run, and how they are ordered."""
    ties = sum(tied(scores.values()) for scores in run.values())
    if ties:
        show(
            "note",
            f"{name}: {ties} of {sum(map(len, run.values()))} scores are equal to a score before "
            "them, in single precision; equal ones are ordered as trec_eval does, by falling id",
        )
