"""Scores into a ranking: order, threshold, top k, and the scale the scores are on."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._validation import (
    check_passages,
    check_query,
    check_scale,
    check_threshold,
    check_top_k,
)
from rerank_plugins.errors import InvalidInputError, ScoringError
from rerank_plugins.results import PairScores, Ranked, ScoreScale
from rerank_plugins.scorer import CrossEncoderScorer, Scorer


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
        self._cut = _Cut.checked(top_k=top_k, score_threshold=score_threshold, scale=scale)

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
        if scorer is None:
            scorer = CrossEncoderScorer(**model_options)
        else:
            defaults = signature(CrossEncoderScorer).parameters
            ignored = [n for n, value in model_options.items() if value != defaults[n].default]
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
        batch = _Batch.of([(query, passages)])
        return batch.rankings(self.scorer.submit(batch.pairs).result(), cut)[0]

    def rank_many(
        self,
        queries: Sequence[str],
        passages: Sequence[Iterable[str]],
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
        batch = _Batch.of(_requests(queries, passages))
        return batch.rankings(self.scorer.submit(batch.pairs).result(), cut)

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
        batch = _Batch.of([(query, passages)])
        scores = await asyncio.wrap_future(self.scorer.submit(batch.pairs))
        return batch.rankings(scores, cut)[0]

    async def arank_many(
        self,
        queries: Sequence[str],
        passages: Sequence[Iterable[str]],
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
    ) -> list[list[Ranked]]:
        """`rank_many` that never blocks the event loop."""
        cut = self._cut.changed(top_k=top_k, score_threshold=score_threshold, scale=scale)
        batch = _Batch.of(_requests(queries, passages))
        scores = await asyncio.wrap_future(self.scorer.submit(batch.pairs))
        return batch.rankings(scores, cut)

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


@dataclass(frozen=True, slots=True)
class _Cut:
    """Checked options of a ranking: which passages stay, and on which scale they are scored."""

    top_k: int | None
    score_threshold: float | None
    threshold_scale: ScoreScale
    scale: ScoreScale

    @classmethod
    def checked(cls, *, top_k: object, score_threshold: object, scale: object) -> "_Cut":
        """The options, or `InvalidInputError`."""
        checked_scale = check_scale(scale)
        return cls(
            top_k=check_top_k(top_k),
            score_threshold=check_threshold(score_threshold, checked_scale),
            threshold_scale=checked_scale,
            scale=checked_scale,
        )

    def changed(self, *, top_k: object, score_threshold: object, scale: object) -> "_Cut":
        """These options with every argument that is not None in place.

        A threshold is on the scale that was set together with it: asking one call for logits
        does not change which passages a threshold of the constructor keeps.
        """
        new_scale = self.scale if scale is None else check_scale(scale)
        own_threshold = score_threshold is None
        return _Cut(
            top_k=self.top_k if top_k is None else check_top_k(top_k),
            score_threshold=(
                self.score_threshold
                if own_threshold
                else check_threshold(score_threshold, new_scale)
            ),
            threshold_scale=self.threshold_scale if own_threshold else new_scale,
            scale=new_scale,
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    """The pairs of several queries in one list, and how many belong to each."""

    pairs: list[tuple[str, str]]
    sizes: list[int]

    @classmethod
    def of(cls, requests: Iterable[tuple[object, object]]) -> "_Batch":
        batch = cls(pairs=[], sizes=[])
        for query, passages in requests:
            checked_query, checked_passages = check_query(query), check_passages(passages)
            batch.pairs.extend((checked_query, passage) for passage in checked_passages)
            batch.sizes.append(len(checked_passages))
        return batch

    def rankings(self, scores: PairScores, cut: _Cut) -> list[list[Ranked]]:
        if scores.logits.shape != (len(self.pairs),):
            message = (
                f"The scorer gave logits of shape {scores.logits.shape} for {len(self.pairs)} "
                "pairs. A scorer must give one logit per pair."
            )
            raise ScoringError(message)
        bad = np.flatnonzero(~np.isfinite(scores.logits))
        if bad.size:
            query, passage = self.pairs[bad[0]]
            message = (
                f"The model gave {scores.logits[bad[0]]} for query {query[:60]!r} and passage "
                f"{passage[:60]!r} ({bad.size} of {len(self.pairs)} pairs are not finite). "
                "Try precision='fp32'; if it stays, the weights are broken."
            )
            raise ScoringError(message)
        rankings, start = [], 0
        for size in self.sizes:
            rankings.append(_ranking(scores, slice(start, start + size), cut))
            start += size
        return rankings


def _ranking(scores: PairScores, part: slice, cut: _Cut) -> list[Ranked]:
    """One query's ranking. The only line where numpy numbers become Python's is in here."""
    logits = scores.logits[part].astype(np.float64)
    on_scale = {"logit": logits, "probability": _sigmoid(logits)}
    values = on_scale[cut.scale]
    order = np.argsort(-logits, kind="stable")
    if cut.score_threshold is not None:
        order = order[on_scale[cut.threshold_scale][order] >= cut.score_threshold]
    order = order[: cut.top_k]
    truncated = None if scores.truncated is None else scores.truncated[part]
    return [
        Ranked(
            index=index,
            score=value,
            scale=cut.scale,
            truncated=None if truncated is None else bool(truncated[index]),
        )
        for index, value in zip(order.tolist(), values[order].tolist(), strict=True)
    ]


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow: exp(-log(1 + exp(-x)))."""
    probabilities: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -logits))
    return probabilities


def _requests(
    queries: Sequence[str], passages: Sequence[Iterable[str]]
) -> list[tuple[str, Iterable[str]]]:
    """The m (query, passages) requests, or an error if the two lists do not fit."""
    if isinstance(queries, str) or isinstance(passages, str):
        message = "queries and passages must be lists, one list of passages per query."
        raise InvalidInputError(message)
    if len(queries) != len(passages):
        message = (
            f"queries and passages must have the same length, but got {len(queries)} queries "
            f"and {len(passages)} lists of passages."
        )
        raise InvalidInputError(message)
    return list(zip(queries, passages, strict=True))
