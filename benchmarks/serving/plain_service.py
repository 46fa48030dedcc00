"""A service as many people write it: FastAPI, whose threads call `CrossEncoder.predict`."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import CrossEncoder

from rerank_plugins.models.references import EMBEDDED_FOLDER

app = FastAPI()
model = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", model_kwargs={"dtype": "float32"})


class Ask(BaseModel):
    """A request."""

    query: str
    documents: list[str]


@app.post("/rerank")
def rerank(ask: Ask) -> dict[str, Any]:
    """Scores the documents of a request."""
    scores = model.predict([(ask.query, text) for text in ask.documents])
    return {
        "results": [
            {"index": int(place), "relevance_score": float(scores[place])}
            for place in (-scores).argsort()
        ]
    }
