"""Scoring with an encoder that reads token ids: the part that its backends share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._labels import column_logits, column_of
from rerank_plugins._pairs import PairTokenizer, PairTokens, Tokens, pad
from rerank_plugins._spelling import option
from rerank_plugins.backends import PairOptions, Prepared
from rerank_plugins.backends._description import ModelDescription
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.results import Plan

_MOST_TOKENIZERS = 4
"""Lengths whose tokenizers are kept: each takes megabytes, and there are hundreds of lengths."""


@dataclass(slots=True)
class EncoderBackend:
    """A model from token ids to logits, with what is needed around it.

    Attributes:
        name: The model reference, for messages.
        forward: Takes b tokenized pairs, gives logits, float32 `(b, columns)`.
        plan: How `forward` runs the model.
        tokenizer: The fast tokenizer in its JSON form.
        pad_id: Token id that fills up shorter pairs.
        limit: Most tokens of a pair that the model can read.
        columns: Columns of the head.
        labels: Names of the columns by index.
        max_batch_tokens: Tokens of a batch unless the options say otherwise.
        default_prompt: Put before the query unless the options say otherwise.
    """

    name: str
    forward: Callable[[Tokens], NDArray[np.float32]]
    plan: Plan
    tokenizer: str
    pad_id: int
    limit: int
    columns: int
    labels: Mapping[int, str]
    max_batch_tokens: int
    default_prompt: str = ""
    _tokenizers: dict[int, PairTokenizer] = field(default_factory=dict, init=False)

    def check(self, options: PairOptions) -> None:
        """Raises `LabelRequiredError` or `UnsupportedOptionError` where the options misfit."""
        column_of(options.label, self.columns, self.labels)
        self._pair_tokenizer(options.max_length)

    def batch_tokens(self, options: PairOptions) -> int:
        """The options' own budget, or the backend's."""
        return options.max_batch_tokens or self.max_batch_tokens

    def prepare(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> Prepared:
        """The token ids of each pair."""
        prompt = self.default_prompt if options.prompt is None else options.prompt
        if prompt:
            pairs = [(prompt + query, passage) for query, passage in pairs]
        tokens = self._pair_tokenizer(options.max_length).encode(pairs)
        return Prepared(
            inputs=tokens,
            tokens=[len(pair) for pair in tokens],
            truncated=[pair.truncated for pair in tokens],
        )

    def logits(self, inputs: Sequence[PairTokens], options: PairOptions) -> NDArray[np.float32]:
        """One logit per pair, in one batch."""
        column = column_of(options.label, self.columns, self.labels)
        return column_logits(self.forward(pad(inputs, self.pad_id)), column)

    def _pair_tokenizer(self, max_length: int | None) -> PairTokenizer:
        length = self.limit if max_length is None else max_length
        if length > self.limit:
            message = (
                f"{option('max_length', length)}, but {self.name!r} reads at most {self.limit} "
                f"tokens. Pass at most {self.limit}, or leave it out for all that it can read."
            )
            raise UnsupportedOptionError(message)
        known = self._tokenizers
        tokenizer = known.pop(length, None) or PairTokenizer(self.tokenizer, max_length=length)
        known[length] = tokenizer  # the last place: those used longest ago go first
        while len(known) > _MOST_TOKENIZERS:
            known.pop(next(iter(known)))
        return tokenizer


def encoder_backend(
    name: str,
    description: ModelDescription,
    forward: Callable[[Tokens], NDArray[np.float32]],
    plan: Plan,
    max_batch_tokens: int,
) -> EncoderBackend:
    """The backend of a described model; see `EncoderBackend` for the arguments."""
    return EncoderBackend(
        name=name,
        forward=forward,
        plan=plan,
        tokenizer=description.tokenizer,
        pad_id=description.pad_id,
        limit=description.limit,
        columns=description.columns,
        labels=description.labels,
        max_batch_tokens=max_batch_tokens,
        default_prompt=description.default_prompt,
    )
