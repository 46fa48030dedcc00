"""Turns scores into rankings: order, threshold, top k and scale."""

from collections.abc import Iterable
from typing import Any, Self

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.options import SCORER_OPTIONS
from rerank_plugins.ranking.order import NOT_GIVEN, Batch, Cut, NotGiven, requests
from rerank_plugins.results import Ranked, ScoreScale
from rerank_plugins.scorer import CrossEncoderScorer
from rerank_plugins.scoring.answers import aanswer, answer
from rerank_plugins.scoring.closing import Closing
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.scoring.inputs import check_pairs


class Reranker(Closing):
    """Ranks passages for a query by a scorer's scores, best first.

    Passages with equal scores keep their input order, which is the first stage's. The logits decide
    the order, so passages whose probabilities round to the same number are still ordered
    correctly.

    Args:
        scorer: The scorer of the logits: a `CrossEncoderScorer` or one of your own.
        top_k: Keep at most this many passages; `None` keeps all.
        score_threshold: Keep only passages with at least this score, on this `scale`. A call
            that only changes `scale` keeps the same passages.
        scale: `"probability"` is the sigmoid of the logit, applied exactly once whatever
            activation the model was saved with. `"logit"` is the raw output.

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
                "For example, pass CrossEncoderScorer('embedded')."
            )
            raise InvalidInputError(message)
        self.scorer = scorer
        self._made_scorer = False
        self._cut = Cut.checked(top_k=top_k, score_threshold=score_threshold, scale=scale)

    @property
    def top_k(self) -> int | None:
        """How many passages are kept at most; `None` keeps all."""
        return self._cut.top_k

    @property
    def score_threshold(self) -> float | None:
        """The lowest score of a passage to keep; `None` keeps all."""
        return self._cut.score_threshold

    @property
    def scale(self) -> ScoreScale:
        """The scale of the scores."""
        return self._cut.scale

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
        """Makes a reranker from flat options, like those of the framework wrappers.

        Args:
            scorer: A ready scorer; `None` makes a `CrossEncoderScorer` from `model_options`.
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
        made_scorer = scorer is None
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
        reranker = cls(scorer, top_k=top_k, score_threshold=score_threshold, scale=scale)
        reranker._made_scorer = made_scorer
        return reranker

    def rank(
        self,
        query: str,
        passages: Iterable[str],
        *,
        top_k: int | NotGiven | None = NOT_GIVEN,
        score_threshold: float | NotGiven | None = NOT_GIVEN,
        scale: ScoreScale | None = None,
        timeout: float | None = None,
    ) -> list[Ranked]:
        """Returns the passages in order of relevance; an empty list for no passages.

        Args:
            query: The query.
            passages: The passages, in first-stage order.
            top_k: The `top_k` of this call: `None` keeps all; if left out, the reranker's own.
            score_threshold: The threshold of this call: `None` keeps all; if left out, the
                reranker's own.
            scale: The scale of this call; `None` uses the reranker's own.
            timeout: Seconds that this call may take; `None` uses the scorer's own limit, if any.

        Returns:
            `Ranked` values, best first; `index` is a position in `passages`.

        Raises:
            InvalidInputError: The query, a passage or an option is not allowed. This is checked
                before anything is scored, even if there are no passages.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model gave NaN or infinity.
            ScoringTimeoutError: The time is over.
        """
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of([(query, passages)])
        return batch.rankings(answer(self.scorer, batch.pairs, timeout), cut)[0]

    def rank_many(
        self,
        queries: Iterable[str],
        passages: Iterable[Iterable[str]],
        *,
        top_k: int | NotGiven | None = NOT_GIVEN,
        score_threshold: float | NotGiven | None = NOT_GIVEN,
        scale: ScoreScale | None = None,
        timeout: float | None = None,
    ) -> list[list[Ranked]]:
        """Returns `rank` for m queries, each with its own passages, scored together.

        Args:
            queries: m queries.
            passages: m lists of passages, one per query.
            top_k: As in `rank`.
            score_threshold: As in `rank`.
            scale: As in `rank`.
            timeout: Seconds that all queries together may take.

        Returns:
            m rankings, in the order of the queries.

        Raises:
            InvalidInputError: As in `rank`, or the lengths differ.
        """
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of(requests(queries, passages))
        return batch.rankings(answer(self.scorer, batch.pairs, timeout), cut)

    async def arank(
        self,
        query: str,
        passages: Iterable[str],
        *,
        top_k: int | NotGiven | None = NOT_GIVEN,
        score_threshold: float | NotGiven | None = NOT_GIVEN,
        scale: ScoreScale | None = None,
        timeout: float | None = None,
    ) -> list[Ranked]:
        """`rank` that never blocks the event loop."""
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of([(query, passages)])
        return batch.rankings(await aanswer(self.scorer, batch.pairs, timeout), cut)[0]

    async def arank_many(
        self,
        queries: Iterable[str],
        passages: Iterable[Iterable[str]],
        *,
        top_k: int | NotGiven | None = NOT_GIVEN,
        score_threshold: float | NotGiven | None = NOT_GIVEN,
        scale: ScoreScale | None = None,
        timeout: float | None = None,
    ) -> list[list[Ranked]]:
        """`rank_many` that never blocks the event loop."""
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = Batch.of(requests(queries, passages))
        return batch.rankings(await aanswer(self.scorer, batch.pairs, timeout), cut)

    def score_pairs(
        self, pairs: Iterable[tuple[str, str]], *, timeout: float | None = None
    ) -> list[float]:
        """Returns the score of each (query, passage) pair on the reranker's scale, in input order.

        Args:
            pairs: n (query, passage) pairs; `top_k` and `score_threshold` do not apply.
            timeout: As in `rank`.

        Raises:
            InvalidInputError: A pair is not a tuple of two strings.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model gave NaN or infinity.
            ScoringTimeoutError: The time is over.
        """
        return self._cut.on_scale(answer(self.scorer, check_pairs(pairs), timeout))

    async def ascore_pairs(
        self, pairs: Iterable[tuple[str, str]], *, timeout: float | None = None
    ) -> list[float]:
        """`score_pairs` that never blocks the event loop."""
        return self._cut.on_scale(await aanswer(self.scorer, check_pairs(pairs), timeout))

    def warm_up(self) -> None:
        """Makes the scorer ready now; see `Scorer.warm_up`."""
        self.scorer.warm_up()

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await self.scorer.awarm_up()

    def close(self) -> None:
        """Closes the scorer if `from_options` made it; a scorer that was passed in stays open."""
        if self._made_scorer:
            self.scorer.close()

    async def aclose(self) -> None:
        """`close` that never blocks the event loop."""
        if self._made_scorer:
            await self.scorer.aclose()

    def __repr__(self) -> str:
        return (
            f"Reranker({self.scorer!r}, top_k={self.top_k!r}, "
            f"score_threshold={self.score_threshold!r}, scale={self.scale!r})"
        )
