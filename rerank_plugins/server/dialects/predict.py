"""text-embeddings-inference's `/predict`: pairs in `inputs`, labels and scores out.

Hugging Face's own servers answer the same route: an object in `inputs` is theirs.
"""

from typing import Any

from rerank_plugins.server.dialects import hugging_face, tei
from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect
from rerank_plugins.server.exchange import Answer, Ask
from rerank_plugins.server.fields import Fields

LABEL = "LABEL_0"
"""What a model with one output calls it, if it has no name for it."""


def read(fields: Fields) -> Ask:
    """A pair of strings, or a list of such pairs."""
    if not isinstance(fields.raw("inputs"), list):
        return hugging_face.read(fields)
    inputs = fields.items("inputs")
    single = hugging_face.is_pair(inputs)
    message = (
        "`inputs` must be a pair such as [query, text], or a list of pairs. A reranker scores no "
        "single texts."
    )
    return hugging_face.of_pairs(
        [inputs] if single else inputs, message, single=single, **tei.shared_keys(fields)
    )


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
