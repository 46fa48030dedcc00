"""Does reranking help: a first stage, scorers, and measures over collections with judgements."""

from rerank_plugins._extras import require

for _module in ("bm25s", "Stemmer", "ir_measures"):
    require(_module, extra="train", purpose="Evaluation")

from rerank_plugins.evaluation.collection import JudgedCollection, read_collection  # noqa: E402
from rerank_plugins.evaluation.comparison import Figure, ScoreFunction, as_table, compare  # noqa: E402

__all__ = ["Figure", "JudgedCollection", "ScoreFunction", "as_table", "compare", "read_collection"]
