"""Scoring with an encoder that reads token ids: the part that its backends share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.columns import column_logits, column_of
from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.backends.graphs.description import ModelDescription
from rerank_plugins.errors import ScoringError, UnsupportedOptionError
from rerank_plugins.messages.spelling import option
from rerank_plugins.results import Plan
from rerank_plugins.tokens.pairs import PairTokenizer, PairTokens, Tokens, pad

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
        limit: Most tokens of a pair that the model can read; `None`: it has no bound.
        default_length: At how many tokens pairs are cut unless the options say otherwise.
        vocabulary: For how many token ids it has embeddings; `None` if that is not known.
        columns: Columns of the head.
        labels: Names of the columns by index.
        max_batch_tokens: Tokens of a batch unless the options say otherwise.
        default_prompt: Put before the query unless the options say otherwise.
        batches: Whether `forward` may be given several pairs at once.
    """

    name: str
    forward: Callable[[Tokens], NDArray[np.float32]]
    plan: Plan
    tokenizer: str
    pad_id: int
    limit: int | None
    default_length: int
    vocabulary: int | None
    columns: int
    labels: Mapping[int, str]
    max_batch_tokens: int
    default_prompt: str = ""
    batches: bool = True
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
        for (query, passage), pair in zip(pairs, tokens, strict=True):
            if not len(pair):
                message = (
                    f"The tokenizer of {self.name!r} makes no token of query {query[:60]!r} and "
                    f"passage {passage[:60]!r}, and a model reads one at least. Leave the pair out."
                )
                raise ScoringError(message)
        return Prepared(
            inputs=tokens,
            tokens=[len(pair) for pair in tokens],
            truncated=[pair.truncated for pair in tokens],
        )

    def logits(self, inputs: Sequence[PairTokens], options: PairOptions) -> NDArray[np.float32]:
        """One logit per pair, in one batch."""
        column = column_of(options.label, self.columns, self.labels)
        return column_logits(self.columns_of(inputs), column)

    def columns_of(self, inputs: Sequence[PairTokens]) -> NDArray[np.float32]:
        """What the head gives for each pair, float32 `(b, columns)`."""
        highest = max(int(pair.input_ids.max()) for pair in inputs)
        if self.vocabulary is not None and highest >= self.vocabulary:
            message = (
                f"The tokenizer of {self.name!r} makes the token id {highest} of a text, and the "
                f"model has embeddings for {self.vocabulary} tokens. Leave the text out that has "
                "such a token, or save the model after resize_token_embeddings and training."
            )
            raise ScoringError(message)
        groups = [inputs] if self.batches else [[pair] for pair in inputs]
        return np.concatenate([self.forward(pad(group, self.pad_id)) for group in groups])

    def run_one_by_one(self, reason: str) -> None:
        """Gives `forward` one pair at a time from now on, and the plan says why."""
        self.batches = False
        self.plan = one_by_one(self.plan, reason)

    def _pair_tokenizer(self, max_length: int | None) -> PairTokenizer:
        check_length(max_length, self.limit, self.name)
        length = max_length or self.default_length
        known = self._tokenizers
        tokenizer = known.pop(length, None) or PairTokenizer(self.tokenizer, max_length=length)
        known[length] = tokenizer  # the last place: those used longest ago go first
        while len(known) > _MOST_TOKENIZERS:
            known.pop(next(iter(known)))
        return tokenizer


def one_by_one(plan: Plan, reason: str) -> Plan:
    """The plan of a model that is given one pair at a time, for a reason that users are told."""
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
        default_length=description.default_length,
        vocabulary=description.vocabulary,
        columns=description.columns,
        labels=description.labels,
        max_batch_tokens=max_batch_tokens,
        default_prompt=description.default_prompt,
    )
