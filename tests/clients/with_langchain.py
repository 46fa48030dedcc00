"""Rerankers of LangChain: its document compressors for Cohere and for plain HTTP."""

from calls import Call, Row
from langchain_cohere import CohereRerank
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_reranker.rerankers import init_reranker


def cohere_rerank(call: Call) -> list[Row]:
    compressor = CohereRerank(
        model=call.model, top_n=call.top_n, cohere_api_key=call.token, base_url=call.url
    )
    return _rows(compressor, call)


def http_reranker(call: Call) -> list[Row]:
    compressor = init_reranker(
        f"custom:{call.model}", base_url=call.url, api_key=call.token, top_n=call.top_n
    )
    return _rows(compressor, call)


def _rows(compressor: BaseDocumentCompressor, call: Call) -> list[Row]:
    documents = [
        Document(text, metadata={"place": place}) for place, text in enumerate(call.documents)
    ]
    return [
        (one.metadata["place"], one.metadata["relevance_score"], None)
        for one in compressor.compress_documents(documents, call.query)
    ]
