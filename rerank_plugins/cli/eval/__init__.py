"""`rerank eval`: measures on judged collections whether reranking helps and what it costs.

In: a command line. Out: tables and pages. Private to the package.
"""

from rerank_plugins.cli.eval.command import evaluate

__all__ = ["evaluate"]
