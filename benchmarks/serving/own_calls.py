"""The same requests without HTTP: the library, or `CrossEncoder.predict`, in the callers' process.

The only argument is a JSON object, {"way"}: "library" or "predict".
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.serving.calls import Call, Callers, Request, serve


def library() -> Callers:
    """All callers share a reranker."""
    from rerank_plugins import CrossEncoderScorer, Reranker

    reranker = Reranker(CrossEncoderScorer("embedded"))
    reranker.warm_up()

    async def call(request: Request) -> int:
        return (await reranker.arank(request["query"], request["documents"]))[0].index

    return _always(call)


def predict() -> Callers:
    """A model that answers one call after the other."""
    from sentence_transformers import CrossEncoder

    from rerank_plugins.models.references import EMBEDDED_FOLDER

    model = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", model_kwargs={"dtype": "float32"})

    async def call(request: Request) -> int:
        scores = model.predict([(request["query"], text) for text in request["documents"]])
        return int(scores.argmax())

    return _always(call)


def _always(call: Call) -> Callers:
    @asynccontextmanager
    async def callers(number: int, asked: Request) -> AsyncIterator[Call]:
        yield call

    return callers


if __name__ == "__main__":
    ways = {"library": library, "predict": predict}
    serve(ways[json.loads(sys.argv[1])["way"]]())
