"""Makes a compression visible to tracers: a chain run under the run that asked for it."""

from collections.abc import Sequence

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForChainRun,
    CallbackManager,
    CallbackManagerForChainRun,
    Callbacks,
)
from langchain_core.documents import Document
from langchain_core.runnables.config import ensure_config


def start(
    callbacks: Callbacks, name: str, query: str, documents: Sequence[Document]
) -> CallbackManagerForChainRun:
    """Opens a run named `name`, a child of the run that `callbacks` belong to.

    Without callbacks it is a child of the chain whose step asks, as any runnable's run is.
    """
    manager = CallbackManager.configure(inheritable_callbacks=_of_here(callbacks))
    inputs = {"query": query, "documents": list(documents)}
    return manager.on_chain_start(None, inputs, name=name)


async def astart(
    callbacks: Callbacks, name: str, query: str, documents: Sequence[Document]
) -> AsyncCallbackManagerForChainRun:
    """`start` for async callbacks."""
    manager = AsyncCallbackManager.configure(inheritable_callbacks=_of_here(callbacks))
    inputs = {"query": query, "documents": list(documents)}
    return await manager.on_chain_start(None, inputs, name=name)


def _of_here(callbacks: Callbacks) -> Callbacks:
    """The callbacks, or those of the chain that runs here."""
    return ensure_config().get("callbacks") if callbacks is None else callbacks
