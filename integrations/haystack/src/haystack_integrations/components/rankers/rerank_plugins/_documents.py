"""Haystack's documents as the core reads them, and what it says of them as documents again."""

from dataclasses import replace

from haystack import Document
from haystack.utils.misc import _deduplicate_documents

from rerank_plugins import InvalidInputError, Ranked
from rerank_plugins.wrapper import check_items, result_metadata


def unique(documents: list[Document]) -> list[Document]:
    """
    The documents, each id once.
    """
    return _deduplicate_documents(check_items(documents, Document, "documents"))


def texts(documents: list[Document], meta_fields: list[str], separator: str) -> list[str]:
    """
    What the model reads of each document.
    """
    found = []
    for document in documents:
        values = [document.meta.get(name) for name in meta_fields]
        parts = [str(value) for value in values if value is not None]
        if document.content is not None:
            parts.append(document.content)
        if not parts:
            message = (
                f"Document {document.id!r} has no text: its content is None and meta_fields_to_embed adds "
                "nothing. Filter such documents out before the ranker, or name meta fields to read."
            )
            raise InvalidInputError(message)
        found.append(separator.join(parts))
    return found


def ranked_copies(documents: list[Document], ranking: list[Ranked]) -> list[Document]:
    """
    Copies of the ranked documents, best first.
    """
    return [_copy(documents[ranked.index], ranked) for ranked in ranking]


def _copy(document: Document, ranked: Ranked) -> Document:
    """
    A copy of the document with the new score, and the old one in its meta.
    """
    added = result_metadata(ranked, document.meta, retrieval_score=document.score)
    return replace(document, score=ranked.score, meta={**document.meta, **added})
