"""Measures whether reranking helps, on collections with relevance judgements.

In: judged collections and scorers. Out: measures, significance, cost, the report. A public door;
needs the extra `eval`.
"""

from rerank_plugins.process.extras import require

for _module in ("bm25s", "Stemmer", "ir_measures", "scipy"):
    require(_module, extra="eval", purpose="Evaluation")

from rerank_plugins.calibration.file import write_calibration  # noqa: E402
from rerank_plugins.evaluation.budgets import BudgetPoint, budget_points  # noqa: E402
from rerank_plugins.evaluation.calibration.page import calibration_page  # noqa: E402
from rerank_plugins.evaluation.calibration.report import (  # noqa: E402
    CalibrationReport,
    calibrate,
    calibration_values,
)
from rerank_plugins.evaluation.cards import CardCheck, card_figures, check_card  # noqa: E402
from rerank_plugins.evaluation.cascades import CascadePoint, cascade_points  # noqa: E402
from rerank_plugins.evaluation.collection import (  # noqa: E402
    JudgedCollection,
    judged_collection,
    read_collection,
    unmatched_ids,
)
from rerank_plugins.evaluation.comparison import Comparison, Order, compare  # noqa: E402
from rerank_plugins.evaluation.configurations import Configuration, configurations  # noqa: E402
from rerank_plugins.evaluation.curve import DepthPoint, depth_curves, timed_queries  # noqa: E402
from rerank_plugins.evaluation.datasets import read_dataset  # noqa: E402
from rerank_plugins.evaluation.environment import Environment, current_environment  # noqa: E402
from rerank_plugins.evaluation.first_stage import Candidates, bm25_candidates  # noqa: E402
from rerank_plugins.evaluation.fusion import (  # noqa: E402
    Fusion,
    cross_fitted,
    fused_order,
    with_orders,
)
from rerank_plugins.evaluation.fusion_advice import Advice, advice  # noqa: E402
from rerank_plugins.evaluation.html_report import as_html  # noqa: E402
from rerank_plugins.evaluation.intervals import Gain, gain  # noqa: E402
from rerank_plugins.evaluation.lost import QueryChange, best_queries, worst_queries  # noqa: E402
from rerank_plugins.evaluation.measures import Change, change  # noqa: E402
from rerank_plugins.evaluation.pareto import Tradeoff, tradeoffs  # noqa: E402
from rerank_plugins.evaluation.report import Report, as_json, as_markdown  # noqa: E402
from rerank_plugins.evaluation.store import ScoreStore  # noqa: E402
from rerank_plugins.evaluation.time_report import Times  # noqa: E402
from rerank_plugins.evaluation.timing import Latency, ScoreFunction, StageScores  # noqa: E402
from rerank_plugins.evaluation.verdict import Verdict, overall, verdict  # noqa: E402
from rerank_plugins.evaluation.within import Within, within  # noqa: E402

__all__ = [
    "Advice",
    "BudgetPoint",
    "CalibrationReport",
    "Candidates",
    "CardCheck",
    "CascadePoint",
    "Change",
    "Comparison",
    "Configuration",
    "DepthPoint",
    "Environment",
    "Fusion",
    "Gain",
    "JudgedCollection",
    "Latency",
    "Order",
    "QueryChange",
    "Report",
    "ScoreFunction",
    "ScoreStore",
    "StageScores",
    "Times",
    "Tradeoff",
    "Verdict",
    "Within",
    "advice",
    "as_html",
    "as_json",
    "as_markdown",
    "best_queries",
    "bm25_candidates",
    "budget_points",
    "calibrate",
    "calibration_page",
    "calibration_values",
    "card_figures",
    "cascade_points",
    "change",
    "check_card",
    "compare",
    "configurations",
    "cross_fitted",
    "current_environment",
    "depth_curves",
    "fused_order",
    "gain",
    "judged_collection",
    "overall",
    "read_collection",
    "read_dataset",
    "timed_queries",
    "tradeoffs",
    "unmatched_ids",
    "verdict",
    "with_orders",
    "within",
    "worst_queries",
    "write_calibration",
]
