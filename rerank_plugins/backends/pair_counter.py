"""Counts the tokens of pairs whose input the model makes itself, so that they can be cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.messages.spelling import option
from rerank_plugins.texts.windows import Ends
from rerank_plugins.tokens.pairs import PairTokenizer

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_SEAMS = 8
"""Tokens left free, because texts may have others beside the words of a template than alone."""


@dataclass(frozen=True, slots=True)
class CountedPair:
    """A pair of texts, how many tokens its input has, and whether they are too many."""

    texts: tuple[str, str]
    tokens: int
    truncated: bool

    def __len__(self) -> int:
        return self.tokens


class PairCounter:
    """Says of pairs of texts what `encode_windows` needs to know.

    Args:
        model: The model.
        name: The model reference, for messages.
        length: The most tokens of its input.
        prompt: What `predict` is given as its prompt.

    Raises:
        UnsupportedOptionError: The tokenizer does not say where in a text its tokens are.
    """

    def __init__(self, model: "CrossEncoder", name: str, length: int, prompt: str | None) -> None:
        if not getattr(model.tokenizer, "is_fast", False):
            message = (
                f"{option('long_passages', 'windows')} needs a fast tokenizer, which says where in "
                f"a text its tokens are, and {name!r} has none. Pass "
                f"{option('long_passages', 'truncate')}, and split long passages before."
            )
            raise UnsupportedOptionError(message)
        self._texts = PairTokenizer(model.tokenizer.backend_tokenizer.to_str(), max_length=length)
        probe = model.preprocess([("a", "b")], prompt=prompt)["input_ids"].shape[-1]
        self._added = probe - self.length("a") - self.length("b") + _SEAMS
        self.room = length - self._added

    def length(self, text: str) -> int:
        """As `PairTokenizer.length`."""
        return self._texts.length(text)

    def head(self, text: str, characters: int) -> str:
        """As `PairTokenizer.head`."""
        return self._texts.head(text, characters)

    def ends(self, text: str) -> Ends:
        """As `PairTokenizer.ends`."""
        return self._texts.ends(text)

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[CountedPair]:
        """The pairs themselves, counted."""
        counts = [self.length(query) + self.length(passage) for query, passage in pairs]
        return [
            CountedPair(pair, min(count, self.room) + self._added, count > self.room)
            for pair, count in zip(pairs, counts, strict=True)
        ]
