"""Reranking for RAG: a cross-encoder behind one scoring contract, for every framework."""

from rerank_plugins.backends.graphs.compile_model import compile_model
from rerank_plugins.errors import (
    BundleError,
    DatasetUnreachableError,
    ForkedProcessError,
    HubUnreachableError,
    InvalidInputError,
    LabelRequiredError,
    MissingExtraError,
    ModelAccessError,
    ModelError,
    ModelNotFoundError,
    NotACrossEncoderError,
    QueueFullError,
    RerankError,
    ScorerClosedError,
    ScoringError,
    ScoringTimeoutError,
    ServerError,
    UnsafeWeightsError,
    UnsupportedOptionError,
)
from rerank_plugins.remote.scorer import HttpScorer
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import (
    ModelLoad,
    PairScores,
    Plan,
    Ranked,
    RankedList,
    ResultScale,
    ScoreScale,
    Span,
    Statistics,
)
from rerank_plugins.scorer import CrossEncoderScorer
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.scoring.identity import Identity
from rerank_plugins.texts.passage import Passage
from rerank_plugins.work import Work

__version__ = "0.2.0"

__all__ = [
    "BundleError",
    "CrossEncoderScorer",
    "DatasetUnreachableError",
    "ForkedProcessError",
    "HttpScorer",
    "HubUnreachableError",
    "Identity",
    "InvalidInputError",
    "LabelRequiredError",
    "MissingExtraError",
    "ModelAccessError",
    "ModelError",
    "ModelLoad",
    "ModelNotFoundError",
    "NotACrossEncoderError",
    "PairScores",
    "Passage",
    "Plan",
    "QueueFullError",
    "Ranked",
    "RankedList",
    "RerankError",
    "Reranker",
    "ResultScale",
    "ScoreScale",
    "Scorer",
    "ScorerClosedError",
    "ScoringError",
    "ScoringTimeoutError",
    "ServerError",
    "Span",
    "Statistics",
    "UnsafeWeightsError",
    "UnsupportedOptionError",
    "Work",
    "__version__",
    "compile_model",
]
