"""Optional dependencies: one uniform error with the command that installs them."""

from types import ModuleType

from rerank_plugins._commands import install_command
from rerank_plugins._imports import imported
from rerank_plugins.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """The imported `module`, or `MissingExtraError` naming the extra that brings it.

    Args:
        module: Dotted name to import.
        extra: Extra of the `rerank-plugins` distribution that installs it.
        purpose: What needs it, as the start of a sentence.
    """
    top_level = module.partition(".")[0]
    try:
        return imported(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != top_level:
            raise  # it is installed, and what it imports is broken: that error says more
        message = (
            f"{purpose} needs {top_level}, which is not installed. Type: {install_command(extra)}"
        )
        raise MissingExtraError(message, name=top_level) from error
