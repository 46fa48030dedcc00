"""Turns scores into rankings: order, threshold, top k and scale; fusion, cascade, time budget."""

import asyncio
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Self, Unpack

from rerank_plugins.checks.declaration import changed, checked, spelled_out
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.options import (
    RANKING_OPTIONS,
    CallOptions,
    RankingOptions,
    beside_scorer,
    check_known,
)
from rerank_plugins.ranking.cascade import Cascade
from rerank_plugins.ranking.configured import Configured
from rerank_plugins.ranking.order import scores_on_scale
from rerank_plugins.ranking.requests import request, requests
from rerank_plugins.ranking.running import arun, run
from rerank_plugins.ranking.settings import Settings
from rerank_plugins.ranking.stages import Stage, named_curve, weight_of
from rerank_plugins.remote.scorer import HttpScorer
from rerank_plugins.results import PairScores, RankedList, ScoreScale
from rerank_plugins.scorer import CrossEncoderScorer, shared_by_stages
from rerank_plugins.scoring.answers import aanswer, answer
from rerank_plugins.scoring.closing import Closing
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.scoring.inputs import check_pairs

_ALWAYS_SHOWN = ("top_k", "score_threshold", "scale")


class Reranker(Configured, Closing):
    """Ranks passages for a query by a scorer's scores, best first.

    Passages with equal scores keep their input order, which is the first stage's. The logits decide
    the order, so passages whose probabilities round to the same number are still ordered
    correctly.

    Args:
        scorer: The scorer of the logits: a `CrossEncoderScorer` or one of your own.
        **options: The options of `RankingOptions`. docs/getting-started.md has a table of them, and
            docs/ranking.md says when to use which. A `score_threshold` is on this `scale` and acts
            on what the model said, or on the calibrated score; a call that only changes `scale`
            keeps the same passages. The
            models of a `cascade` have the token, the cache folder and `local_files_only` of a
            `CrossEncoderScorer`, and its time limit is for all of them together. Before another
            scorer, give these to `from_options`.

    Raises:
        InvalidInputError: An option is not allowed.
    """

    @spelled_out
    def __init__(self, scorer: Scorer, **options: Unpack[RankingOptions]) -> None:
        if not isinstance(scorer, Scorer):
            message = (
                f"scorer must be a Scorer, but got {type(scorer).__name__}. "
                "For example, pass CrossEncoderScorer('embedded')."
            )
            raise InvalidInputError(message)
        self.scorer = scorer
        self._options = checked(options, RANKING_OPTIONS, type(self).__name__)
        self._make_stages(shared_by_stages(scorer))

    @classmethod
    def from_options(
        cls, *, scorer: Scorer | Mapping[str, Any] | None = None, **options: Any
    ) -> Self:
        """Makes a reranker from flat options, like those of the framework wrappers.

        Args:
            scorer: A ready scorer, or the options of an `HttpScorer`, such as
                `{"url": "http://localhost:8080"}`; `None` makes a `CrossEncoderScorer` from the
                options.
            **options: The options of the constructor, `model`, and the other arguments of
                `CrossEncoderScorer`. Beside `scorer`, a `cascade` that names models has those that
                all stages share, such as `token`, `cache_folder` and `timeout`.

        Raises:
            InvalidInputError: An option is not allowed, or a scorer is given together with a
                model option that it would silently ignore.
        """
        given = {name: value for name, value in options.items() if name in RANKING_OPTIONS}
        model = {name: value for name, value in options.items() if name not in RANKING_OPTIONS}
        # Checked here, and the checked ones given on: a generator of stages is read only once.
        ranking = checked(given, RANKING_OPTIONS, cls.__name__)
        Settings.of(ranking)
        check_known(model)
        of_stages = {} if scorer is None else beside_scorer(model, ranking["cascade"])
        last: Scorer
        if scorer is None:
            last = CrossEncoderScorer(**model)
        else:
            last = HttpScorer.from_dict(scorer) if isinstance(scorer, Mapping) else scorer
        reranker = cls(last, **ranking)
        if of_stages:
            reranker._make_stages({**shared_by_stages(last), **of_stages})
        if last is not scorer:
            reranker._made.append(last)
        return reranker

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        """The scorers of the cascade's stages in their order, and `scorer` last."""
        return tuple(stage.scorer for stage in self._stages(self._settings))

    def rank(
        self,
        query: str,
        passages: Iterable[str],
        *,
        first_stage_scores: Iterable[float] | None = None,
        timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> RankedList:
        """Returns the passages in order of relevance; an empty list for no passages.

        Args:
            query: The query.
            passages: The passages, in first-stage order.
            first_stage_scores: One finite number per passage. With it, `first_stage_weight` counts
                the scores, and not the places.
            timeout: Seconds that this call may take; `None` uses the scorer's own limit, if any.
            **options: The options of the constructor that this call sets for itself: `top_k`,
                `score_threshold`, `scale`, `first_stage_weight`, `time_budget`, `spans`,
                `max_spans`. What is left out is the reranker's own.

        Returns:
            `Ranked` values, best first; `index` is a position in `passages`.

        Raises:
            InvalidInputError: The query, a passage, a score or an option is not allowed. This is
                checked before anything is scored, even if there are no passages.
            ModelError: The model could not be loaded; a subclass says why.
            UnsupportedOptionError: The weight or the calibration is `"auto"`, and the model has
                none.
            ScoringError: The model gave NaN or infinity.
            ScoringTimeoutError: The time of `timeout` is over.
        """
        settings = self._settings.changed(options)
        one = request(query, passages, first_stage_scores, settings)
        return run(self._stages(settings), [one], settings, timeout)[0]

    def rank_many(
        self,
        queries: Iterable[str],
        passages: Iterable[Iterable[str]],
        *,
        first_stage_scores: Iterable[Iterable[float]] | None = None,
        timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> list[RankedList]:
        """Returns `rank` for m queries, each with its own passages, scored together.

        Args:
            queries: m queries.
            passages: m lists of passages, one per query.
            first_stage_scores: m lists of scores, one per query.
            timeout: Seconds that all queries together may take.
            **options: As in `rank`; `time_budget` is for all queries together.

        Returns:
            m rankings, in the order of the queries.

        Raises:
            InvalidInputError: As in `rank`, or the lengths differ.
        """
        settings = self._settings.changed(options)
        all_of_them = requests(queries, passages, first_stage_scores, settings)
        return run(self._stages(settings), all_of_them, settings, timeout)

    async def arank(
        self,
        query: str,
        passages: Iterable[str],
        *,
        first_stage_scores: Iterable[float] | None = None,
        timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> RankedList:
        """`rank` that never blocks the event loop."""
        settings = self._settings.changed(options)
        one = request(query, passages, first_stage_scores, settings)
        return (await arun(self._stages(settings), [one], settings, timeout))[0]

    async def arank_many(
        self,
        queries: Iterable[str],
        passages: Iterable[Iterable[str]],
        *,
        first_stage_scores: Iterable[Iterable[float]] | None = None,
        timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> list[RankedList]:
        """`rank_many` that never blocks the event loop."""
        settings = self._settings.changed(options)
        all_of_them = requests(queries, passages, first_stage_scores, settings)
        return await arun(self._stages(settings), all_of_them, settings, timeout)

    def score_pairs(
        self, pairs: Iterable[tuple[str, str]], *, timeout: float | None = None
    ) -> list[float]:
        """Returns the score of each (query, passage) pair on the reranker's scale, in input order.

        Args:
            pairs: n (query, passage) pairs; no option but `scale` applies.
            timeout: As in `rank`.

        Raises:
            InvalidInputError: A pair is not a tuple of two strings.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model gave NaN or infinity.
            ScoringTimeoutError: The time is over.
        """
        scores = answer(self.scorer, check_pairs(pairs), timeout)
        return on_scale(self, scores, self.scale)

    async def ascore_pairs(
        self, pairs: Iterable[tuple[str, str]], *, timeout: float | None = None
    ) -> list[float]:
        """`score_pairs` that never blocks the event loop."""
        scores = await aanswer(self.scorer, check_pairs(pairs), timeout)
        if self.scale == "calibrated":  # the first time, the model's files are read
            return await asyncio.to_thread(on_scale, self, scores, self.scale)
        return on_scale(self, scores, self.scale)

    def warm_up(self) -> None:
        """Makes all scorers ready now; see `Scorer.warm_up`.

        Raises:
            InvalidInputError: The calibration belongs to other scores.
            UnsupportedOptionError: A weight or the calibration is `"auto"`, and its model has none.
        """
        for stage in (stages := self._stages(self._settings)):
            stage.scorer.warm_up()
            weight_of(stage)
        named_curve(stages[-1], self._settings)

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        for stage in (stages := self._stages(self._settings)):
            await stage.scorer.awarm_up()
            weight_of(stage)
        # The calibration asks for the model's identity, which is a digest of its files.
        await asyncio.to_thread(named_curve, stages[-1], self._settings)

    def close(self) -> None:
        """Closes the scorers that were made from options; those that were passed in stay open."""
        for scorer in self._made:
            scorer.close()

    async def aclose(self) -> None:
        """`close` that never blocks the event loop."""
        for scorer in self._made:
            await scorer.aclose()

    def __copy__(self) -> Self:
        """A reranker with copies of the scorers that this one made; closing one leaves the other.

        Those that were passed in are shared.
        """
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        copied._cascade = copy(self._cascade)
        copied._made = copied._cascade.made
        if any(self.scorer is one for one in self._made):
            copied.scorer = copy(self.scorer)
            copied._made.append(copied.scorer)
        return copied

    def _make_stages(self, shared: Mapping[str, Any]) -> None:
        """Makes the scorers of the cascade's models, which have these options in common."""
        self._settings = replace(Settings.of(self._options), timeout=shared.get("timeout"))
        self._cascade = Cascade(self._options["cascade"], partial(CrossEncoderScorer, **shared))
        self._made = self._cascade.made

    def _stages(self, settings: Settings) -> list[Stage]:
        return self._cascade.stages(self.scorer, settings.first_stage_weight)

    def __repr__(self) -> str:
        shown = {name: self._options[name] for name in _ALWAYS_SHOWN}
        shown |= changed(self._options, RANKING_OPTIONS)
        given = "".join(f", {name}={value!r}" for name, value in shown.items())
        return f"Reranker({self.scorer!r}{given})"


def reranker_like(reranker: Reranker, scorer: Scorer, **options: Any) -> Reranker:
    """A reranker of another scorer, with the options of this one where none are given."""
    return Reranker(scorer, **{**reranker._options, **options})


def on_scale(reranker: Reranker, scores: PairScores, scale: ScoreScale) -> list[float]:
    """The scores of single pairs, which no first stage has an opinion of.

    Args:
        reranker: The reranker whose scorer said them.
        scores: What it said.
        scale: Their scale; `"calibrated"` if the reranker has a calibration.
    """
    settings = replace(reranker._settings, scale=scale, score_threshold=None)
    stage = Stage(reranker.scorer, None, None)
    curve = named_curve(stage, settings) if len(scores.logits) else None
    return scores_on_scale(scores, scale, curve)
