"""A `BaseCrossEncoder`: for users of the stock `CrossEncoderReranker`, a swap of one import."""

from collections.abc import Sequence
from typing import Unpack

from langchain_core.cross_encoders import BaseCrossEncoder

from rerank_plugins.wrappers import ScoringFieldOptions, ScoringFields


class RerankCrossEncoder(ScoringFields, BaseCrossEncoder):
    """Scores pairs for everything in LangChain that takes a `BaseCrossEncoder`.

    Takes the options of `CrossEncoderCompressor` that do not choose documents or add to them.
    """

    def __init__(self, **options: Unpack[ScoringFieldOptions]) -> None:
        super().__init__(**options)

    def score(self, text_pairs: Sequence[tuple[str, str]]) -> list[float]:
        """One Python float per (query, passage) pair, on `scale`.

        Raises:
            ValueError: A pair is not two strings.
        """
        return self._ready().score_pairs(text_pairs)
