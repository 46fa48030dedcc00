"""Figures that model cards state, checked against our own measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.comparison import Comparison

DEPTH = 1000
"""The cards rerank the official candidates of the track, the BM25 top 1000."""


@dataclass(frozen=True)
class CardFigure:
    """One figure of a card.

    Attributes:
        dataset: Its ir_datasets id.
        measure: The measure, in the notation of ir-measures.
        value: The mean over the dataset's queries, from 0 to 1.
    """

    dataset: str
    measure: str
    value: float


@dataclass(frozen=True)
class CardCheck:
    """A card's figure beside our own measurement.

    Attributes:
        figure: The card's figure.
        scorer: The name of the scorer that was measured.
        queries: The number of queries.
        measured: The mean over these queries.
    """

    figure: CardFigure
    scorer: str
    queries: int
    measured: float

    @property
    def percent_off(self) -> float:
        """The difference between the measured figure and the card's, in percent of the card's."""
        return 100 * (self.measured / self.figure.value - 1)


def _ms_marco(trec_dl_2019: float, dev: float) -> tuple[CardFigure, ...]:
    """The two columns of the ms-marco models' table; the values are given in points."""
    return (
        CardFigure("msmarco-passage/trec-dl-2019/judged", "nDCG@10", trec_dl_2019 / 100),
        CardFigure("msmarco-passage/dev/small", "RR@10", dev / 100),
    )


# From the models' pages on huggingface.co, table "Performance".
CARDS = {
    "cross-encoder/ms-marco-TinyBERT-L2-v2": _ms_marco(69.84, 32.56),
    "cross-encoder/ms-marco-MiniLM-L2-v2": _ms_marco(71.01, 34.85),
    "cross-encoder/ms-marco-MiniLM-L4-v2": _ms_marco(73.04, 37.70),
    "cross-encoder/ms-marco-MiniLM-L6-v2": _ms_marco(74.30, 39.01),
    "cross-encoder/ms-marco-MiniLM-L12-v2": _ms_marco(74.31, 39.02),
}


def card_figures(model: str) -> tuple[CardFigure, ...]:
    """Returns the figures of a model's card.

    Raises:
        InvalidInputError: The figures of this card are not known here.
    """
    if model not in CARDS:
        message = (
            f"the card of {model!r} cannot be rerun. Cards that can: {', '.join(CARDS)}. "
            "To measure another model on the same data, name it as the model beside one of these."
        )
        raise InvalidInputError(message)
    return CARDS[model]


def check_card(figures: Sequence[CardFigure], comparisons: Sequence[Comparison]) -> list[CardCheck]:
    """Returns one check per figure and scorer; comparisons are found by their dataset's id."""
    by_dataset = {comparison.collection.name: comparison for comparison in comparisons}
    return [
        CardCheck(
            figure, order.name, len(comparison.collection.queries), order.mean(figure.measure)
        )
        for figure in figures
        for comparison in [by_dataset[figure.dataset]]
        for order in comparison.reranked
    ]
