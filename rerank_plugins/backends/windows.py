"""What becomes of passages that a model cannot read whole, by the options and by its folder."""

from collections.abc import Sequence
from typing import Any

from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.checks.long_passages import check_long_passages
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.own_settings import OwnSettings
from rerank_plugins.tokens.windows import Windowed, WindowSettings

MAX_WINDOWS = 24
"""The most windows of a passage, if neither the options nor the model's folder say."""


def window_settings(options: PairOptions, own: OwnSettings) -> WindowSettings | None:
    """How long passages are cut into windows; `None` if they are truncated.

    An overlap that the folder names belongs to the length that it names.

    Raises:
        InvalidInputError: Options exclude each other.
    """
    mode = options.long_passages or own.long_passages or "truncate"
    check_long_passages(
        mode,
        window_tokens=options.window_tokens,
        window_overlap=options.window_overlap,
        max_windows=options.max_windows,
    )
    if mode == "truncate":
        return None
    tokens, overlap = options.window_tokens, options.window_overlap
    if tokens is None:
        tokens, overlap = own.window_tokens, own.window_overlap if overlap is None else overlap
    check_long_passages(mode, window_tokens=tokens, window_overlap=overlap, max_windows=None)
    return WindowSettings(tokens, overlap, options.max_windows or own.max_windows or MAX_WINDOWS)


def in_windows(cut: Sequence[Windowed[Any]]) -> Prepared:
    """Pairs with their windows as inputs of a backend, one after the other."""
    inputs = [window for one in cut for window in one.tokens]
    return Prepared(
        inputs=inputs,
        tokens=list(map(len, inputs)),
        truncated=[one.truncated for one in cut],
        windows=[one.spans for one in cut],
        more=[one.more for one in cut],
    )


def check_window(options: PairOptions, room: int, name: str) -> None:
    """Refuses windows that leave no room for a query; those of a model's folder are cut shorter.

    Args:
        options: The options.
        room: How many tokens the texts of a pair may have together.
        name: The model reference.

    Raises:
        UnsupportedOptionError: A window is as long as the room, or longer.
    """
    if options.window_tokens is not None and options.window_tokens >= room:
        message = (
            f"{option('window_tokens', options.window_tokens)} leaves no room for a query: query "
            f"and window of {name!r} have at most {room} tokens together. Pass fewer, or leave it "
            "out for windows that fill what the query leaves."
        )
        raise UnsupportedOptionError(message)
