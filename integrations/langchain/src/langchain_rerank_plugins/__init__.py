"""Reranking for LangChain: a document compressor and a cross-encoder on one scoring core."""

from langchain_rerank_plugins.compressor import CrossEncoderCompressor
from langchain_rerank_plugins.cross_encoder import RerankCrossEncoder

__all__ = ["CrossEncoderCompressor", "RerankCrossEncoder"]
