"""Cohere's own client, of version 5 or 7."""

import asyncio

import cohere
from calls import Call, Row


def client_v2(call: Call) -> list[Row]:
    client = cohere.ClientV2(call.token, base_url=call.url)
    return _rows(client.rerank(**_arguments(call)))


def async_client_v2(call: Call) -> list[Row]:
    async def ask() -> list[Row]:
        client = cohere.AsyncClientV2(call.token, base_url=call.url)
        return _rows(await client.rerank(**_arguments(call)))

    return asyncio.run(ask())


def client_v1(call: Call) -> list[Row]:
    client = cohere.Client(call.token, base_url=call.url)
    asked = {**_arguments(call), "return_documents": call.return_documents}
    return [
        (one.index, one.relevance_score, one.document.text if one.document else None)
        for one in client.rerank(**asked).results
    ]


def relevant_spans(call: Call) -> list[Row]:
    """The text of a row is the parts that answer, which cohere 5 cannot ask for."""
    client = cohere.ClientV2(call.token, base_url=call.url)
    answer = client.rerank(
        **_arguments(call), relevant_spans=cohere.RerankRelevantSpans(mode="enabled")
    )
    return [
        (
            one.index,
            one.relevance_score,
            "|".join(call.documents[one.index][s.start : s.end] for s in one.relevant_spans),
        )
        for one in answer.results
    ]


def _arguments(call: Call) -> dict:
    given = {"model": call.model, "query": call.query, "documents": call.documents}
    return given if call.top_n is None else {**given, "top_n": call.top_n}


def _rows(answer: cohere.V2RerankResponse) -> list[Row]:
    return [(one.index, one.relevance_score, None) for one in answer.results]
