"""Reranking for LlamaIndex: a node postprocessor on the rerank-plugins core."""

from llama_index.postprocessor.rerank_plugins.base import CrossEncoderRerank

__all__ = ["CrossEncoderRerank"]
