"""Haystack's documents as the core reads them, and what it says of them as documents again."""

from dataclasses import replace
from math import inf
from typing import Any

from haystack import Document

from rerank_plugins import Passage, RankedList
from rerank_plugins.wrappers import (
    as_number,
    check_items,
    in_order,
    kept_text,
    named_scores,
    readable_texts,
    result_metadata,
    with_moved_start,
    without_places,
)

_START = "split_idx_start"
"""Where Haystack's splitters write the start of a document in what it was cut from."""


def unique(documents: list[Document], field: str | None, *, higher_is_better: bool) -> list[Document]:
    """
    The documents, each id once: the copy that the first stage found best, at the place of the first.

    :param documents: The documents.
    :param field: Where the first stage's scores are, if that is named; else in `score`.
    :param higher_is_better: Whether a higher score is a better one.
    """
    kept: dict[str, Document] = {}
    for document in check_items(documents, Document, "documents"):
        other = kept.setdefault(document.id, document)
        if _opinion(document, field, higher_is_better) > _opinion(other, field, higher_is_better):
            kept[document.id] = document
    return list(kept.values())


def _opinion(document: Document, field: str | None, higher_is_better: bool) -> float:
    score = document.score if field in {None, "score"} else document.meta.get(field)
    if score is None:
        return -inf
    return as_number(score) if higher_is_better else -as_number(score)


def texts(documents: list[Document], meta_fields: list[str], separator: str) -> list[str]:
    """
    What the model reads of each document.
    """
    return readable_texts((_text(document, meta_fields, separator) for document in documents), "documents")


def first_stage_scores(documents: list[Document], field: str | None) -> list[Any] | None:
    """
    The first stage's scores, if a field is named: `score`, or a key of the meta.
    """
    metas = [document.meta for document in documents]
    return named_scores(field, metas, "documents", own=[document.score for document in documents])


def _text(document: Document, meta_fields: list[str], separator: str) -> str:
    """
    The meta fields and the content, without those that are missing. Beside a content, the fields are its header.
    """
    fields = [str(value) for name in meta_fields if (value := document.meta.get(name)) is not None]
    if document.content is None or not _has_text(document):
        return separator.join(fields)
    return Passage(document.content, header="".join(f"{field}{separator}" for field in fields))


def _has_text(document: Document) -> bool:
    return bool((document.content or "").strip())


def ranked_copies(
    documents: list[Document], ranking: RankedList, *, annotate: bool, keep_retrieval_score: bool, spans: bool
) -> list[Document]:
    """
    Copies of the ranked documents with the new score, best first; what has none comes last.
    """
    copies = []
    for index, ranked in in_order(ranking):
        document = documents[index]
        placed = ranked if _has_text(document) else without_places(ranked)
        meta = result_metadata(
            placed,
            document.meta,
            annotate=annotate,
            keep_retrieval_score=keep_retrieval_score,
            spans=spans,
            retrieval_score=document.score,
            start=document.meta.get(_START),
        )
        copies.append(
            replace(
                document,
                content=None if document.content is None else kept_text(document.content, placed),
                score=None if ranked is None else ranked.score,
                meta=with_moved_start(meta, placed, _START),
            )
        )
    return copies
