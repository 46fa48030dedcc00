"""Figures that model cards state, and how near a run of our own comes to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.comparison import Comparison

DEPTH = 1000
"""The cards rerank the track's own candidates, the official BM25 top 1000."""


@dataclass(frozen=True)
class CardFigure:
    """One figure of a card.

    Attributes:
        dataset: Its ir_datasets id.
        measure: In ir-measures' notation.
        value: Mean over the dataset's queries, from 0 to 1.
    """

    dataset: str
    measure: str
    value: float


@dataclass(frozen=True)
class CardCheck:
    """A card's figure and the same measured here.

    Attributes:
        figure: What the card says.
        scorer: What was measured here.
        queries: Over how many queries.
        measured: The mean.
    """

    figure: CardFigure
    scorer: str
    queries: int
    measured: float

    @property
    def percent_off(self) -> float:
        """How far the measured figure is from the card's, in percent of the card's."""
        return 100 * (self.measured / self.figure.value - 1)


def _ms_marco(trec_dl_2019: float, dev: float) -> tuple[CardFigure, ...]:
    """The two columns of the ms-marco models' table, in points."""
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
        InvalidInputError: This card is not among those that can be rerun.
    """
    if model not in CARDS:
        message = (
            f"the card of {model!r} cannot be rerun. Those that can: {', '.join(CARDS)}. "
            "To measure another model on the same data, name it as the model beside one of these"
        )
        raise InvalidInputError(message)
    return CARDS[model]


def check_card(figures: Sequence[CardFigure], comparisons: Sequence[Comparison]) -> list[CardCheck]:
    """Returns a check for each figure and scorer; comparisons are found by their dataset's id."""
    by_dataset = {comparison.collection.name: comparison for comparison in comparisons}
    return [
        CardCheck(
            figure, order.name, len(comparison.collection.queries), order.mean(figure.measure)
        )
        for figure in figures
        for comparison in [by_dataset[figure.dataset]]
        for order in comparison.reranked
    ]
