"""`rerank eval`: does reranking help on judged collections, and what does it cost."""

from rerank_plugins.cli.eval.command import evaluate

__all__ = ["evaluate"]
