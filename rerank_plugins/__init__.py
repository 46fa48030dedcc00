"""Reranking for RAG: a cross-encoder behind one scoring contract, for every framework."""

from rerank_plugins.compile import compile_model
from rerank_plugins.errors import (
    BundleError,
    ForkedProcessError,
    HubUnreachableError,
    InvalidInputError,
    LabelRequiredError,
    MissingExtraError,
    ModelAccessError,
    ModelError,
    ModelNotFoundError,
    NotACrossEncoderError,
    RerankError,
    ScorerClosedError,
    ScoringError,
    UnsafeWeightsError,
    UnsupportedOptionError,
)
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import PairScores, Plan, Ranked, ScoreScale
from rerank_plugins.scorer import CrossEncoderScorer, Scorer

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "CrossEncoderScorer",
    "ForkedProcessError",
    "HubUnreachableError",
    "InvalidInputError",
    "LabelRequiredError",
    "MissingExtraError",
    "ModelAccessError",
    "ModelError",
    "ModelNotFoundError",
    "NotACrossEncoderError",
    "PairScores",
    "Plan",
    "Ranked",
    "RerankError",
    "Reranker",
    "ScoreScale",
    "Scorer",
    "ScorerClosedError",
    "ScoringError",
    "UnsafeWeightsError",
    "UnsupportedOptionError",
    "__version__",
    "compile_model",
]
