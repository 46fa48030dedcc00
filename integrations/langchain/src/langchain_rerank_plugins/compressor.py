"""The document compressor: documents in, the most relevant ones out, best first."""

from collections.abc import Sequence
from typing import Any, Unpack

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from langchain_rerank_plugins import _tracing
from rerank_plugins import InvalidInputError, Ranked, RankedList
from rerank_plugins.wrappers import (
    RankingFieldOptions,
    RankingFields,
    call_options,
    check_items,
    in_order,
    kept_text,
    named_scores,
    readable_texts,
    result_metadata,
    with_moved_start,
)

_START = "start_index"
"""Where LangChain's splitters write the start of a document in what it was cut from."""


class CrossEncoderCompressor(RankingFields, BaseDocumentCompressor):
    """Keeps the documents that a cross-encoder finds most relevant to the query, best first.

    Documents come back as copies with id, type and metadata; added to the metadata is
    `relevance_score`, a float on `scale`. A document without text is scored as empty text, with a
    warning.

    Nothing is loaded before the first use. Assigning to a field takes effect on the next use. The
    fields are the core's options, with `top_n` for `top_k`; docs/getting-started.md has a table of
    them. `keep_retrieval_score` keeps the `relevance_score` that a document came with, `spans`
    adds `relevance_spans`, and `compress` shortens the text. What an earlier compressor annotated
    is left out.
    """

    def __init__(self, **options: Unpack[RankingFieldOptions]) -> None:
        super().__init__(**options)

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks = None,
        *,
        time_budget: float | None = None,
    ) -> list[Document]:
        """The most relevant documents, best first.

        Args:
            documents: The first stage's documents, in its order.
            query: The query.
            callbacks: The run shows up under these as a chain named like this class.
            time_budget: Seconds to score in; `None` takes the field's.

        Raises:
            ValueError: The query is not a string or an option is not allowed.
            rerank_plugins.ModelError: The model cannot be loaded.
        """
        documents = check_items(documents, Document, "documents")
        run = _tracing.start(callbacks, self.get_name(), query, documents)
        try:
            given = self._given(documents, time_budget)
            ranking = self._ready().rank(query, _texts(documents), **given)
        except BaseException as error:
            run.on_chain_error(error)
            raise
        ranked = self._ranked_copies(documents, ranking)
        run.on_chain_end({"documents": ranked})
        return ranked

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks = None,
        *,
        time_budget: float | None = None,
    ) -> list[Document]:
        """`compress_documents` that never blocks the event loop."""
        documents = check_items(documents, Document, "documents")
        run = await _tracing.astart(callbacks, self.get_name(), query, documents)
        try:
            given = self._given(documents, time_budget)
            ranking = await self._ready().arank(query, _texts(documents), **given)
        except BaseException as error:
            await run.on_chain_error(error)
            raise
        ranked = self._ranked_copies(documents, ranking)
        await run.on_chain_end({"documents": ranked})
        return ranked

    def as_runnable(self) -> Runnable[dict[str, Any], list[Document]]:
        """A Runnable from `{"query": str, "documents": [...]}` to the documents, best first.

        `invoke(..., time_budget=0.1)` and `bind(time_budget=0.1)` set the seconds of a call.
        """
        return RunnableLambda(self._step, self._astep, name="rerank")  # methods can be pickled

    def get_name(self) -> str:
        """The name of its runs in traces."""
        return type(self).__name__

    def _step(
        self, inputs: dict[str, Any], config: RunnableConfig, time_budget: float | None = None
    ) -> list[Document]:
        query, documents = _query_and_documents(inputs)
        callbacks = config.get("callbacks")
        return self.compress_documents(documents, query, callbacks, time_budget=time_budget)

    async def _astep(
        self, inputs: dict[str, Any], config: RunnableConfig, time_budget: float | None = None
    ) -> list[Document]:
        query, documents = _query_and_documents(inputs)
        callbacks = config.get("callbacks")
        return await self.acompress_documents(documents, query, callbacks, time_budget=time_budget)

    def _given(self, documents: Sequence[Document], time_budget: float | None) -> dict[str, Any]:
        """What a call adds to the fields: the first stage's scores, and its time budget."""
        metadata = [document.metadata for document in documents]
        scores = named_scores(self.first_stage_score_field, metadata, "documents")
        return {"first_stage_scores": scores, **call_options(time_budget=time_budget)}

    def _ranked_copies(self, documents: Sequence[Document], ranking: RankedList) -> list[Document]:
        return [self._copy(documents[index], ranked) for index, ranked in in_order(ranking)]

    def _copy(self, document: Document, ranked: Ranked | None) -> Document:
        """A copy of the document's own type that carries the score, if it has one."""
        before = document.metadata
        found = result_metadata(
            ranked,
            before,
            annotate=self.annotate,
            keep_retrieval_score=self.keep_retrieval_score,
            spans=self.spans,
            retrieval_score=before.get("relevance_score"),
            start=before.get(_START),
        )
        metadata = with_moved_start(found, ranked, _START)
        metadata.pop("relevance_score", None)  # of an earlier reranker
        if ranked is not None:
            metadata["relevance_score"] = ranked.score
        text = kept_text(document.page_content, ranked)
        return document.model_copy(update={"page_content": text, "metadata": metadata})


def _query_and_documents(inputs: Any) -> tuple[str, Sequence[Document]]:
    """The two things in a runnable's input."""
    if not isinstance(inputs, dict) or not {"query", "documents"} <= inputs.keys():
        given = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
        message = f'The input must be {{"query": ..., "documents": [...]}}, but got {given}.'
        raise InvalidInputError(message)
    return inputs["query"], inputs["documents"]


def _texts(documents: Sequence[Document]) -> list[str]:
    return readable_texts((document.page_content for document in documents), "documents")
