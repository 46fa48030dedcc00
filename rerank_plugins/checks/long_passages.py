"""The check of the options that say what becomes of long passages, as far as they go together."""

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option

WINDOW_OPTIONS = ("window_tokens", "window_overlap", "max_windows")
"""The options that only windows have a use for."""


def check_long_passages(
    long_passages: str | None,
    *,
    window_tokens: int | None,
    window_overlap: int | None,
    max_windows: int | None,
) -> None:
    """Refuses options of windows where there are none, and windows that do not move on.

    Args:
        long_passages: What becomes of long passages; `None` if that is not known yet.
        window_tokens: As the option.
        window_overlap: As the option.
        max_windows: As the option.

    Raises:
        InvalidInputError: Two of them exclude each other.
    """
    sizes = (window_tokens, window_overlap, max_windows)
    given = [name for name, size in zip(WINDOW_OPTIONS, sizes, strict=True) if size is not None]
    if long_passages == "truncate" and given:
        message = (
            f"{' and '.join(map(option, given))} would have no effect, because long passages are "
            f"truncated. Add {option('long_passages', 'windows')}, or leave "
            f"{'it' if len(given) == 1 else 'them'} out."
        )
        raise InvalidInputError(message)
    if window_tokens is not None and window_overlap is not None and window_overlap >= window_tokens:
        message = (
            f"{option('window_overlap', window_overlap)} must be less than "
            f"{option('window_tokens', window_tokens)}, because each window goes on where the one "
            f"before ends. Pass for example {option('window_overlap', window_tokens // 4)}."
        )
        raise InvalidInputError(message)
