"""Voyage's own client."""

import asyncio

import voyageai
from calls import Call, Row
from voyageai.object import RerankingObject


def client(call: Call) -> list[Row]:
    asking = voyageai.Client(call.token, base_url=call.url)
    return _rows(asking.rerank(call.query, call.documents, call.model, top_k=call.top_n))


def async_client(call: Call) -> list[Row]:
    async def ask() -> list[Row]:
        asking = voyageai.AsyncClient(call.token, base_url=call.url)
        return _rows(await asking.rerank(call.query, call.documents, call.model, call.top_n))

    return asyncio.run(ask())


def _rows(answer: RerankingObject) -> list[Row]:
    return [(one.index, one.relevance_score, None) for one in answer.results]
