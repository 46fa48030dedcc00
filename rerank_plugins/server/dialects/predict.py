"""text-embeddings-inference's `/predict`: pairs in `inputs`, labels and scores out.

Hugging Face's own servers answer the same route: an object in `inputs` is theirs.
"""

from typing import Any

from rerank_plugins.server.dialects import hugging_face, tei
from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect
from rerank_plugins.server.exchange import Answer, Ask, RefusedError
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys

LABEL = "LABEL_0"
"""What a model with one output calls it, if it has no name for it."""


def read(fields: Fields) -> Ask:
    """A pair of strings, or a list of such pairs."""
    if not isinstance(fields.raw("inputs"), list):
        return hugging_face.read(fields)
    inputs = fields.items("inputs")
    single = _is_pair(inputs)
    pairs = [inputs] if single else inputs
    if not all(map(_is_pair, pairs)):
        message = (
            "`inputs` must be a pair such as [query, text], or a list of pairs. A reranker scores "
            "no single texts."
        )
        raise RefusedError(message, "invalid")
    return Ask(
        queries=[query for query, _ in pairs],
        texts=[text for _, text in pairs],
        wants="scores",
        single=single,
        may_cut=tei.may_cut(fields),
        **own_keys(fields, raw_scores=fields.flag("raw_scores")),
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and [type(one) for one in value] == [str, str]


def write(answer: Answer) -> Any:
    """For each pair a list of its only label."""
    if answer.ask.wants == "ranking":
        return hugging_face.write(answer)
    found = [[{"score": hit.score, "label": LABEL}] for hit in answer.hits]
    return found[0] if answer.ask.single else found


PREDICT = Dialect(
    name="tei-predict",
    read=read,
    write=write,
    example={"inputs": [[QUERY, document] for document in DOCUMENTS]},
    statuses=tei.STATUSES,
)
