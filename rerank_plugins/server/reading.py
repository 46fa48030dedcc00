"""How the models of a server read texts, and how they do it for a request of its own mind."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rerank_plugins.backends.contract import Backend
from rerank_plugins.checks.long_passages import WINDOW_OPTIONS
from rerank_plugins.engine.engine import Engine
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.scorer import CrossEncoderScorer, engine_of, read_otherwise, reading_of
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.tokens.beginnings import head, where_to_cut
from rerank_plugins.tokens.pairs import CHARACTERS, valid_text

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

READING = ("max_length", "long_passages", *WINDOW_OPTIONS)
"""Options of a scorer that a request may set for itself."""


def reading_so(scorer: Scorer, options: Mapping[str, Any], *, from_left: bool) -> Scorer:
    """A scorer that reads pairs by other options, and shares all else: model, queue, cache, counts.

    Args:
        scorer: The scorer, which must live as long.
        options: Values of `READING`.
        from_left: Whether a text that is too long loses its beginning, and not its end. It is then
            not read in windows, unless the options say so.

    Raises:
        InvalidInputError: They are not allowed, or exclude each other.
        UnsupportedOptionError: It is no scorer of this suite.
    """
    if not isinstance(scorer, CrossEncoderScorer):
        names = [*options, *(["truncation_direction"] if from_left else [])]
        message = f"{scorer.name!r} cannot be told how to read: leave {', '.join(names)} out."
        raise UnsupportedOptionError(message)
    if from_left:
        options = {"long_passages": "truncate", **options}
    if options.get("long_passages") == "truncate":
        options = {**dict.fromkeys(WINDOW_OPTIONS), **options}  # those of the scorer do not count
    return read_otherwise(scorer, options, from_left=from_left)


def engines_of(scorers: Iterable[Scorer]) -> set[Engine]:
    """The engines of some scorers, each once, as several may share one."""
    own = (scorer for scorer in scorers if isinstance(scorer, CrossEncoderScorer))
    return set(map(engine_of, own))


class Reader:
    """What is to be known of a loaded model beside its scores.

    Args:
        scorer: Its scorer; one that is not of this suite has no tokenizer and no known length.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._tokenizer: Tokenizer | None = None

    async def plan(self) -> dict[str, Any]:
        """How the model runs, as text-embeddings-inference says it."""
        backend = await self._backend()
        if backend is None or not isinstance(self._scorer, CrossEncoderScorer):
            return dict.fromkeys(("model_dtype", "max_input_length", "max_batch_tokens"))
        options = reading_of(self._scorer)
        return {
            "model_dtype": backend.plan.precision,
            "max_input_length": backend.length(options),
            "max_batch_tokens": backend.batch_tokens(options),
        }

    async def tokens(self, texts: Sequence[str], *, special: bool) -> "list[Encoding] | None":
        """The tokens of each text, whole; `None` if the model has no fast tokenizer."""
        tokenizer = await self._loaded()
        if tokenizer is None:
            return None
        valid = list(map(valid_text, texts))
        return await asyncio.to_thread(tokenizer.encode_batch, valid, add_special_tokens=special)

    async def beginnings(self, texts: Sequence[str], most: int) -> Sequence[str] | None:
        """The first tokens of each text, at most so many; `None` as in `tokens`."""
        tokenizer = await self._loaded()
        if tokenizer is None:
            return None
        return await asyncio.to_thread(_beginnings, tokenizer, texts, most)

    async def _backend(self) -> Backend | None:
        if not isinstance(self._scorer, CrossEncoderScorer):
            return None
        await self._scorer.awarm_up()
        return next(iter(engine_of(self._scorer).backends), None)

    async def _loaded(self) -> "Tokenizer | None":
        if self._tokenizer is None:
            backend = await self._backend()
            source = None if backend is None else await asyncio.to_thread(lambda: backend.tokenizer)
            if source is not None:
                self._tokenizer = await asyncio.to_thread(_whole_texts, source)
        return self._tokenizer


def _beginnings(tokenizer: "Tokenizer", texts: Sequence[str], most: int) -> list[str]:
    """The first tokens of each text; of a long text no more is tokenized than they need."""
    where = where_to_cut(tokenizer)
    found: dict[str, str] = {}
    left = {text for text in texts if len(text.encode("utf-8", "replace")) > most}
    characters = CHARACTERS * most
    while left:
        parts = {text: head(text, characters, where) for text in left}
        valid = list(map(valid_text, parts.values()))
        encodings = tokenizer.encode_batch(valid, add_special_tokens=False)
        for (text, part), one in zip(parts.items(), encodings, strict=True):
            if len(one) > most:
                found[text] = text[: one.offsets[most - 1][1]]
            elif len(part) == len(text):
                found[text] = text
        left -= found.keys()
        characters *= 2
    return [found.get(text, text) for text in texts]


def _whole_texts(source: str) -> "Tokenizer":
    """A tokenizer that neither cuts nor pads."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(source)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
