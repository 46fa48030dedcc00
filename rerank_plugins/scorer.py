"""What turns (query, passage) pairs into scores; sync and async from one primitive, `submit`."""

import asyncio
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rerank_plugins import _registry
from rerank_plugins._labels import check_label
from rerank_plugins._model import ModelSettings, check_reference
from rerank_plugins._validation import (
    check_choice,
    check_flag,
    check_pairs,
    check_passages,
    check_positive_int,
    check_query,
    check_text,
)
from rerank_plugins.backends import BACKENDS, PRECISIONS, Backend, PairOptions
from rerank_plugins.errors import InvalidInputError, ScorerClosedError
from rerank_plugins.results import PairScores, Plan

MINIMUM_MAX_LENGTH = 8
"""Special tokens take 3 or 4 places; fewer than 8 leave no room for a query and a passage."""


class Scorer(ABC):
    """Scores pairs of texts. Subclass it and write `submit` to rerank with a model of your own."""

    name: str
    """What traces and reports call this scorer."""

    @abstractmethod
    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Starts scoring n checked (query, passage) pairs and returns at once.

        Must not block and must be safe to call from any thread. The future gives `PairScores`
        of n logits in the order of the pairs, or an error.
        """

    def warm_up(self) -> None:  # noqa: B027 - optional: nothing to do is a right answer
        """Makes the scorer ready now, so that the first request does not wait for it."""

    async def awarm_up(self) -> None:  # noqa: B027
        """`warm_up` that never blocks the event loop."""

    def close(self) -> None:  # noqa: B027
        """Releases what the scorer holds. It cannot be used afterwards; a second call is fine."""

    def score(self, query: str, passages: Iterable[str]) -> NDArray[np.float32]:
        """One logit per passage for a query.

        Args:
            query: The query.
            passages: n passages.

        Returns:
            float32, shape `(n,)`, raw model outputs (not probabilities), in the order of the
            passages. `Reranker` turns them into probabilities.

        Raises:
            InvalidInputError: The query or a passage is not a string.
            ModelError: The model could not be loaded; a subclass says why.
        """
        return self.submit(_pair_up(query, passages)).result().logits

    def score_pairs(self, pairs: Iterable[tuple[str, str]]) -> NDArray[np.float32]:
        """One logit per (query, passage) pair, for many queries at once.

        Returns:
            float32, shape `(n,)`, raw model outputs in the order of the pairs.

        Raises:
            InvalidInputError: A pair is not a tuple of two strings.
            ModelError: The model could not be loaded; a subclass says why.
        """
        return self.submit(check_pairs(pairs)).result().logits

    async def ascore(self, query: str, passages: Iterable[str]) -> NDArray[np.float32]:
        """`score` that never blocks the event loop."""
        return (await asyncio.wrap_future(self.submit(_pair_up(query, passages)))).logits

    async def ascore_pairs(self, pairs: Iterable[tuple[str, str]]) -> NDArray[np.float32]:
        """`score_pairs` that never blocks the event loop."""
        return (await asyncio.wrap_future(self.submit(check_pairs(pairs)))).logits

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class CrossEncoderScorer(Scorer):
    """Scores pairs with a sentence-transformers `CrossEncoder`, or the model that ships.

    The model is loaded on first use (or by `warm_up`), once per process and settings however
    many scorers share it, and all its work runs on one thread of its own: any number of threads
    and event loops may call one scorer.

    Args:
        model: A hub id (`"cross-encoder/ms-marco-MiniLM-L4-v2"`), a local directory with a model
            or a bundle of `compile_model`, or `"embedded"` for the model inside this package,
            which needs no network. A bundle brings its backend and precision with it.
        revision: Branch, tag or commit of a hub model.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"` ...; `None` lets the backend choose.
        backend: `"torch"`, `"onnx"`, `"openvino"`, or `"auto"`, which chooses by what is installed
            and what the processor has; `plan` says what was chosen and why.
        precision: `"fp32"`, `"bf16"`, `"fp16"` (torch only), `"int8"` (openvino only), or `"auto"`:
            fp32, as nothing lower is chosen unless it is asked for.
        max_length: Tokens of query and passage together, special tokens included; longer pairs
            are cut, and results say so. `None`: what the model can read.
        max_batch_tokens: Tokens per batch, padding included. `None`: 2048 on a CPU, 32768 on
            other devices.
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

    Raises:
        InvalidInputError: An option is not allowed. Nothing is loaded by the constructor.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "cross-encoder/ms-marco-MiniLM-L4-v2",
        *,
        revision: str | None = None,
        device: str | None = None,
        backend: str = "auto",
        precision: str = "fp32",
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
    ) -> None:
        self._settings = ModelSettings(
            model=check_reference(model),
            revision=None if revision is None else check_text(revision, "revision"),
            device=None if device is None else check_text(device, "device"),
            backend=check_choice(backend, "backend", BACKENDS),
            precision=check_choice(precision, "precision", PRECISIONS),
            local_files_only=check_flag(local_files_only, "local_files_only"),
            token=token if token is None or callable(token) else check_text(token, "token"),
            cache_folder=None if cache_folder is None else Path(cache_folder),
            trust_remote_code=check_flag(trust_remote_code, "trust_remote_code"),
        )
        if max_length is not None:
            max_length = check_positive_int(max_length, "max_length")
            if max_length < MINIMUM_MAX_LENGTH:
                message = (
                    f"max_length must be at least {MINIMUM_MAX_LENGTH} tokens, but got "
                    f"{max_length}. Pass None for all that the model can read."
                )
                raise InvalidInputError(message)
        if max_batch_tokens is not None:
            max_batch_tokens = check_positive_int(max_batch_tokens, "max_batch_tokens")
        self._options = PairOptions(
            max_length=max_length,
            max_batch_tokens=max_batch_tokens,
            prompt=None if prompt is None else check_text(prompt, "prompt"),
            label=check_label(label),
            progress_bar=check_flag(progress_bar, "progress_bar"),
        )
        self._query_prefix = check_text(query_prefix, "query_prefix")
        self._passage_prefix = check_text(passage_prefix, "passage_prefix")
        self.name = self._settings.model
        self._shared = _registry.acquire(self._settings)
        self._release = weakref.finalize(self, _registry.abandon, self._shared)
        self._release.atexit = False  # at exit the thread ends by itself

    @property
    def plan(self) -> Plan:
        """How the model is run, and why that way; loads it if need be.

        Raises:
            ModelError: The model cannot be loaded or does not fit the options.
            MissingExtraError: The backend's packages are not installed.
        """
        self._check_open()
        return self._shared.submit(lambda backend: backend.plan).result()

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Queues the pairs for the model's own thread, which loads the model if need be."""
        self._check_open()
        query_prefix, passage_prefix = self._query_prefix, self._passage_prefix
        if query_prefix or passage_prefix:
            pairs = [(query_prefix + query, passage_prefix + passage) for query, passage in pairs]
        options = self._options
        return self._shared.submit(lambda backend: backend.score(pairs, options))

    def warm_up(self) -> None:
        """Loads the model now; every later call finds it loaded.

        Raises:
            ModelError: The model cannot be loaded or does not fit the options.
            MissingExtraError: The backend's packages are not installed.
        """
        self._submit_check().result()

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await asyncio.wrap_future(self._submit_check())

    def close(self) -> None:
        """Finishes what is queued and, if no other scorer shares the model, releases it."""
        if self._release.detach():
            _registry.release(self._shared, wait=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the options without the token; the copy shares or loads the model itself."""
        return _rebuilt, ({**self._arguments(), "token": None},)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(**self._arguments())

    def __repr__(self) -> str:
        return f"CrossEncoderScorer({self.name!r}, backend={self._settings.backend!r})"

    def _arguments(self) -> dict[str, Any]:
        """The constructor's arguments that give this scorer again."""
        return {
            **{field.name: getattr(self._settings, field.name) for field in fields(ModelSettings)},
            **{field.name: getattr(self._options, field.name) for field in fields(PairOptions)},
            "query_prefix": self._query_prefix,
            "passage_prefix": self._passage_prefix,
        }

    def _submit_check(self) -> "Future[None]":
        self._check_open()
        options = self._options

        def check(backend: Backend) -> None:
            backend.check(options)

        return self._shared.submit(check)

    def _check_open(self) -> None:
        if not self._release.alive:
            message = f"The scorer for {self.name!r} is closed. Create a new CrossEncoderScorer."
            raise ScorerClosedError(message)


def _rebuilt(arguments: dict[str, Any]) -> CrossEncoderScorer:
    """Unpickles a scorer: its options are keyword-only."""
    return CrossEncoderScorer(**arguments)


def _pair_up(query: str, passages: Iterable[str]) -> list[tuple[str, str]]:
    """Checked (query, passage) pairs."""
    checked = check_query(query)
    return [(checked, passage) for passage in check_passages(passages)]
