"""The `rerankers` library, which speaks several dialects and asks for all documents in each."""

from functools import partial

from calls import Call, Row
from rerankers.models.api_rankers import APIRanker


def _rank(call: Call, provider: str) -> list[Row]:
    ranker = APIRanker(call.model, call.token, provider, url=call.url)
    ranked = ranker.rank(call.query, call.documents)
    return [(one.document.doc_id, one.score, None) for one in ranked.results]


tei = partial(_rank, provider="text-embeddings-inference")
cohere = partial(_rank, provider="cohere")
jina = partial(_rank, provider="jina")
voyage = partial(_rank, provider="voyage")
mixedbread = partial(_rank, provider="mixedbread.ai")
