"""text-embeddings-inference's `/tokenize`: texts in `inputs`, their tokens out."""

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from rerank_plugins.server.dialects import tei
from rerank_plugins.server.dialects.contract import DOCUMENTS, Dialect
from rerank_plugins.server.exchange import Answer, Ask
from rerank_plugins.server.fields import Fields

if TYPE_CHECKING:
    from tokenizers import Encoding


def read(fields: Fields) -> Ask:
    """A text, or a list of texts."""
    single = isinstance(fields.raw("inputs"), str)
    return Ask(
        model=fields.name(),
        queries=(),
        texts=[fields.text("inputs")] if single else fields.texts("inputs"),
        wants="tokens",
        options={"special": fields.flag("add_special_tokens", default=True)},
    )


def write(answer: Answer) -> list[list[dict[str, Any]]]:
    """The tokens of each text; places are in bytes of UTF-8, as there."""
    texts = zip(answer.encoded, answer.ask.texts, strict=True)
    return [_tokens(encoding, text) for encoding, text in texts]


def _tokens(encoding: "Encoding", text: str) -> list[dict[str, Any]]:
    found = []
    before = list(accumulate((len(one.encode("utf-8", "replace")) for one in text), initial=0))
    columns = encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets
    for number, token, special, (start, stop) in zip(*columns, strict=True):
        found.append(
            {
                "id": number,
                "text": token if special else text[start:stop],
                "special": bool(special),
                "start": None if special else before[start],
                "stop": None if special else before[stop],
            }
        )
    return found


TOKENIZE = Dialect(
    name="tei-tokenize",
    read=read,
    write=write,
    example={"inputs": DOCUMENTS},
    statuses=tei.STATUSES,
)
