"""Reads and writes the usual files: lines, JSONL, CSV, BEIR, TREC topics, qrels, runs.

In: files, compressed or not. Out: passages, queries, judgements and runs, and files of runs.
A public door.
"""

from rerank_plugins.formats.candidates import QueryPassages, read_passages
from rerank_plugins.formats.documents import read_corpus, read_queries
from rerank_plugins.formats.passages import Passage
from rerank_plugins.formats.qrels import Judgements, read_qrels
from rerank_plugins.formats.runs import read_candidates, read_run, write_run

__all__ = [
    "Judgements",
    "Passage",
    "QueryPassages",
    "read_candidates",
    "read_corpus",
    "read_passages",
    "read_qrels",
    "read_queries",
    "read_run",
    "write_run",
]
