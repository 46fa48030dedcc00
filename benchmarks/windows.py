"""How long passages are best ranked: cut where the model stops reading, or in windows.

python -m benchmarks.windows COLLECTION... [--tokens N]... [--by NAME]... [--fused] [--sample N]
    [--depth N] [--precision P] [--resume FILE]

Ranks what BM25 finds, or the candidates.trec of COLLECTION (`benchmarks.pages`). Each window is
scored as a pair of its own, so that passages can be ordered by other scores than their best
window's; the library itself orders by the best. FILE keeps the scores of windows.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from benchmarks.ranking import MEASURE, Values, say_how, show_rankings
from benchmarks.ways import embedded_tokenizer
from rerank_plugins import CrossEncoderScorer, Passage
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.backends.windows import MAX_WINDOWS
from rerank_plugins.evaluation import JudgedCollection, ScoreStore, read_collection
from rerank_plugins.evaluation.first_stage import Candidates, bm25_candidates
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.timing import Ask, timed_answer
from rerank_plugins.formats.runs import read_run
from rerank_plugins.ranking.fusion import position_bonus
from rerank_plugins.tokens.pairs import PairTokenizer
from rerank_plugins.tokens.windows import WindowSettings, encode_windows

CUT = "cut"
TOKENS = (64, 128, 192, 256, 0)
"""Tokens of a window; 0 is as many as the model reads."""


def _best_two(logits: Sequence[float]) -> float:
    return float(np.mean(sorted(logits)[-2:]))


BY: Mapping[str, Callable[[Sequence[float]], float]] = {
    "best": max,
    "best two": _best_two,
    "log of sum": lambda logits: float(np.logaddexp.reduce(logits)),
    "best less length": lambda logits: max(logits) - 0.5 * float(np.log(len(logits))),
}
"""A passage's score by the logits of its windows."""


class Measured:
    """The rankings by each way, and what they took, over all collections.

    Args:
        tokenizer: Says where the windows are.
        score: Scores a query and texts.
        tokens: The lengths of windows.
        by: Which scores of `BY` order passages.
        weight: Of the first stage's opinion, if it is measured too.
    """

    def __init__(
        self,
        tokenizer: PairTokenizer,
        score: Callable[[str, list[str]], list[float]],
        tokens: Sequence[int],
        by: Sequence[str],
        weight: float | None,
    ) -> None:
        self.tokenizer = tokenizer
        self.score = score
        self.lengths = {CUT: None, **{f"{each or 'all'} tokens": each for each in tokens}}
        self.by = by
        self.weight = weight
        self.seconds: dict[str, list[float]] = {}
        self.windows: dict[str, list[float]] = {}

    def values(self, collection: JudgedCollection, found: Candidates, ask: Ask) -> Values:
        """The measure of each way on one collection."""
        runs: dict[str, Candidates] = {}
        for query, text in collection.queries.items():
            names = list(found.get(query, ()))
            if not names:
                continue
            passages = [Passage.of(collection.passages[name]) for name in names]
            bonus = (self.weight or 0) * position_bonus(len(names))
            for way, scores in self._ways(text, passages, ask):
                runs.setdefault(way, {})[query] = dict(zip(names, scores, strict=True))
                if self.weight is not None:
                    fused = dict(zip(names, np.add(scores, bonus).tolist(), strict=True))
                    runs.setdefault(f"{way} + first stage", {})[query] = fused
            places = {name: -float(place) for place, name in enumerate(names)}
            runs.setdefault("first stage", {})[query] = places
        judged = {name: collection.judgements[name] for name in collection.queries}
        return {way: measure(judged, run, [MEASURE])[MEASURE] for way, run in runs.items()}

    def _ways(
        self, query: str, passages: Sequence[Passage], ask: Ask
    ) -> Iterator[tuple[str, list[float]]]:
        """The scores of passages, by each length of windows and each score of `BY`."""
        for name, tokens in self.lengths.items():
            cut = [[passage] for passage in passages]
            if tokens is not None:
                cut = cut_into_windows(self.tokenizer, query, passages, tokens or None)
            answer = ask(name, self.score, query, [text for texts in cut for text in texts])
            self.seconds.setdefault(name, []).append(answer.seconds)
            self.windows.setdefault(name, []).append(len(answer.scores) / len(passages))
            ends = accumulate(map(len, cut), initial=0)
            logits = [answer.scores[start:end] for start, end in pairwise(ends)]
            for by in self.by if tokens is not None else self.by[:1]:
                way = name if by == self.by[0] else f"{name}, {by}"
                yield way, [BY[by](each) for each in logits]

    def note(self, way: str) -> str:
        """The time of a way, if its windows are scored for it alone."""
        if way not in self.lengths:
            return ""
        return (
            f"; {np.mean(self.seconds[way]):.3f} s per query, "
            f"{np.mean(self.windows[way]):.1f} windows per passage"
        )


def cut_into_windows(
    tokenizer: PairTokenizer, query: str, passages: Sequence[Passage], tokens: int | None
) -> list[list[Passage]]:
    """Each passage as the library scores it: whole, or as the windows that it is cut into."""
    settings = WindowSettings(tokens, None, MAX_WINDOWS)
    windowed = encode_windows(tokenizer, [(query, passage) for passage in passages], settings)
    return [
        [passage.part(*span) for span in each.spans]
        for passage, each in zip(passages, windowed, strict=True)
    ]


def candidates_of(folder: Path, collection: JudgedCollection, depth: int) -> Candidates:
    """What BM25 finds, or the candidates that lie beside the collection."""
    file = folder / "candidates.trec"
    found = read_run(file) if file.exists() else bm25_candidates(collection, depth)
    return {
        query: collection.candidates(query, found[query].items(), depth)
        for query in collection.queries
        if query in found
    }


def main() -> None:
    """Prints one row per collection, the mean, and what each way changes and takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--tokens", type=int, action="append", help=f"{TOKENS} unless given")
    parser.add_argument("--by", choices=BY, action="append", help="best unless given")
    parser.add_argument("--fused", action="store_true", help="with the first stage's opinion too")
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--precision", default="bf16" if cpu_has_bf16() else "fp32")
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()
    with CrossEncoderScorer(
        "embedded", backend="openvino", precision=given.precision, long_passages="truncate"
    ) as scorer:
        measured = Measured(
            embedded_tokenizer(),
            scorer.score,
            given.tokens or TOKENS,
            given.by or ["best"],
            scorer.first_stage_weight if given.fused else None,
        )
        identities = dict.fromkeys(measured.lengths, f"{scorer.identity}")
        kept = ScoreStore(given.resume, identities) if given.resume else nullcontext(timed_answer)
        with kept as ask:
            show_rankings(_rows(measured, given, ask), note=measured.note)
    say_how("benchmarks.windows")


def _rows(measured: Measured, given: argparse.Namespace, ask: Ask) -> Iterator[tuple[str, Values]]:
    for folder in given.collections:
        collection = read_collection(folder).sample(given.sample, seed=0)
        found = candidates_of(folder, collection, given.depth)
        yield folder.name, measured.values(collection, found, ask)


if __name__ == "__main__":
    main()
