"""Hugging Face's inference endpoints: `inputs`, a query with texts or a list of pairs."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect, places
from rerank_plugins.server.exchange import Answer, Ask, RefusedError
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys


def read(fields: Fields) -> Ask:
    """Options stand beside the query, or in `parameters`."""
    own = own_keys(fields.object("parameters")) | {"model": fields.name(), "names_model": False}
    if not isinstance(fields.raw("inputs"), list):
        given = fields.object("inputs")
        texts = given.texts("texts")
        return Ask(
            queries=[given.text("query")],
            texts=texts,
            documents=texts if given.flag("return_documents") else (),
            **own,
        )
    message = (
        "`inputs` must be a list of pairs such as [[query, text], [query, text]], or an object "
        "with `query` and `texts`."
    )
    return of_pairs(fields.items("inputs"), message, **own)


def of_pairs(pairs: list[Any], message: str, **others: Any) -> Ask:
    """The request for the scores of some pairs, in their order.

    Args:
        pairs: What the client sent as pairs.
        message: What it is told if they are none.
        **others: The other arguments of the `Ask`.

    Raises:
        RefusedError: They are no pairs.
    """
    if not all(map(is_pair, pairs)):
        raise RefusedError(message, "invalid")
    return Ask(
        queries=[query for query, _ in pairs],
        texts=[text for _, text in pairs],
        wants="scores",
        **others,
    )


def is_pair(value: Any) -> bool:
    """Whether a client means a query and a text by it."""
    return isinstance(value, list) and [type(one) for one in value] == [str, str]


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
