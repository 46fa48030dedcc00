"""Scoring with an encoder that reads token ids: the part that its backends share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._batches import token_budget_batches
from rerank_plugins._labels import column_logits, column_of
from rerank_plugins._pairs import PairTokenizer, Tokens, was_cut
from rerank_plugins.backends import PairOptions
from rerank_plugins.backends._description import ModelDescription
from rerank_plugins.backends._progress import progress_bar
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.results import PairScores, Plan

_PAIRS_AT_ONCE = 4096
"""Pairs tokenized together: enough to sort by length, few enough to hold."""


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

    def score(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> PairScores:
        """One logit per pair, and whether it was cut."""
        column = column_of(options.label, self.columns, self.labels)
        tokenizer = self._pair_tokenizer(options.max_length)
        budget = options.max_batch_tokens or self.max_batch_tokens
        prompt = self.default_prompt if options.prompt is None else options.prompt
        logits = np.empty(len(pairs), dtype=np.float32)
        truncated = np.zeros(len(pairs), dtype=np.bool_)
        with progress_bar(len(pairs), options) as advance:
            for start in range(0, len(pairs), _PAIRS_AT_ONCE):
                part = pairs[start : start + _PAIRS_AT_ONCE]
                if prompt:
                    part = [(prompt + query, passage) for query, passage in part]
                encodings = tokenizer.encode(part)
                stop = start + len(part)
                truncated[start:stop] = [was_cut(encoding) for encoding in encodings]
                lengths = [len(encoding) for encoding in encodings]
                for batch in token_budget_batches(lengths, budget):
                    output = self.forward(tokenizer.pad([encodings[index] for index in batch]))
                    logits[start + np.array(batch)] = column_logits(output, column)
                    advance(len(batch))
        return PairScores(logits=logits, truncated=truncated)

    def _pair_tokenizer(self, max_length: int | None) -> PairTokenizer:
        length = self.limit if max_length is None else max_length
        if length > self.limit:
            message = (
                f"max_length={length}, but {self.name!r} reads at most {self.limit} tokens. "
                f"Pass at most {self.limit}, or None for all that it can read."
            )
            raise UnsupportedOptionError(message)
        if length not in self._tokenizers:
            self._tokenizers[length] = PairTokenizer(
                self.tokenizer, max_length=length, pad_id=self.pad_id
            )
        return self._tokenizers[length]


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
