"""Hugging Face's inference endpoints: `inputs`, a query with texts or a list of pairs."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect
from rerank_plugins.server.exchange import Answer, Ask, RefusedError
from rerank_plugins.server.fields import Fields


def read(fields: Fields) -> Ask:
    """Options stand beside the query, or in `parameters`."""
    options = fields.object("parameters").options()
    if not isinstance(fields.raw("inputs"), list):
        given = fields.object("inputs")
        texts = given.texts("texts")
        return Ask(
            queries=[given.text("query")],
            texts=texts,
            documents=texts if given.flag("return_documents") else (),
            options=options,
        )
    pairs = fields.items("inputs")
    if not all(
        isinstance(pair, list) and [type(one) for one in pair] == [str, str] for pair in pairs
    ):
        message = (
            "`inputs` must be a list of pairs such as [[query, text], [query, text]], or an object "
            "with `query` and `texts`."
        )
        raise RefusedError(message, "invalid")
    return Ask(
        queries=[query for query, _ in pairs],
        texts=[text for _, text in pairs],
        in_order=True,
        options=options,
    )


def write(answer: Answer) -> dict[str, Any]:
    """Numbers for pairs; places and numbers for texts."""
    if answer.ask.in_order:
        return {"scores": [hit.score for hit in answer.hits]}
    documents = answer.ask.documents
    return {
        "scores": [
            {"index": hit.index, "score": hit.score}
            | ({"text": documents[hit.index]} if documents else {})
            for hit in answer.hits
        ]
    }


HUGGING_FACE = Dialect(
    name="hugging-face",
    read=read,
    write=write,
    example={"inputs": {"query": QUERY, "texts": DOCUMENTS}},
)
