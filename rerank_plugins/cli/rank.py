"""Reranking what was read, one list or a whole run, and noticing what the model could not read."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import PairScores, Ranked
from rerank_plugins.scoring.contract import Scorer

MANY_PAIRS = 200
"""From here on the wait is long enough to show a progress bar."""

_PAIRS_AT_ONCE = 2000


class CutCounter(Scorer):
    """Hands pairs on to a scorer, and counts those of its answers that were cut.

    A ranking only tells about the passages that stay in it; a passage may have dropped out just
    because its end was not read.

    Attributes:
        pairs: How many pairs were scored.
        cut: How many of them the model read only in part.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.name = scorer.name
        self.pairs = 0
        self.cut = 0

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Submits to the scorer; the count is right once the future is done."""
        counted: Future[PairScores] = Future()

        def count(scored: "Future[PairScores]") -> None:
            if not counted.set_running_or_notify_cancel():
                return
            error = scored.exception()
            if error is not None:
                counted.set_exception(error)
                return
            scores = scored.result()
            self.pairs += len(scores.logits)
            self.cut += 0 if scores.truncated is None else int(scores.truncated.sum())
            counted.set_result(scores)

        submitted = self._scorer.submit(pairs)
        counted.add_done_callback(lambda done: submitted.cancel() if done.cancelled() else None)
        submitted.add_done_callback(count)
        return counted

    def warm_up(self) -> None:
        """Makes the scorer ready."""
        self._scorer.warm_up()

    def close(self) -> None:
        """Closes the scorer."""
        self._scorer.close()


def rank_all(
    reranker: Reranker, requests: list[QueryPassages], *, show_progress: bool = False
) -> list[list[Ranked]]:
    """One ranking a request, in their order; a bar over the pairs goes to standard error."""
    from tqdm import tqdm

    rankings: list[list[Ranked]] = []
    pairs = sum(len(request.passages) for request in requests)
    with tqdm(total=pairs, unit="pair", desc="Scoring", disable=not show_progress) as bar:
        for group in _groups(requests):
            texts = [[passage.text for passage in request.passages] for request in group]
            rankings += reranker.rank_many([request.query for request in group], texts)
            bar.update(sum(map(len, texts)))
    return rankings


def cut_warning(counter: CutCounter, max_length: int | None) -> str | None:
    """What to tell about passages that were cut, or nothing."""
    if not counter.cut:
        return None
    limit = "what the model reads" if max_length is None else f"--max-length {max_length}"
    remedy = "" if max_length is None else ", or raise --max-length"
    return (
        f"{counter.cut} of {counter.pairs} passages were cut: with the query they are longer than "
        f"{limit}. Split them into shorter passages{remedy}."
    )


def _groups(requests: list[QueryPassages]) -> Iterator[list[QueryPassages]]:
    """Requests in groups large enough to be batched well, small enough to show progress."""
    group: list[QueryPassages] = []
    size = 0
    for request in requests:
        group.append(request)
        size += len(request.passages)
        if size >= _PAIRS_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group
