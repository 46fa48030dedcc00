"""The backend of models that build their own input: `CrossEncoder.predict`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.alone import PROBES, gives, predicted, predicted_alone
from rerank_plugins.backends.contract import Backend, PairOptions, Prepared
from rerank_plugins.backends.cross_encoder import default_length, default_prompt, label_names
from rerank_plugins.backends.encoder import check_length, one_by_one
from rerank_plugins.backends.head import column_logits, column_of
from rerank_plugins.backends.pair_counter import PairCounter
from rerank_plugins.backends.tables import positions_of
from rerank_plugins.backends.windows import check_window, in_windows, window_settings
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.models.own_settings import OwnSettings
from rerank_plugins.results import Plan
from rerank_plugins.tokens.windows import ALL_WINDOWS, encode_windows

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_MOST_COUNTERS = 4
"""Counters kept, one per length and prompt: each has a tokenizer, which takes megabytes."""


def predict_backend(model: "CrossEncoder", name: str, plan: Plan, budget: int) -> Backend:
    """A backend that calls `predict`, one pair at a time if batches would change the scores."""
    wanted = predicted_alone(model, name)
    if wanted is None:
        message = (
            f"{name!r} has no padding token, and predict needs one. Set it and save the "
            "tokenizer: tokenizer.pad_token = tokenizer.eos_token."
        )
        raise UnsupportedOptionError(message)
    batches = gives(lambda: predicted(model, PROBES), wanted, plan.precision)
    if not batches:
        plan = one_by_one(plan, "it scores a pair differently beside longer ones")
    return _PredictBackend(model, name, plan, budget, batches=batches)


class _PredictBackend:
    """Runs models that build their own input from the pair, such as chat models."""

    def __init__(
        self, model: "CrossEncoder", name: str, plan: Plan, max_batch_tokens: int, *, batches: bool
    ) -> None:
        from torch import nn

        self.plan = plan
        self.folder = Path()
        self.own_settings = OwnSettings()
        self._model = model
        self._name = name
        self._identity = nn.Identity()
        self._max_batch_tokens = max_batch_tokens
        self._batches = batches
        self._limit = positions_of(model)
        self._default_length = default_length(model, self._limit)
        self._counter = lru_cache(_MOST_COUNTERS)(self._count)

    def check(self, options: PairOptions) -> None:
        column_of(options.label, self._model.num_labels, label_names(self._model))
        check_length(options.max_length, self._limit, self._name)
        if options.from_left:
            message = (
                f"{self._name!r} builds its own input, so a long text cannot lose its beginning. "
                "Let it lose its end, which is the default."
            )
            raise UnsupportedOptionError(message)
        if window_settings(options, self.own_settings) is not None:
            counter = self._counter(options.max_length, options.prompt)
            check_window(options, counter.room, self._name)

    @property
    def tokenizer(self) -> str | None:
        fast = getattr(self._model.tokenizer, "is_fast", False)
        return self._model.tokenizer.backend_tokenizer.to_str() if fast else None

    def length(self, options: PairOptions) -> int:
        return options.max_length or self._default_length

    def batch_tokens(self, options: PairOptions) -> int:
        return options.max_batch_tokens or self._max_batch_tokens

    def prepare(
        self, pairs: Sequence[tuple[str, str]], options: PairOptions, windows: slice = ALL_WINDOWS
    ) -> Prepared:
        settings = window_settings(options, self.own_settings)
        if settings is not None:
            counter = self._counter(options.max_length, options.prompt)
            prepared = in_windows(encode_windows(counter, pairs, settings, windows))
            texts = [window.texts for window in prepared.inputs]
            return replace(prepared, inputs=texts, counted=False)
        longest = options.max_length or min(
            self._default_length, 512
        )  # the model's prompt is not counted
        tokens = [longest] * len(pairs)
        return Prepared(inputs=pairs, tokens=tokens, truncated=None, counted=False)

    def _count(self, max_length: int | None, prompt: str | None) -> PairCounter:
        if prompt is None:
            prompt = default_prompt(self._model)
        return PairCounter(self._model, self._name, max_length or self._default_length, prompt)

    def logits(
        self, inputs: Sequence[tuple[str, str]], options: PairOptions
    ) -> NDArray[np.float32]:
        columns = self._model.num_labels
        overrides: dict[str, Any] = {}
        if options.max_length is not None:
            limit = {"max_length": options.max_length, "truncation": True}
            overrides["processing_kwargs"] = {"text": limit}
        output = self._model.predict(
            list(inputs),
            prompt=options.prompt,
            batch_size=len(inputs) if self._batches else 1,
            activation_fn=self._identity,
            show_progress_bar=False,
            **overrides,
        )
        column = column_of(options.label, columns, label_names(self._model))
        return column_logits(np.asarray(output, np.float32).reshape(-1, columns), column)
