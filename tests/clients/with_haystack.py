"""Haystack's ranker for text-embeddings-inference."""

from calls import Call, Row
from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker


def tei_ranker(call: Call) -> list[Row]:
    ranker = HuggingFaceTEIRanker(url=call.url, token=Secret.from_token(call.token))
    documents = [Document(id=str(place), content=text) for place, text in enumerate(call.documents)]
    top_k = call.top_n or len(documents)
    ranked = ranker.run(query=call.query, documents=documents, top_k=top_k)["documents"]
    return [(int(one.id), one.score, None) for one in ranked]
