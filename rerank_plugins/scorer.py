"""The scorer: a cross-encoder behind the contract, with its options checked."""

import asyncio
import os
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import fields, replace
from functools import partial
from typing import Any, Self

from rerank_plugins.backends.choice import BACKENDS, PRECISIONS
from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine import registry
from rerank_plugins.engine.requests import Request
from rerank_plugins.errors import InvalidInputError, ScorerClosedError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.references import check_reference, is_on_disk
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.options import (
    check_choice,
    check_devices,
    check_flag,
    check_folder,
    check_label,
    check_positive_int,
    check_seconds,
    check_text,
    check_token,
)
from rerank_plugins.results import PairScores, Plan
from rerank_plugins.scoring.contract import Scorer, result_of

MINIMUM_MAX_LENGTH = 8
"""Special tokens take 3 or 4 places; fewer than 8 leave no room for a query and a passage."""


class CrossEncoderScorer(Scorer):
    """Scores pairs with a sentence-transformers `CrossEncoder`, or the model that ships.

    The model is loaded on first use (or by `warm_up`), once per process and settings however
    many scorers share it. All its work runs on threads of its own, where pairs of different
    calls share batches: any number of threads and event loops may call one scorer.

    Args:
        model: A hub id (`"cross-encoder/ms-marco-MiniLM-L4-v2"`), a local directory with a model
            or a bundle of `compile_model`, or `"embedded"` for the model inside this package,
            which needs no network. A bundle brings its backend and precision with it.
        revision: Branch, tag or commit of a hub model.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"` ...; `None` lets the backend choose. A
            list such as `["cuda:0", "cuda:1"]` loads the model once for each and shares the
            work out.
        backend: `"torch"`, `"onnx"`, `"openvino"`, or `"auto"`, which chooses by what is installed
            and what the processor has; `plan` says what was chosen and why.
        precision: `"fp32"`, `"bf16"`, `"fp16"` (torch only), `"int8"` (openvino only), or `"auto"`:
            bf16 where its cost in ranking was measured (the embedded model in OpenVINO, on
            processors that have it; see docs/backends.md), fp32 elsewhere. `None`: a bundle's own,
            fp32 for other models. A bundle in another precision than the one named is refused.
        max_length: Tokens of query and passage together, special tokens included; longer pairs
            are cut, and results say so. `None`: what the model can read.
        max_batch_tokens: Tokens per batch, padding included. `None`: 2048 on a CPU (1536 in
            OpenVINO), 32768 on other devices.
        prompt: Instruction put before the query (a system message for chat models). `None`:
            the model's own default.
        query_prefix: Put before every query, after `prompt`.
        passage_prefix: Put before every passage.
        label: Column of the head to score by, as index or as name in the model's `id2label`;
            needed where there are several. The score is then the log-odds of that column's
            softmax.
        local_files_only: Never ask the hub; use what is in the cache.
        token: Hub token, or a function that gives it when the model is loaded; `None` uses the
            one that `hf auth login` saved. It is left out when a scorer is pickled.
        cache_folder: Where hub models are kept; `None` is the Hugging Face default.
        trust_remote_code: Run model code that comes with a hub model.
        progress_bar: Show a tqdm bar over the pairs of a call.
        timeout: Seconds after which a call fails with `ScoringTimeoutError`, time for loading
            the model included; `None` waits as long as it takes.
        max_queue_pairs: How many pairs, over all calls, may wait for the model. If a call would
            exceed it, `submit` and the blocking methods fail at once with `QueueFullError`, and the
            async methods wait for room, in the order of the calls. A call that finds the queue
            empty is always accepted. `None` is no limit.

    Raises:
        InvalidInputError: An option is not allowed. Nothing is loaded by the constructor.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "cross-encoder/ms-marco-MiniLM-L4-v2",
        *,
        revision: str | None = None,
        device: str | Sequence[str] | None = None,
        backend: str = "auto",
        precision: str | None = None,
        max_length: int | None = None,
        max_batch_tokens: int | None = None,
        prompt: str | None = None,
        query_prefix: str = "",
        passage_prefix: str = "",
        label: int | str | None = None,
        local_files_only: bool = False,
        token: str | Callable[[], str | None] | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        trust_remote_code: bool = False,
        progress_bar: bool = False,
        timeout: float | None = None,
        max_queue_pairs: int | None = 100_000,
    ) -> None:
        devices = check_devices(device)
        model = check_reference(model)
        token = check_token(token)
        self._settings = ModelSettings(
            model=model,
            revision=None if revision is None else check_text(revision, "revision"),
            device=devices[0],
            backend=check_choice(backend, "backend", BACKENDS),
            precision=(
                None if precision is None else check_choice(precision, "precision", PRECISIONS)
            ),
            local_files_only=check_flag(local_files_only, "local_files_only"),
            token=None if is_on_disk(model) else token,  # nobody asks for it: all share the model
            cache_folder=check_folder(cache_folder, "cache_folder"),
            trust_remote_code=check_flag(trust_remote_code, "trust_remote_code"),
        )
        if max_length is not None:
            max_length = check_positive_int(max_length, "max_length")
            if max_length < MINIMUM_MAX_LENGTH:
                message = (
                    f"{option('max_length')} must be at least {MINIMUM_MAX_LENGTH} tokens, but got "
                    f"{max_length}. Leave it out for all that the model can read."
                )
                raise InvalidInputError(message)
        if max_batch_tokens is not None:
            max_batch_tokens = check_positive_int(max_batch_tokens, "max_batch_tokens")
        self._options = PairOptions(
            max_length=max_length,
            max_batch_tokens=max_batch_tokens,
            prompt=None if prompt is None else check_text(prompt, "prompt"),
            label=check_label(label),
        )
        self._progress_bar = check_flag(progress_bar, "progress_bar")
        self._query_prefix = check_text(query_prefix, "query_prefix")
        self._passage_prefix = check_text(passage_prefix, "passage_prefix")
        self._device = devices[0] if len(devices) == 1 else list(devices)
        self._timeout = check_seconds(timeout, "timeout")
        if max_queue_pairs is not None:
            max_queue_pairs = check_positive_int(
                max_queue_pairs, "max_queue_pairs", hint="For a queue without bound, pass None."
            )
        self._max_queue_pairs = max_queue_pairs
        self.name = self._settings.model
        self._shared = registry.acquire(
            tuple(replace(self._settings, device=one) for one in devices)
        )
        self._release = weakref.finalize(self, registry.abandon, self._shared)
        self._release.atexit = False  # at exit the thread ends by itself

    @property
    def plan(self) -> Plan:
        """How the model is run, and why that way; loads it if need be.

        Raises:
            ModelError: The model cannot be loaded or does not fit the options.
            MissingExtraError: The backend's packages are not installed.
            ScorerClosedError: The scorer is closed.
        """
        self.warm_up()
        return self._shared.engine.plan

    def submit(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        timeout: float | None = None,
        wait: bool = False,
    ) -> "Future[PairScores]":
        """Queues the pairs for the model's own threads, which load the model if need be.

        Args:
            pairs: n checked (query, passage) pairs.
            timeout: Seconds, for this call; `None` uses the scorer's own.
            wait: Whether the pairs wait for room if the queue is full, in the order of the calls,
                instead of being refused. `submit` returns at once in both cases.

        Returns:
            A future; cancelling it frees what is not yet in a batch. Its callbacks run on the
            model's own threads: one that waits there for scores of this model waits for ever.

        Raises:
            QueueFullError: Too many pairs wait already; see `max_queue_pairs`.
            ScorerClosedError: The scorer is closed.
            ForkedProcessError: The model was loaded before this process was forked.
        """
        self._check_open()
        query_prefix, passage_prefix = self._query_prefix, self._passage_prefix
        if query_prefix or passage_prefix:
            pairs = [(query_prefix + query, passage_prefix + passage) for query, passage in pairs]
        request = Request(
            pairs,
            self._options,
            timeout=self._timeout if timeout is None else check_seconds(timeout, "timeout"),
            max_queue_pairs=self._max_queue_pairs,
            progress_bar=self._progress_bar,
        )
        return self._shared.engine_here().submit(request, wait=wait)

    def _submit_or_wait(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        return self.submit(pairs, wait=True)

    def warm_up(self) -> None:
        """Loads the model now; every later call finds it loaded.

        Raises:
            ModelError: The model cannot be loaded or does not fit the options.
            MissingExtraError: The backend's packages are not installed.
        """
        result_of(self._submit_nothing())

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await asyncio.wrap_future(self._submit_nothing())

    def close(self) -> None:
        """Finishes what is queued and, if no other scorer shares the model, releases it."""
        if self._release.detach():
            registry.release(self._shared, wait=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the options without the token; the copy shares or loads the model itself."""
        made = partial(type(self), **{**self._arguments(), "token": None})
        return made, (), {"name": self.name}

    def __copy__(self) -> Self:
        """A scorer of its own in this process, which keeps the token and shares the model."""
        copy = type(self)(**self._arguments())
        copy.name = self.name
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __repr__(self) -> str:
        return f"CrossEncoderScorer({self.name!r}, backend={self._settings.backend!r})"

    def _arguments(self) -> dict[str, Any]:
        """The constructor's arguments that give this scorer again."""
        return {
            **{field.name: getattr(self._settings, field.name) for field in fields(ModelSettings)},
            **{field.name: getattr(self._options, field.name) for field in fields(PairOptions)},
            "device": self._device,
            "query_prefix": self._query_prefix,
            "passage_prefix": self._passage_prefix,
            "progress_bar": self._progress_bar,
            "timeout": self._timeout,
            "max_queue_pairs": self._max_queue_pairs,
        }

    def _submit_nothing(self) -> "Future[PairScores]":
        """A request without pairs: it is done when the model is loaded and fits the options."""
        self._check_open()
        return self._shared.engine_here().submit(Request((), self._options))

    def _check_open(self) -> None:
        if not self._release.alive:
            message = f"The scorer for {self.name!r} is closed. Create a new CrossEncoderScorer."
            raise ScorerClosedError(message)
