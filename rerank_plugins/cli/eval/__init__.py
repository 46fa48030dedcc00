"""`rerank eval`: does reranking help on judged collections, and what does it cost.

In: what is typed in a shell. Out: tables and pages. Private to the package.
"""

from rerank_plugins.cli.eval.command import evaluate

__all__ = ["evaluate"]
