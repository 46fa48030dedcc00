"""Does reranking help: a first stage, scorers, and measures over collections with judgements."""

from rerank_plugins._extras import require

for _module in ("bm25s", "Stemmer", "ir_measures", "scipy"):
    require(_module, extra="train", purpose="Evaluation")

from rerank_plugins.evaluation.collection import JudgedCollection, read_collection  # noqa: E402
from rerank_plugins.evaluation.comparison import (  # noqa: E402
    Comparison,
    Latency,
    Order,
    ScoreFunction,
    compare,
)
from rerank_plugins.evaluation.curve import DepthPoint, depth_curve  # noqa: E402
from rerank_plugins.evaluation.measures import Change, change  # noqa: E402
from rerank_plugins.evaluation.report import as_json, as_table, worst_queries  # noqa: E402

__all__ = [
    "Change",
    "Comparison",
    "DepthPoint",
    "JudgedCollection",
    "Latency",
    "Order",
    "ScoreFunction",
    "as_json",
    "as_table",
    "change",
    "compare",
    "depth_curve",
    "read_collection",
    "worst_queries",
]
