"""The parts of the results that answer: their sentences, scored by the model that ranked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.ranking.order import best_first, on_scale
from rerank_plugins.ranking.requests import Request
from rerank_plugins.ranking.settings import Settings
from rerank_plugins.results import PairScores, RankedList, Span
from rerank_plugins.texts.passage import Passage
from rerank_plugins.texts.sentences import in_one_paragraph, short_spans

_MOST = 300
"""Sentences of a passage that are scored; those of a dozen pages of print. What comes behind them
is nobody's span, and `compress` keeps it."""


@dataclass(frozen=True, slots=True)
class _Result:
    """A result whose sentences are scored.

    Attributes:
        ranking: The ranking that it is in.
        place: Its place there.
        sentences: Where the n sentences of its text are.
        beside: Whether each is in one paragraph with the next, shape `(n - 1,)`.
        unread: Where what comes behind them is; empty if there is nothing.
    """

    ranking: RankedList
    place: int
    sentences: list[tuple[int, int]]
    beside: NDArray[np.bool_]
    unread: list[tuple[int, int]]

    def parts(self) -> list[tuple[int, int]]:
        """What is scored: each sentence alone, then each paragraph of several sentences."""
        firsts, lasts = self._paragraphs()
        return [
            *self.sentences,
            *(
                (self.sentences[first][0], self.sentences[last][1])
                for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
                if first < last
            ),
        ]

    def logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the model says of each sentence, shape `(n,)`: half alone, half with its paragraph.

        A sentence often needs those around it to be understood, and a section that answers a
        heading may not repeat its words in each sentence.

        Args:
            scores: The scores of `parts`.
        """
        firsts, lasts = self._paragraphs()
        alone = scores[: len(self.sentences)]
        paragraphs = alone[firsts]
        paragraphs[firsts < lasts] = scores[len(self.sentences) :]
        return alone / 2 + np.repeat(paragraphs, lasts - firsts + 1) / 2

    def _paragraphs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The first and the last sentence of each of m paragraphs, each of shape `(m,)`."""
        starts = np.append(True, ~self.beside)[: len(self.sentences)]
        firsts = np.flatnonzero(starts)
        return firsts, np.append(firsts[1:], len(self.sentences))[: len(firsts)] - 1


class Spans:
    """Finds the spans of the results of some rankings, and what `compress` keeps of their texts.

    Args:
        requests: The requests.
        rankings: The ranking of each, which gets what is found.
        settings: What to look for.

    Attributes:
        pairs: What is to be scored first: each query with the parts of its results, the best
            result's first. A part is read with the header of its passage.
    """

    def __init__(
        self, requests: Sequence[Request], rankings: Sequence[RankedList], settings: Settings
    ) -> None:
        self._settings = settings
        self._results: list[_Result] = []
        self.pairs: list[tuple[str, str]] = []
        for request, ranking in zip(requests, rankings, strict=True):
            for place, ranked in enumerate(ranking):
                passage = Passage.of(request.passages[ranked.index])
                found = short_spans(passage.text)
                sentences = list(islice(found, _MOST))
                behind = next(found, None)
                unread = [] if behind is None else [(behind[0], len(passage.text.rstrip()))]
                beside = np.array(in_one_paragraph(passage.text, sentences), dtype=np.bool_)
                result = _Result(ranking, place, sentences, beside, unread)
                self._results.append(result)
                self.pairs += [(request.query, passage.part(*part)) for part in result.parts()]

    def put(self, scores: PairScores) -> None:
        """Takes the scores of the pairs, and writes what was found into the results.

        A result that a time budget left without the scores of some parts stays as it is: the best
        may be among them.
        """
        start = 0
        for result in self._results:
            part = slice(start, start := start + len(result.parts()))
            scored = scores.scored is None or bool(scores.scored[part].all())
            if scored and result.sentences:
                self._write(result, result.logits(scores.logits[part].astype(np.float64)))

    def _write(self, result: _Result, logits: NDArray[np.float64]) -> None:
        settings, ranked = self._settings, result.ranking[result.place]
        if settings.spans:
            order = best_first(np.arange(len(logits)), logits)[: settings.max_spans]
            said = on_scale(logits[order], settings.scale)
            places = np.array(result.sentences)[order]
            ends = zip(*places.T.tolist(), said.tolist(), strict=True)
            spans = tuple(Span(start, end, score) for start, end, score in ends)
            ranked = replace(ranked, spans=spans)
        if settings.compression is not None:
            parts = [*result.sentences, *result.unread]
            kept = settings.compression.kept(parts, result.beside, logits)
            ranked = replace(ranked, kept=kept)
        result.ranking[result.place] = ranked
