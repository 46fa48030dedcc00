"""Hugging Face's inference endpoints: `inputs`, a query with texts or a list of pairs."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect, places
from rerank_plugins.server.exchange import Answer, Ask, RefusedError
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys


def read(fields: Fields) -> Ask:
    """Options stand beside the query, or in `parameters`."""
    own = own_keys(fields.object("parameters"))
    if not isinstance(fields.raw("inputs"), list):
        given = fields.object("inputs")
        texts = given.texts("texts")
        return Ask(
            queries=[given.text("query")],
            texts=texts,
            documents=texts if given.flag("return_documents") else (),
            **own,
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
        wants="scores",
        **own,
    )


def write(answer: Answer) -> dict[str, Any]:
    """Numbers for pairs; places and numbers for texts."""
    if answer.ask.wants == "scores":
        return {"scores": [hit.score for hit in answer.hits]}
    return {"scores": places(answer)}


HUGGING_FACE = Dialect(
    name="hugging-face",
    read=read,
    write=write,
    example={"inputs": {"query": QUERY, "texts": DOCUMENTS}},
)
