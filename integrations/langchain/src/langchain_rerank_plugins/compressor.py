"""The document compressor: documents in, the most relevant ones out, best first."""

from collections.abc import Sequence
from typing import Any, Unpack

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from langchain_rerank_plugins import _tracing
from rerank_plugins import InvalidInputError, Ranked
from rerank_plugins.wrappers import (
    RankingFieldOptions,
    RankingFields,
    check_items,
    readable_texts,
    result_metadata,
)


class CrossEncoderCompressor(RankingFields, BaseDocumentCompressor):
    """Keeps the documents that a cross-encoder finds most relevant to the query, best first.

    Documents come back as copies with id, type and metadata; added to the metadata is
    `relevance_score`, a float on `scale`. A document without text is scored as empty text, with a
    warning.

    Nothing is loaded before the first use. Assigning to a field takes effect on the next use. The
    fields are the core's options, with `top_n` for `top_k`; docs/getting-started.md has a table of
    them. `keep_retrieval_score` keeps the `relevance_score` that a document came with.
    """

    def __init__(self, **options: Unpack[RankingFieldOptions]) -> None:
        super().__init__(**options)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks = None
    ) -> list[Document]:
        """The most relevant documents, best first.

        Args:
            documents: The first stage's documents, in its order.
            query: The query.
            callbacks: The run shows up under these as a chain named like this class.

        Raises:
            ValueError: The query is not a string or an option is not allowed.
            rerank_plugins.ModelError: The model cannot be loaded.
        """
        documents = check_items(documents, Document, "documents")
        run = _tracing.start(callbacks, self.get_name(), query, documents)
        try:
            texts = _texts(documents)
            ranking = self._ready().rank(query, texts)
        except BaseException as error:
            run.on_chain_error(error)
            raise
        ranked = self._ranked_copies(documents, ranking)
        run.on_chain_end({"documents": ranked})
        return ranked

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks = None
    ) -> list[Document]:
        """`compress_documents` that never blocks the event loop."""
        documents = check_items(documents, Document, "documents")
        run = await _tracing.astart(callbacks, self.get_name(), query, documents)
        try:
            texts = _texts(documents)
            ranking = await self._ready().arank(query, texts)
        except BaseException as error:
            await run.on_chain_error(error)
            raise
        ranked = self._ranked_copies(documents, ranking)
        await run.on_chain_end({"documents": ranked})
        return ranked

    def as_runnable(self) -> Runnable[dict[str, Any], list[Document]]:
        """A Runnable from `{"query": str, "documents": [...]}` to the documents, best first."""
        return RunnableLambda(self._step, self._astep, name="rerank")  # methods can be pickled

    def get_name(self) -> str:
        """The name of its runs in traces."""
        return type(self).__name__

    def _step(self, inputs: dict[str, Any], config: RunnableConfig) -> list[Document]:
        query, documents = _query_and_documents(inputs)
        return self.compress_documents(documents, query, config.get("callbacks"))

    async def _astep(self, inputs: dict[str, Any], config: RunnableConfig) -> list[Document]:
        query, documents = _query_and_documents(inputs)
        return await self.acompress_documents(documents, query, config.get("callbacks"))

    def _ranked_copies(
        self, documents: Sequence[Document], ranking: list[Ranked]
    ) -> list[Document]:
        return [self._copy(documents[ranked.index], ranked) for ranked in ranking]

    def _copy(self, document: Document, ranked: Ranked) -> Document:
        """A copy of the document's own type that carries the score."""
        before = document.metadata
        added = result_metadata(
            ranked,
            before,
            annotate=self.annotate,
            keep_retrieval_score=self.keep_retrieval_score,
            retrieval_score=before.get("relevance_score"),
        )
        metadata = {**before, **added, "relevance_score": ranked.score}
        return document.model_copy(update={"metadata": metadata})


def _query_and_documents(inputs: Any) -> tuple[str, Sequence[Document]]:
    """The two things in a runnable's input."""
    if not isinstance(inputs, dict) or not {"query", "documents"} <= inputs.keys():
        given = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
        message = f'The input must be {{"query": ..., "documents": [...]}}, but got {given}.'
        raise InvalidInputError(message)
    return inputs["query"], inputs["documents"]


def _texts(documents: Sequence[Document]) -> list[str]:
    return readable_texts((document.page_content for document in documents), "documents")
