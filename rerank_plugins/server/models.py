"""The models of a server by name, and what one says to a request."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rerank_plugins.checks.values import check_threshold
from rerank_plugins.errors import (
    InvalidInputError,
    ModelError,
    QueueFullError,
    RerankError,
    ScorerClosedError,
    ScoringTimeoutError,
    UnsupportedOptionError,
)
from rerank_plugins.reranker import Reranker, on_scale, reranker_like
from rerank_plugins.results import Ranked
from rerank_plugins.scoring.answers import aanswer
from rerank_plugins.server.exchange import Answer, Ask, Hit, Kind, RefusedError, refused_after
from rerank_plugins.server.reading import Reader, reading_so

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

_MOST_VARIANTS = 32
"""Ways of reading texts that are kept; each is checked when it is first asked for."""


class Models:
    """Rerankers by name.

    Args:
        rerankers: At least one.
        timeout: Seconds that a request may take; `None` is no limit.
    """

    def __init__(self, rerankers: Mapping[str, Reranker], timeout: float | None) -> None:
        self.rerankers = dict(rerankers)
        self._readers = {name: Reader(one.scorer) for name, one in self.rerankers.items()}
        self._timeout = timeout
        self._variants: dict[tuple[Any, ...], Reranker] = {}

    async def awarm_up(self) -> None:
        """Loads all models; the error of one that cannot be loaded comes after the others."""
        errors = []
        for reranker in self.rerankers.values():
            try:
                await reranker.awarm_up()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def name(self, ask: Ask) -> str:
        """The name of the model that a request is for.

        Raises:
            RefusedError: There is none of that name, or none is named and there are several.
        """
        wanted = ask.model
        if len(self.rerankers) == 1 and (wanted is None or not ask.names_model):
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
        name = self.name(ask)
        ways = {"ranking": self._ranking, "scores": self._scores, "tokens": self._tokens}
        with self._told(name):
            answer = Answer(id=request_id, model=name, ask=ask, scored=len(ask.texts))
            return await ways[ask.wants](answer)

    async def plan(self, name: str) -> dict[str, Any]:
        """`Reader.plan` of a model.

        Raises:
            RefusedError: It cannot be loaded.
        """
        with self._told(name):
            return await self._readers[name].plan()

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Makes an error of a model one that clients are told."""
        try:
            yield
        except RerankError as error:
            kind: Kind = next(
                (kind for group, kind in _KINDS if isinstance(error, group)), "failed"
            )
            again = RETRY_AFTER if kind == "overloaded" else None
            said = _by_name(str(error), self.rerankers[name].scorer.name, name)
            raise RefusedError(said, kind, retry_after=again) from error

    async def _ranking(self, answer: Answer) -> Answer:
        ask = answer.ask
        reranker = await self._reranker(answer)
        texts, unused = await self._texts(answer)
        options = {**ask.options, "top_k": ask.top_n}
        least = check_threshold(options.get("score_threshold"), options["scale"])
        if not ask.may_cut:  # all are looked at
            options |= {"top_k": None, "score_threshold": None}
        ranking = await reranker.arank(ask.queries[0], texts, timeout=self._timeout, **options)
        kept: Sequence[Ranked] = ranking
        if not ask.may_cut:
            _check_whole([one.index for one in ranking if one.truncated])
            kept = _reaching(ranking, least)[: ask.top_n]
        return replace(
            answer,
            hits=[Hit(one.index, one.score, one.spans) for one in kept],
            scored=len(ask.texts) - len(ranking.unscored),
            work=ranking.work,
            unused=unused,
        )

    async def _scores(self, answer: Answer) -> Answer:
        ask = answer.ask
        reranker = await self._reranker(answer)
        texts, unused = await self._texts(answer)
        queries = ask.queries if len(ask.queries) > 1 else list(ask.queries) * len(texts)
        pairs = list(zip(queries, texts, strict=True))
        scores = await aanswer(reranker.scorer, pairs, self._timeout)
        if not ask.may_cut and scores.truncated is not None:
            _check_whole(scores.truncated.nonzero()[0].tolist())
        hits = list(map(Hit, range(len(pairs)), on_scale(reranker, scores, ask.options["scale"])))
        return replace(answer, hits=hits, work=scores.work, unused=unused)

    async def _tokens(self, answer: Answer) -> Answer:
        ask = answer.ask
        async with self._reading():
            encoded = await self._readers[answer.model].tokens(ask.texts, **ask.options)
        if encoded is None:
            message = f"{answer.model!r} has no fast tokenizer, so its tokens cannot be told."
            raise RefusedError(message, "failed")
        return replace(answer, encoded=encoded)

    async def _texts(self, answer: Answer) -> tuple[Sequence[str], tuple[str, ...]]:
        """The texts as far as their tokens count, and what of that cannot be had."""
        texts, most = answer.ask.texts, answer.ask.document_tokens
        if most is None:
            return texts, ()
        async with self._reading():
            cut = await self._readers[answer.model].beginnings(texts, most)
        if cut is None:
            return texts, ("max_tokens_per_doc is not used: the model has no fast tokenizer",)
        return cut, ()

    def _reading(self) -> AbstractAsyncContextManager[None]:
        """The time that reading texts may take."""
        message = "The texts could not be read in time. Send fewer or shorter ones."
        return refused_after(asyncio.timeout(self._timeout), message, "too_late")

    async def _reranker(self, answer: Answer) -> Reranker:
        """The model, as the request wants texts to be read and scores to be meant."""
        ask, own = answer.ask, self.rerankers[answer.model]
        calibrated = ask.options["scale"] == "calibrated"
        otherwise = bool(ask.reading) or ask.from_left
        if not (otherwise or calibrated):
            return own
        ranks = ask.wants == "ranking"
        weight = ask.options.get("first_stage_weight") if calibrated and ranks else None
        key = (answer.model, calibrated, str(weight), ask.from_left, *ask.reading.items())
        if (known := self._variants.pop(key, None)) is None:
            scorer = own.scorer
            if otherwise:
                scorer = reading_so(scorer, ask.reading, from_left=ask.from_left)
                await scorer.awarm_up()
            # Plain scores need no calibration, and texts that are read otherwise may have none.
            scale = "calibrated" if calibrated else "probability"
            source = (own.calibration or "auto") if calibrated else None
            known = reranker_like(
                own, scorer, first_stage_weight=weight, scale=scale, calibration=source
            )
            try:
                await asyncio.to_thread(known.warm_up)  # it may read the model's files
            except (InvalidInputError, UnsupportedOptionError) as error:
                raise _uncalibrated(answer, weight, error) from error
        self._variants[key] = known  # at the end: the one used longest ago is dropped first
        while len(self._variants) > _MOST_VARIANTS:
            self._variants.pop(next(iter(self._variants)))
        return known


