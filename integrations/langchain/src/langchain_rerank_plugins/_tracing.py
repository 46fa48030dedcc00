"""Makes a compression visible to tracers: a chain run under the callbacks that were handed in."""

from collections.abc import Sequence

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForChainRun,
    CallbackManager,
    CallbackManagerForChainRun,
    Callbacks,
)
from langchain_core.documents import Document


def start(
    callbacks: Callbacks, name: str, query: str, documents: Sequence[Document]
) -> CallbackManagerForChainRun:
    """Opens a run named `name`, a child of the run that `callbacks` belong to."""
    manager = CallbackManager.configure(inheritable_callbacks=callbacks)
    inputs = {"query": query, "documents": list(documents)}
    return manager.on_chain_start(None, inputs, name=name)


async def astart(
    callbacks: Callbacks, name: str, query: str, documents: Sequence[Document]
) -> AsyncCallbackManagerForChainRun:
    """`start` for async callbacks."""
    manager = AsyncCallbackManager.configure(inheritable_callbacks=callbacks)
    inputs = {"query": query, "documents": list(documents)}
    return await manager.on_chain_start(None, inputs, name=name)
