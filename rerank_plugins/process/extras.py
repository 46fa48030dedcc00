"""Optional dependencies: one uniform error with the command that installs them."""

from types import ModuleType

from rerank_plugins.errors import MissingExtraError
from rerank_plugins.messages.commands import install_command
from rerank_plugins.process.imports import imported

_broken: dict[str, Exception] = {}
"""Packages that failed to import. A second attempt is not made: after a failed import of torch it
crashes the process."""


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """The imported `module`.

    Args:
        module: Dotted name to import.
        extra: Extra of the `rerank-plugins` distribution that installs it.
        purpose: The task that needs it, as the start of a sentence.

    Raises:
        MissingExtraError: It is not installed, or cannot be imported here. The message names the
            extra that installs it.
    """
    top_level = module.partition(".")[0]
    try:
        if top_level in _broken:
            raise _broken[top_level]
        return imported(module)
    except Exception as error:  # a module may raise anything while it is imported
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and missing.partition(".")[0] == top_level:
            message = (
                f"{purpose} needs {top_level}, which is not installed. "
                f"Type: {install_command(extra)}"
            )
            raise MissingExtraError(message, name=top_level) from error
        _broken[top_level] = error.with_traceback(None)
        message = (
            f"{purpose} needs {top_level}, which is installed and cannot be imported: "
            f"{type(error).__name__}: {error}. Mend what this names, or type "
            f"{install_command(extra)}; then start the process again."
        )
        raise MissingExtraError(message, name=top_level) from error