def _by_name(message: str, reference: str, name: str) -> str:
    """A message that calls a model by the server's name for it, not by the folder it lies in.

    A folder's whole path is replaced wherever it stands, since files are named in it; a reference
    as it was typed may be a common word, and is replaced in quotes alone.
    """
    folder = str(Path(reference).expanduser().resolve())
    return message.replace(folder, name).replace(repr(reference), repr(name))


def _uncalibrated(answer: Answer, weight: Any, error: RerankError) -> RefusedError:
    """What a client is told, whom the files and commands of the error do not help."""
    changed = [*answer.ask.reading, *(["first_stage_weight"] if weight is not None else [])]
    if changed and isinstance(error, InvalidInputError):  # there are calibrations of other scores
        todo = f"Leave {' and '.join(changed)} out, or send another `scale`."
    else:
        todo = "Send another `scale`, or start the server with --calibration FILE."
    message = (
        f"{answer.model!r} has no calibration of the scores that this request asks for. {todo}"
    )
    return RefusedError(message, "invalid")


def _reaching(ranking: Sequence[Ranked], least: float | None) -> Sequence[Ranked]:
    """The results that a `score_threshold` keeps, by the score that it acts on."""
    if least is None:
        return ranking
    return [
        one
        for one in ranking
        if (one.score if one.scale == "calibrated" else one.model_score) >= least
    ]


def _check_whole(cut: list[int]) -> None:
    if cut:
        message = (
            f"Text {min(cut)} and the query are longer than the model reads, which is true of "
            f"{len(cut)} of the texts. Send shorter ones, or let them be cut, which is the default."
        )
        raise RefusedError(message, "too_long")
