"""Postprocessors of LlamaIndex for Cohere, Jina and text-embeddings-inference."""

from calls import Call, Row
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.cohere_rerank import CohereRerank
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference


def cohere_rerank(call: Call) -> list[Row]:
    return _rows(
        CohereRerank(model=call.model, top_n=_top_n(call), api_key=call.token, base_url=call.url),
        call,
    )


def jina_rerank(call: Call) -> list[Row]:
    return _rows(
        JinaRerank(model=call.model, top_n=_top_n(call), api_key=call.token, base_url=call.url),
        call,
    )


def tei_rerank(call: Call) -> list[Row]:
    """It sends the token as it is, without the word Bearer."""
    return _rows(
        TextEmbeddingInference(top_n=_top_n(call), base_url=call.url, auth_token=call.token), call
    )


def _top_n(call: Call) -> int:
    return call.top_n or len(call.documents)


def _rows(postprocessor: BaseNodePostprocessor, call: Call) -> list[Row]:
    nodes = [
        NodeWithScore(node=TextNode(id_=str(place), text=text))
        for place, text in enumerate(call.documents)
    ]
    ranked = postprocessor.postprocess_nodes(nodes, query_str=call.query)
    return [(int(one.node.node_id), one.score, None) for one in ranked]
