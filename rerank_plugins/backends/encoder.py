"""Scoring with an encoder that reads token ids: what all backends but `predict` share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.head import column_logits, column_of
from rerank_plugins.backends.windows import check_window, in_windows, window_settings
from rerank_plugins.errors import ScoringError, UnsupportedOptionError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.own_settings import OwnSettings
from rerank_plugins.results import Plan
from rerank_plugins.tokens.padding import Tokens, pad
from rerank_plugins.tokens.pairs import PairTokenizer, PairTokens
from rerank_plugins.tokens.windows import ALL_WINDOWS, encode_windows

_MOST_TOKENIZERS = 4
"""Tokenizers kept, one per length and side: each takes megabytes, and there are many lengths."""


@dataclass(slots=True)
class EncoderBackend:
    """A model that scores token ids, with what is needed around it.

    Attributes:
        name: The model reference, for messages.
        description: How pairs become its input, and what its output means.
        forward: Takes b tokenized pairs, returns logits, float32 `(b, columns)`.
        plan: How `forward` runs the model.
        max_batch_tokens: Tokens per batch unless the options say otherwise.
        length_multiple: Batches are padded to a length that is a multiple of it.
        batches: Whether `forward` may be given several pairs at once.
        folder: Where the model's files lie; a loader sets it.
        own_settings: What the model's folder says about how to use it.
    """

    name: str
    description: ModelDescription
    forward: Callable[[Tokens], NDArray[np.float32]]
    plan: Plan
    max_batch_tokens: int
    length_multiple: int = 1
    batches: bool = True
    folder: Path = Path()
    own_settings: OwnSettings = field(default_factory=OwnSettings)
    _tokenizers: dict[tuple[int, bool], PairTokenizer] = field(default_factory=dict, init=False)

    def check(self, options: PairOptions) -> None:
        """Raises `LabelRequiredError` or `UnsupportedOptionError` if the options do not fit."""
        column_of(options.label, self.description.columns, self.description.labels)
        tokenizer = self._pair_tokenizer(options)
        if window_settings(options, self.own_settings) is not None:
            check_window(options, tokenizer.room, self.name)

    @property
    def tokenizer(self) -> str:
        """The description's."""
        return self.description.tokenizer

    def length(self, options: PairOptions) -> int:
        """The options' own, or the model's."""
        return options.max_length or self.description.default_length

    def batch_tokens(self, options: PairOptions) -> int:
        """The options' own budget, or the backend's."""
        return options.max_batch_tokens or self.max_batch_tokens

    def prepare(
        self, pairs: Sequence[tuple[str, str]], options: PairOptions, windows: slice = ALL_WINDOWS
    ) -> Prepared:
        """The token ids of each pair, or of these windows of it."""
        prompt = self.description.default_prompt if options.prompt is None else options.prompt
        if prompt:
            pairs = [(prompt + query, passage) for query, passage in pairs]
        tokenizer = self._pair_tokenizer(options)
        settings = window_settings(options, self.own_settings)
        if settings is None:
            tokens = tokenizer.encode(pairs)
            self._check_tokens(pairs, tokens)
            return Prepared(
                inputs=tokens,
                tokens=[len(pair) for pair in tokens],
                truncated=[pair.truncated for pair in tokens],
            )
        cut = encode_windows(tokenizer, pairs, settings, windows)
        prepared = in_windows(cut)
        owners = [pair for pair, one in zip(pairs, cut, strict=True) for _ in one.tokens]
        self._check_tokens(owners, prepared.inputs)
        return prepared

    def logits(self, inputs: Sequence[PairTokens], options: PairOptions) -> NDArray[np.float32]:
        """One logit per pair, in one batch."""
        column = column_of(options.label, self.description.columns, self.description.labels)
        return column_logits(self.columns_of(inputs), column)

    def columns_of(self, inputs: Sequence[PairTokens]) -> NDArray[np.float32]:
        """The head's output for each pair, float32 `(b, columns)`."""
        known = self.description.vocabulary
        highest = max(int(pair.input_ids.max()) for pair in inputs)
        if known is not None and highest >= known:
            message = (
                f"The tokenizer of {self.name!r} gives a text the token id {highest}, and the "
                f"model has embeddings for {known} tokens. Leave out the text with this token, or "
                "save the model after resize_token_embeddings and training."
            )
            raise ScoringError(message)
        groups = [inputs] if self.batches else [[pair] for pair in inputs]
        padded = partial(
            pad,
            pad_id=self.description.pad_id,
            multiple=self.length_multiple,
            limit=self.description.limit,
        )
        return np.concatenate([self.forward(padded(group)) for group in groups])

    def run_one_by_one(self, reason: str) -> None:
        """Gives `forward` one pair at a time from now on; the plan says why."""
        self.batches = False
        self.plan = one_by_one(self.plan, reason)

    def _check_tokens(self, pairs: Sequence[tuple[str, str]], tokens: Sequence[PairTokens]) -> None:
        for (query, passage), pair in zip(pairs, tokens, strict=True):
            if not len(pair):
                message = (
                    f"The tokenizer of {self.name!r} finds no token in query {query[:60]!r} and "
                    f"passage {passage[:60]!r}, and a model needs at least one. Leave the pair out."
                )
                raise ScoringError(message)

    def _pair_tokenizer(self, options: PairOptions) -> PairTokenizer:
        check_length(options.max_length, self.description.limit, self.name)
        key = length, from_left = self.length(options), options.from_left
        known = self._tokenizers
        tokenizer = known.pop(key, None)
        if tokenizer is None:
            serialized = self.description.tokenizer
            tokenizer = PairTokenizer(serialized, max_length=length, from_left=from_left)
        known[key] = tokenizer  # at the end: the one used longest ago is dropped first
        while len(known) > _MOST_TOKENIZERS:
            known.pop(next(iter(known)))
        return tokenizer


def one_by_one(plan: Plan, reason: str) -> Plan:
    """The plan of a model that is given one pair at a time, with the reason for users."""
    return replace(plan, reason=f"{plan.reason}; one pair per batch because {reason}")


def check_length(max_length: int | None, limit: int | None, name: str) -> None:
    """Refuses more tokens than the model has positions for.

    Raises:
        UnsupportedOptionError: `max_length` is above the limit.
    """
    if max_length is not None and limit is not None and max_length > limit:
        message = (
            f"{option('max_length', max_length)}, but {name!r} reads at most {limit} tokens: it "
            f"has no more positions. Pass at most {limit}, or leave it out for its default."
        )
        raise UnsupportedOptionError(message)
