"""Reranking for Haystack: a ranker on the rerank-plugins core."""

from haystack_integrations.components.rankers.rerank_plugins.ranker import CrossEncoderRanker

__all__ = ["CrossEncoderRanker"]
