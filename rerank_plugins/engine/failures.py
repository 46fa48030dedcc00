"""The errors that callers get from an engine, and their messages."""

from rerank_plugins.engine.out_of_memory import is_out_of_memory
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.errors import (
    QueueFullError,
    RerankError,
    ScorerClosedError,
    ScoringError,
    ScoringTimeoutError,
)
from rerank_plugins.messages.spelling import option


def queue_full(name: str, request: Request, waiting: int) -> QueueFullError:
    """The error of a request that finds no room beside the pairs that wait already."""
    return QueueFullError(
        f"The queue of {name!r} is full: {waiting} pairs wait, and {request.asked} more exceed "
        f"max_queue_pairs={request.max_queue_pairs}. Try again later, send fewer pairs, or raise "
        "max_queue_pairs."
    )


def closed(name: str) -> ScorerClosedError:
    """The error of a request that comes after `close()`."""
    return ScorerClosedError(f"{name!r} is closed. Create a new CrossEncoderScorer.")


def timed_out(name: str, request: Request) -> ScoringTimeoutError:
    """The error of a request that passed its deadline."""
    return ScoringTimeoutError(
        f"{request.asked} pairs were not scored by {name!r} within "
        f"timeout={request.timeout:g} seconds; {request.left} of them still waited. Send fewer "
        "pairs, raise timeout, or call warm_up() before if the time went into loading."
    )


def explained(error: BaseException, item: Item | None = None) -> BaseException:
    """A model's or a tokenizer's failure as an error of this suite.

    Errors of this suite stay as they are, and so do exceptions that ask a thread to end.

    Args:
        error: What a model or a tokenizer raised.
        item: The pair, if it was alone in its batch.
    """
    if isinstance(error, RerankError) or not _is_failure(error):
        return error
    if item is not None and is_out_of_memory(error):
        message = (
            f"A single pair of {item.tokens} tokens does not fit into the memory that is free "
            f"({error}). Free some, pass a lower {option('max_length')}, or choose a smaller model."
        )
    else:
        message = f"The model failed to score {_named(item)} ({type(error).__name__}: {error})."
    scoring_error = ScoringError(message)
    scoring_error.__cause__ = error
    return scoring_error


def _named(item: Item | None) -> str:
    """The pair's texts, if the pair is known and its caller still waits."""
    pairs = () if item is None else item.request.pairs
    if item is None or not pairs:
        return "pairs of the call"
    query, passage = pairs[item.position]
    return f"query {query[:60]!r} and passage {passage[:60]!r}"


def _is_failure(error: BaseException) -> bool:
    """Whether a model or tokenizer failed; a tokenizer's panic is no `Exception`."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
