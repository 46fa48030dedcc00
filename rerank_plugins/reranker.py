"""Scores into a ranking: order, threshold, top k, and the scale the scores are on."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.options import SCORER_OPTIONS
from rerank_plugins.ranking.order import NO_SCORES, Batch, Cut, requests
from rerank_plugins.results import PairScores, Ranked, ScoreScale
from rerank_plugins.scorer import CrossEncoderScorer
from rerank_plugins.scoring.contract import Scorer, aanswer, answer
from rerank_plugins.scoring.inputs import check_pairs


class Reranker:
    """Ranks passages for a query by a scorer's scores, best first.

    Ties keep the order in which the passages came, which is the first stage's. Order and ties
    are decided on the logits, so passages whose probabilities round to the same number are
    still told apart.

    Args:
        scorer: Gives the logits; `CrossEncoderScorer` or one of your own.
        top_k: How many passages to keep at most; `None` keeps all.
        score_threshold: Keep only passages with at least this score, on `scale`; a `scale`
            given to one call alone does not change what it keeps.
        scale: `"probability"`: the sigmoid of the logit, applied exactly once whatever
            activation the model was saved with. `"logit"`: the raw output.

    Raises:
        InvalidInputError: An option is not allowed.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale = "probability",
    ) -> None:
        if not isinstance(scorer, Scorer):
            message = (
                f"scorer must be a Scorer, but got {type(scorer).__name__}. "
                "Pass for example CrossEncoderScorer('embedded')."
            )
            raise InvalidInputError(message)
        self.scorer = scorer
        self._cut = Cut.checked(top_k=top_k, score_threshold=score_threshold, scale=scale)

    @classmethod
    def from_options(
        cls,
        *,
        scorer: Scorer | None = None,
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale = "probability",
        **model_options: Any,
    ) -> Self:
        """A reranker from flat options, as the framework wrappers take them.

        Args:
            scorer: A ready scorer; `None` makes a `CrossEncoderScorer` of `model_options`.
            top_k: As in the constructor.
            score_threshold: As in the constructor.
            scale: As in the constructor.
            **model_options: `model` and the other arguments of `CrossEncoderScorer`.

        Raises:
            InvalidInputError: An option is not allowed, or a scorer is given together with a
                model option that it would silently ignore.
        """
        Cut.checked(top_k=top_k, score_threshold=score_threshold, scale=scale)
        if unknown := model_options.keys() - SCORER_OPTIONS.keys():
            message = (
                f"{', '.join(f'{name}=' for name in sorted(unknown))} cannot be used here. "
                f"The options of the model are {', '.join(SCORER_OPTIONS)}."
            )
            raise InvalidInputError(message)
        if scorer is None:
            scorer = CrossEncoderScorer(**model_options)
        else:
            ignored = [
                name
                for name, value in model_options.items()
                if value != SCORER_OPTIONS[name].default
            ]
            if ignored:
                message = (
                    f"scorer= and {', '.join(f'{name}=' for name in ignored)} exclude each other: "
                    "a ready scorer has its model and options already. Give these to the "
                    "CrossEncoderScorer that you pass, or leave scorer= out."
                )
                raise InvalidInputError(message)
        return cls(scorer, top_k=top_k, score_threshold=score_threshold, scale=scale)

    def rank(
        self,
        query: str,
        passages: Iterable[str],
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
    ) -> list[Ranked]:
        """The passages in order of relevance; an empty list for no passages.

        Args:
            query: The query.
            passages: The passages, in first-stage order.
            top_k: For this call; `None` uses the reranker's own.
            score_threshold: For this call; `None` uses the reranker's own.
            scale: For this call; `None` uses the reranker's own.

        Returns:
            `Ranked` values, best first; `index` points into `passages`.

        Raises:
            InvalidInputError: The query, a passage or an option is not allowed; checked before
                anything is scored, also when there are no passages.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model gave NaN or infinity.
        """
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of([(query, passages)])
        return batch.rankings(self._scores(batch), cut)[0]

    def rank_many(
        self,
        queries: Iterable[str],
        passages: Iterable[Iterable[str]],
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
    ) -> list[list[Ranked]]:
        """`rank` for m queries, each with its own passages, scored together.

        Args:
            queries: m queries.
            passages: m lists of passages, one per query.
            top_k: As in `rank`.
            score_threshold: As in `rank`.
            scale: As in `rank`.

        Returns:
            m rankings, in the order of the queries.

        Raises:
            InvalidInputError: As in `rank`, or the lengths differ.
        """
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of(requests(queries, passages))
        return batch.rankings(self._scores(batch), cut)

    async def arank(
        self,
        query: str,
        passages: Iterable[str],
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
    ) -> list[Ranked]:
        """`rank` that never blocks the event loop."""
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of([(query, passages)])
        return batch.rankings(await self._ascores(batch), cut)[0]

    async def arank_many(
        self,
        queries: Iterable[str],
        passages: Iterable[Iterable[str]],
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
    ) -> list[list[Ranked]]:
        """`rank_many` that never blocks the event loop."""
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of(requests(queries, passages))
        return batch.rankings(await self._ascores(batch), cut)

    def score_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[float]:
        """The score of each (query, passage) pair on the reranker's scale, in their order.

        Raises:
            InvalidInputError: A pair is not a tuple of two strings.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model gave NaN or infinity.
        """
        batch = _one_by_one(pairs)
        return self._in_order(batch, self._scores(batch))

    async def ascore_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[float]:
        """`score_pairs` that never blocks the event loop."""
        batch = _one_by_one(pairs)
        return self._in_order(batch, await self._ascores(batch))

    def warm_up(self) -> None:
        """Makes the scorer ready now; see `Scorer.warm_up`."""
        self.scorer.warm_up()

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await self.scorer.awarm_up()

    def close(self) -> None:
        """Closes the scorer."""
        self.scorer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _scores(self, batch: Batch) -> PairScores:
        """The scorer's answer; without pairs it is not asked, and loads no model."""
        return answer(self.scorer, batch.pairs) if batch.pairs else NO_SCORES

    async def _ascores(self, batch: Batch) -> PairScores:
        """`_scores` without blocking the event loop."""
        return await aanswer(self.scorer, batch.pairs) if batch.pairs else NO_SCORES

    def _in_order(self, batch: Batch, scores: PairScores) -> list[float]:
        """The scores of a batch of single passages, none of them left out."""
        whole = replace(self._cut, top_k=None, score_threshold=None)
        return [ranking[0].score for ranking in batch.rankings(scores, whole)]


def _one_by_one(pairs: Iterable[tuple[str, str]]) -> Batch:
    """The checked pairs, each as a query with a single passage."""
    return Batch.of((query, [passage]) for query, passage in check_pairs(pairs))
