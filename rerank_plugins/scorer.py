"""The scorer: a cross-encoder behind the contract, with its options checked."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.backends.loader import plan_without_weights
from rerank_plugins.checks.declaration import checked, spelled_out
from rerank_plugins.checks.long_passages import WINDOW_OPTIONS, check_long_passages
from rerank_plugins.checks.values import check_seconds
from rerank_plugins.engine.engine import Engine
from rerank_plugins.errors import ScorerClosedError
from rerank_plugins.models.files import CALIBRATION_FILE
from rerank_plugins.models.location import folder_here
from rerank_plugins.models.own_settings import read_own_settings
from rerank_plugins.models.settings import settings_of
from rerank_plugins.options import (
    DEFAULT_MODEL,
    SCORER_OPTIONS,
    SHARED_BY_STAGES,
    ScorerOptions,
)
from rerank_plugins.results import ModelLoad, PairScores, Plan, Statistics
from rerank_plugins.score_cache.asking import Asking
from rerank_plugins.score_cache.cache import score_cache
from rerank_plugins.score_cache.lease import Lease
from rerank_plugins.scoring.answers import result_of, tally_of
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.scoring.copying import MadeOfOptions
from rerank_plugins.scoring.identity import Identity


class CrossEncoderScorer(MadeOfOptions, Scorer):
    """Scores pairs with a sentence-transformers `CrossEncoder`, or the model that ships.

    The model is loaded on first use (or by `warm_up`), once per process and settings however
    many scorers share it. All its work runs on threads of its own, where pairs of different
    calls share batches: any number of threads and event loops may call one scorer.

    Args:
        model: A hub id (`"cross-encoder/ms-marco-MiniLM-L4-v2"`), a local folder with a model
            or a bundle of `compile_model`, or `"embedded"` for the model inside this package,
            which needs no network. A bundle brings its backend and precision with it.
        **options: The other options of `ScorerOptions`. docs/getting-started.md has a table of
            all options with their defaults.

    Raises:
        InvalidInputError: An option is not allowed. Nothing is loaded by the constructor.
    """

    @spelled_out
    def __init__(
        self, model: str | os.PathLike[str] = DEFAULT_MODEL, **options: Unpack[ScorerOptions]
    ) -> None:
        self._set_options({"model": model, **options})

    _secret = "token"
    _own = frozenset({"_settings", "_lease", "_shared", "_asking", "_weight"})

    def _set_options(self, options: Mapping[str, Any]) -> None:
        given = _checked(options, type(self))
        workers = settings_of(given)
        self._settings = workers[0]
        self.name = self._settings.model
        self._options = given
        self._lease = Lease(workers, score_cache(given["score_cache"], given["score_cache_size"]))
        self._shared = self._lease.shared
        self._asking = Asking(self._lease, given)
        self._weight: float | None = None

    @property
    def first_stage_weight(self) -> float | None:
        """What `first_stage_weight="auto"` means for this model: the weight that its folder names.

        `None` if it names none, and for a model that is not on this disk yet.

        Raises:
            ModelError: The folder's `rerank_plugins.json` cannot be used.
        """
        if self._weight is None:
            folder = folder_here(self._shared.settings)
            self._weight = None if folder is None else read_own_settings(folder).first_stage_weight
        return self._weight

    @property
    def identity(self) -> Identity | None:
        """What makes this scorer's numbers what they are; loads nothing.

        The first time the model's files are read, which takes seconds for a large one. `None` for
        a model that is not on this disk yet, and for a folder that was written again before the
        model was loaded.

        Raises:
            UnsupportedOptionError: The backend or precision cannot run this model here.
            BundleError: The manifest of a bundle cannot be read.
        """
        return self._asking.identity.now()

    @property
    def statistics(self) -> Statistics:
        """How many pairs were scored so far, how many of them in part, and what the cache gave."""
        size = None if (cache := self._lease.cache) is None else cache.bytes
        return replace(super().statistics, cache_bytes=size)

    def stats(self) -> ModelLoad:
        """What waits for the model now, and how fast it works; for services of your own.

        It waits neither for the model nor for a request, so an event loop may call it.

        Raises:
            ForkedProcessError: The model was loaded before this process was forked.
        """
        counted = self.statistics
        load = self._shared.engine_here().load()
        return replace(load, hit_rate=counted.hit_rate, cache_bytes=counted.cache_bytes)

    @property
    def calibration_file(self) -> Path | None:
        """What `calibration="auto"` means for this model: the file in its folder.

        `None` if there is none, and for a model that is not on this disk yet.
        """
        folder = folder_here(self._shared.settings)
        file = None if folder is None else folder / CALIBRATION_FILE
        return file if file is not None and file.is_file() else None

    def plan(self) -> Plan:
        """How the model is run, and why that way; loads it if necessary.

        Raises:
            ModelError: The model cannot be loaded or does not fit the options.
            MissingExtraError: The backend's packages are not installed.
            ScorerClosedError: The scorer is closed.
        """
        self.warm_up()
        return self._shared.engine.plan

    async def aplan(self) -> Plan:
        """`plan` that never blocks the event loop."""
        await self.awarm_up()
        return self._shared.engine.plan

    def submit(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        timeout: float | None = None,
        wait: bool = False,
        deadline: float | None = None,
    ) -> "Future[PairScores]":
        """Queues the pairs for the model's own threads, which load the model if need be.

        Args:
            pairs: n checked (query, passage) pairs.
            timeout: Seconds, for this call; `None` uses the scorer's own.
            wait: Whether the pairs wait for room if the queue is full, in the order of the calls,
                instead of being refused. `submit` returns at once in both cases.
            deadline: When a time budget ends, on the clock of `time.monotonic`. The future is done
                then, or with the batch that is running, and `PairScores.scored` says what has a
                score. It never fails for it, even if the model is still being loaded.

        Returns:
            A future; cancelling it frees what is not yet in a batch. Its callbacks run on the
            model's own threads: one that waits there for scores of this model waits for ever. With
            a `score_cache`, the errors below come with the future, but for a closed scorer's.

        Raises:
            QueueFullError: Too many pairs wait already; see `max_queue_pairs`.
            ScorerClosedError: The scorer is closed.
            ForkedProcessError: The model was loaded before this process was forked.
        """
        self._check_open()
        seconds = self._options["timeout"] if timeout is None else check_seconds(timeout, "timeout")
        return self._asking.submit(pairs, seconds, deadline, wait=wait)

    _keeps_deadlines = True

    def _begin(
        self,
        pairs: Sequence[tuple[str, str]],
        timeout: float | None,
        *,
        wait: bool,
        deadline: float | None = None,
    ) -> "Future[PairScores]":
        choice = self._options["when_full"]
        # A call with a time budget waits for room too: its end ends the waiting, without an error.
        waits = (wait or deadline is not None) if choice == "auto" else choice == "wait"
        return self.submit(pairs, timeout=timeout, wait=waits, deadline=deadline)

    def _wait_at_most(self, timeout: float | None) -> float | None:
        return None  # the engine keeps the time, and can say what is left

    def warm_up(self) -> None:
        """Loads the model now; every later call finds it loaded.

        Raises:
            ModelError: The model cannot be loaded or does not fit the options.
            MissingExtraError: The backend's packages are not installed.
        """
        result_of(self._load())

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await asyncio.wrap_future(self._load())

    def close(self) -> None:
        """Finishes what is queued and releases the model.

        If another scorer shares the model, it returns at once, and what is queued goes on.
        """
        self._lease.close()

    def __repr__(self) -> str:
        return f"CrossEncoderScorer({self.name!r}, backend={self._settings.backend!r})"

    def _load(self) -> "Future[PairScores]":
        self._check_open()
        return self._asking.load()

    def _check_open(self) -> None:
        if not self._lease.is_open:
            message = f"The scorer for {self.name!r} is closed. Create a new CrossEncoderScorer."
            raise ScorerClosedError(message)


def shared_by_stages(last: Scorer) -> dict[str, Any]:
    """The options that the other models of a cascade have from the last one."""
    if not isinstance(last, CrossEncoderScorer):
        return {}
    return {name: last._options[name] for name in SHARED_BY_STAGES}


def read_otherwise(
    scorer: CrossEncoderScorer, options: Mapping[str, Any], *, from_left: bool = False
) -> CrossEncoderScorer:
    """A scorer that reads pairs by other options, and shares all else: model, queue, cache, counts.

    Args:
        scorer: The scorer. Closing either of the two closes both.
        options: Options that say what is read of a pair.
        from_left: Whether a text that is too long loses its beginning, and not its end.

    Raises:
        InvalidInputError: They are not allowed, or exclude each other.
    """
    given = _checked({**scorer._options, **options}, type(scorer))
    tally_of(scorer)  # made now, so that both count in one
    same = object.__new__(type(scorer))
    vars(same).update(vars(scorer))
    same._options = given
    same._asking = Asking(same._lease, given, from_left=from_left)
    return same


def reading_of(scorer: CrossEncoderScorer) -> PairOptions:
    """What the scorer reads of a pair."""
    return scorer._asking.reading


def plan_of_small_files(scorer: CrossEncoderScorer) -> Plan | None:
    """How a model would be run whose weights are not on this disk; `None` if they are.

    Configuration and tokenizer of a hub model are downloaded if necessary, and no weights.

    Raises:
        ModelError: The model cannot be found, or does not fit the options.
        MissingExtraError: The backend's packages are not installed.
    """
    return plan_without_weights(scorer._shared.settings)


def engine_of(scorer: CrossEncoderScorer) -> Engine:
    """The engine of the scorer's model, which other scorers may share."""
    return scorer._shared.engine_here()


def _checked(given: Mapping[str, Any], owner: type) -> dict[str, Any]:
    options = checked(given, SCORER_OPTIONS, owner.__name__)
    windows = {name: options[name] for name in WINDOW_OPTIONS}
    check_long_passages(options["long_passages"], **windows)
    return options
