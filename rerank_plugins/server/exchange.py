"""What every dialect's request is read into, and what its answer is written from."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rerank_plugins.results import Span
from rerank_plugins.work import Work

if TYPE_CHECKING:
    from tokenizers import Encoding

Kind: TypeAlias = Literal[
    "malformed",
    "empty",
    "invalid",
    "too_many",
    "too_large",
    "too_long",
    "unauthorized",
    "unknown_model",
    "overloaded",
    "failed",
    "not_ready",
    "too_late",
]
"""Why a request gets no ranking; each dialect has a status code for each."""


class RefusedError(Exception):
    """A request that gets no ranking.

    Args:
        message: What is wrong, and what to send instead.
        kind: Why.
        retry_after: Seconds after which the same request may succeed.
    """

    def __init__(self, message: str, kind: Kind, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.retry_after = retry_after


@asynccontextmanager
async def refused_after(limit: asyncio.Timeout, message: str, kind: Kind) -> AsyncIterator[None]:
    """Refuses what is not done within a limit.

    Raises:
        RefusedError: With this message and kind.
    """
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise RefusedError(message, kind) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request of any dialect.

    Attributes:
        queries: The query, or one for each text.
        texts: The texts to score.
        documents: What is given back of each text, if documents are to come back; else empty.
        wants: A ranking of the texts; the scores of pairs, in the order of the texts; or the tokens
            of the texts.
        single: Whether the answer is that of the only pair, and no list of one.
        model: The name of the model; `None` means the only one.
        names_model: Whether the dialect has a key for it. A key that it does not have is ignored,
            unless there are several models to choose from.
        top_n: How many texts come back at most; `None` is all.
        may_cut: Whether the model may read a text in part.
        from_left: Whether a text that is too long loses its beginning, and not its end.
        document_tokens: How many tokens of each text count; `None` is all.
        options: Options of `Reranker.arank`.
        reading: Options of the scorer that say what it reads of a pair.
        least_span: The lowest score of a part that comes back; `None` if no parts are asked for.
        warnings: What the request asks for and does not get.
    """

    queries: Sequence[str]
    texts: Sequence[str]
    documents: Sequence[Any] = ()
    wants: Literal["ranking", "scores", "tokens"] = "ranking"
    single: bool = False
    model: str | None = None
    names_model: bool = True
    top_n: int | None = None
    may_cut: bool = True
    from_left: bool = False
    document_tokens: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    least_span: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def characters(self) -> int:
        """How long all its texts are together."""
        return sum(map(len, self.queries)) + sum(map(len, self.texts))

    @property
    def read_characters(self) -> int:
        """How long all its pairs are together: a query is read with each of its texts."""
        times = len(self.texts) // max(1, len(self.queries))
        return times * sum(map(len, self.queries)) + sum(map(len, self.texts))


@dataclass(frozen=True, slots=True)
class Hit:
    """A scored text: its place in the request, its score, and the parts that answer."""

    index: int
    score: float
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said.

    Attributes:
        id: The request's id.
        model: The name of the model that answered.
        ask: The request.
        hits: The scored texts, best first, or in the order of the request if it asks for that.
        scored: How many texts have a score; a time budget may leave some without.
        work: What it took; `None` if the model does not say.
        encoded: The tokens of each text, if they were wanted.
        unused: What the model could not do for the request.
    """

    id: str
    model: str
    ask: Ask
    hits: Sequence[Hit] = ()
    scored: int
    work: Work | None = None
    encoded: Sequence["Encoding"] = ()
    unused: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What the client should know beside the scores."""
        missing = len(self.ask.texts) - self.scored
        late = f"{missing} of {len(self.ask.texts)} documents were not scored within time_budget"
        return [*self.ask.warnings, *self.unused, *([late] if missing else [])]

    @property
    def tokens(self) -> int:
        """How many tokens were read; 0 if the model hides it, since clients require a number."""
        return (self.work and self.work.tokens) or 0
