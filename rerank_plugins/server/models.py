"""The models of a server by name, and what one says to a request."""

from collections.abc import Mapping
from typing import TypeAlias

from rerank_plugins.errors import (
    InvalidInputError,
    ModelError,
    QueueFullError,
    RerankError,
    ScorerClosedError,
    ScoringTimeoutError,
    UnsupportedOptionError,
)
from rerank_plugins.ranking.order import scores_on_scale
from rerank_plugins.reranker import Reranker
from rerank_plugins.scoring.answers import aanswer
from rerank_plugins.server.exchange import Answer, Ask, Hit, Kind, RefusedError
from rerank_plugins.work import Work

RETRY_AFTER = 1
"""Seconds after which a full queue may have room."""

_KINDS: tuple[tuple[type[RerankError], Kind], ...] = (
    (InvalidInputError, "invalid"),
    (UnsupportedOptionError, "invalid"),
    (QueueFullError, "overloaded"),
    (ScoringTimeoutError, "too_late"),
    (ScorerClosedError, "not_ready"),
    (ModelError, "not_ready"),
)
"""The kinds of errors, the first that fits; other errors of the suite are failures."""

_Found: TypeAlias = tuple[list[Hit], int, Work | None]
"""The hits, how many texts have a score, and what it took."""


class Models:
    """Rerankers by name.

    Args:
        rerankers: At least one.
        timeout: Seconds that a request may take; `None` is no limit.
    """

    def __init__(self, rerankers: Mapping[str, Reranker], timeout: float | None) -> None:
        self.rerankers = dict(rerankers)
        self._timeout = timeout

    async def awarm_up(self) -> None:
        """Loads all models."""
        for reranker in self.rerankers.values():
            await reranker.awarm_up()

    def name(self, wanted: str | None) -> str:
        """The name of the model that a request is for.

        Raises:
            RefusedError: There is none of that name, or none is named and there are several.
        """
        if wanted is None and len(self.rerankers) == 1:
            return next(iter(self.rerankers))
        if wanted in self.rerankers:
            return wanted
        problem = "No model is named" if wanted is None else f"There is no model {wanted[:100]!r}"
        names = ", ".join(self.rerankers)
        message = f"{problem}. Send one of these as `model`: {names}."
        raise RefusedError(message, "unknown_model")

    async def answer(self, ask: Ask, request_id: str) -> Answer:
        """What the model says; the request's pairs share batches with those of all others.

        Raises:
            RefusedError: It cannot be answered.
        """
        name = self.name(ask.model)
        asking = self._scores if ask.in_order else self._ranking
        try:
            hits, scored, work = await asking(self.rerankers[name], ask)
        except RerankError as error:
            kind: Kind = next(
                (kind for group, kind in _KINDS if isinstance(error, group)), "failed"
            )
            again = RETRY_AFTER if kind == "overloaded" else None
            raise RefusedError(str(error), kind, retry_after=again) from error
        return Answer(id=request_id, model=name, ask=ask, hits=hits, scored=scored, work=work)

    async def _ranking(self, reranker: Reranker, ask: Ask) -> _Found:
        ranking = await reranker.arank(
            ask.queries[0],
            ask.texts,
            timeout=self._timeout,
            top_k=ask.top_n if ask.may_cut else None,  # all are looked at
            **ask.options,
        )
        if not ask.may_cut:
            _check_whole([one.index for one in ranking if one.truncated])
        hits = [Hit(one.index, one.score, one.spans) for one in ranking[: ask.top_n]]
        return hits, len(ask.texts) - len(ranking.unscored), ranking.work

    async def _scores(self, reranker: Reranker, ask: Ask) -> _Found:
        queries = ask.queries if len(ask.queries) > 1 else list(ask.queries) * len(ask.texts)
        pairs = list(zip(queries, ask.texts, strict=True))
        scores = await aanswer(reranker.scorer, pairs, self._timeout)
        values = scores_on_scale(scores, ask.options["scale"])
        return [Hit(at, value) for at, value in enumerate(values)], len(pairs), scores.work


def _check_whole(cut: list[int]) -> None:
    if cut:
        message = (
            f"Text {min(cut)} and the query are longer than the model reads, which is true of "
            f"{len(cut)} of the texts. Send shorter ones, or let them be cut on the right: that is "
            "the default."
        )
        raise RefusedError(message, "too_long")
