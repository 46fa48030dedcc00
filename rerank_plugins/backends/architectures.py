"""What is said of a model that does not become a graph."""

from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.messages.spelling import option


class NoGraphError(UnsupportedOptionError):
    """A model has something that graphs do not know; torch may run it.

    The message is a clause about the model, such as `its architecture is ...`. Users read it in the
    reason of a plan, or in the error that `refused` makes of it.
    """


def refused(model: str, error: NoGraphError) -> UnsupportedOptionError:
    """The error for users who have ruled torch out."""
    message = f"{model!r} does not become a graph: {error}. Use {option('backend', 'torch')}."
    return UnsupportedOptionError(message)
