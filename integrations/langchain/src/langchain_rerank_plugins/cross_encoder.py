"""A `BaseCrossEncoder`: for users of the stock `CrossEncoderReranker`, a swap of one import."""

from collections.abc import Sequence

from langchain_core.cross_encoders import BaseCrossEncoder

from langchain_rerank_plugins._options import RerankOptions


class RerankCrossEncoder(RerankOptions, BaseCrossEncoder):
    """Scores pairs for everything in LangChain that takes a `BaseCrossEncoder`.

    Takes the options of `CrossEncoderCompressor`, without `top_n` and `score_threshold`.
    """

    def score(self, text_pairs: Sequence[tuple[str, str]]) -> list[float]:
        """One Python float per (query, passage) pair, on `scale`.

        Raises:
            ValueError: A pair is not two strings.
        """
        return self._ready().score_pairs(text_pairs)
