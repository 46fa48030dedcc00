r"""Two questions about the handbook in Haystack: it answers one of them, and not the other.

The ranker's scores are calibrated, so its threshold is a probability. Where nothing reaches it, a
router takes the other branch, and no language model is asked.

Install, in a clone's folder:

    pip install -c constraints.txt . ./integrations/haystack

Run: python examples/haystack_no_answer.py
"""

import json
from pathlib import Path

from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.components.routers import ConditionalRouter
from haystack.document_stores.in_memory import InMemoryDocumentStore

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker

HANDBOOK = Path(__file__).parent / "handbook" / "documents.jsonl"
ANSWERED = "What is the widest label roll that fits a Pressa P212 under the outdoor hood in winter?"
NOT_ANSWERED = "which airline has the cheapest flights to Lisbon"
THRESHOLD = 0.1
ROUTES = [
    {
        "condition": "{{ documents | length > 0 }}",
        "output": "{{ documents }}",
        "output_name": "found",
        "output_type": list[Document],
    },
    {
        "condition": "{{ documents | length == 0 }}",
        "output": "The handbook does not answer that.",
        "output_name": "nothing",
        "output_type": str,
    },
]
TEMPLATE = """Answer from these passages.
{% for document in documents %}- {{ document.content }}
{% endfor %}"""


def build() -> Pipeline:
    """The pipeline: BM25, the ranker, the router, and a prompt behind one of its branches."""
    store = InMemoryDocumentStore()
    rows = [json.loads(line) for line in HANDBOOK.read_text(encoding="utf-8").splitlines()]
    store.write_documents([Document(content=f"{row['title']}\n{row['text']}") for row in rows])
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=30))
    ranker = CrossEncoderRanker(
        model="embedded",
        top_k=2,
        calibration="auto",
        scale="calibrated",
        score_threshold=THRESHOLD,
    )
    pipeline.add_component("ranker", ranker)
    pipeline.add_component("router", ConditionalRouter(ROUTES, unsafe=True))
    pipeline.add_component("prompt", PromptBuilder(TEMPLATE, required_variables=["documents"]))
    pipeline.connect("retriever.documents", "ranker.documents")
    pipeline.connect("ranker.documents", "router.documents")
    pipeline.connect("router.found", "prompt.documents")
    return pipeline


def main() -> None:
    """Asks both questions."""
    pipeline = build()
    for question in (ANSWERED, NOT_ANSWERED):
        result = pipeline.run({"retriever": {"query": question}, "ranker": {"query": question}})
        answer = result["prompt"]["prompt"] if "prompt" in result else result["router"]["nothing"]
        print(f"--- {question} ---\n{answer}\n")


if __name__ == "__main__":
    main()
