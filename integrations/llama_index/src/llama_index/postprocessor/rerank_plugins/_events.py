"""The events of a reranking, for the instrumentation and for the callbacks of older tracers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher

dispatcher = get_dispatcher(__name__)

Report: TypeAlias = Callable[[list[NodeWithScore]], list[NodeWithScore]]
"""Reports the ranked nodes and returns them."""


@contextmanager
def reported(
    callbacks: CallbackManager,
    nodes: list[NodeWithScore],
    query: QueryBundle,
    *,
    top_n: int | None,
    model_name: str,
) -> Iterator[Report]:
    """Reports the start of a reranking, and its end or its error.

    Args:
        callbacks: The postprocessor's callback manager.
        nodes: The nodes that it was given.
        query: The query.
        top_n: How many it keeps at most; `None` keeps all.
        model_name: The name of its scorer.

    Yields:
        The function that reports the end.
    """
    top_n = len(nodes) if top_n is None else top_n
    start = ReRankStartEvent(query=query, nodes=nodes, top_n=top_n, model_name=model_name)
    payload: dict[Any, Any] = {
        EventPayload.NODES: nodes,
        EventPayload.MODEL_NAME: model_name,
        EventPayload.QUERY_STR: query.query_str,
        EventPayload.TOP_K: top_n,
    }
    dispatcher.event(start)
    with callbacks.event(CBEventType.RERANKING, payload=payload) as event:

        def report(ranked: list[NodeWithScore]) -> list[NodeWithScore]:
            event.on_end(payload={EventPayload.NODES: ranked})
            dispatcher.event(ReRankEndEvent(nodes=ranked))
            return ranked

        try:
            yield report
        except BaseException as error:
            dispatcher.event(ExceptionEvent(exception=error))
            raise
