"""How well spans find the part that answers, and what compress="spans" keeps.

python -m benchmarks.spans PAGES... [--half NAME] [--precision NAME] [--resume FILE]

PAGES are collections of `benchmarks.pages`. Each question gets its page alone, as a result of a
ranking. A span is right if it lies in the right paragraph; BM25's best sentence, and the share of
sentences that are in that paragraph, stand beside it. Compression keeps an answer if it keeps some
of the right paragraph; the page cut to the same length stands beside it.

How spans are found was chosen on the half "choosing" of the questions, split by a hash of their
ids; the half "final" says how good it is. FILE keeps scores.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from tokenizers import Tokenizer

from benchmarks.ranking import say
from rerank_plugins import CrossEncoderScorer, Passage, Ranked, Reranker, Scorer
from rerank_plugins.formats.lines import json_rows, read_lines
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.retrieval.bm25 import Bm25Search
from rerank_plugins.texts.sentences import sentence_spans

AT_ONCE = 20
"""Questions that are ranked together."""

HALVES = ("choosing", "final")

Places = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its page, and where the right paragraphs are in the page's text."""

    query: str
    page: Passage
    answers: Places


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question: shares of 1, or yes and no.

    Attributes:
        span: Whether the best span is in the right paragraph.
        bm25: Whether BM25's best sentence is.
        chance: How many of the sentences are.
        kept: Whether compression keeps some of the right paragraph.
        cut: Whether the page's beginning does, cut to the same length.
        whole: How much of the right paragraph is kept.
        removed: How many of the page's tokens are left out.
        kept_wide: `kept`, with neighbours.
        removed_wide: `removed`, with neighbours.
    """

    span: bool
    bm25: bool
    chance: float
    kept: bool
    cut: bool
    whole: float
    removed: float
    kept_wide: bool
    removed_wide: float


def read_questions(folder: Path, half: str | None) -> list[Question]:
    """The questions of a collection, or half of them."""

    def rows(name: str) -> Iterator[dict[str, Any]]:
        return (row for _, row in json_rows(read_lines(folder / name), name))

    pages = {
        row["_id"]: Passage(row["text"], header=f"{row['title']} ") for row in rows("corpus.jsonl")
    }
    queries = {row["_id"]: row["text"] for row in rows("queries.jsonl")}
    answers: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in rows("answers.jsonl"):
        if half in (None, half_of(row["query"])):
            places = answers.setdefault((row["query"], row["passage"]), [])
            places.append((row["start"], row["end"]))
    return [
        Question(queries[query], pages[page], places) for (query, page), places in answers.items()
    ]


def half_of(query: str) -> str:
    """The half of the questions that a query is in, by its id."""
    return HALVES[sha256(query.encode()).digest()[0] % 2]


def remembering(scorer: Scorer) -> Scorer:
    """A scorer that scores each pair once."""
    known: dict[tuple[str, str], float] = {}

    def logits(pairs: Sequence[tuple[str, str]]) -> list[float]:
        new = list(dict.fromkeys(pair for pair in pairs if pair not in known))
        known.update(zip(new, scorer.score_pairs(new).tolist(), strict=True))
        return [known[pair] for pair in pairs]

    return Scorer.from_function(logits)


def measured(scorer: Scorer, questions: Sequence[Question]) -> Iterator[Found]:
    """What is found for each question."""
    tokenizer = Tokenizer.from_file(str(EMBEDDED_FOLDER / "tokenizer.json"))
    tokenizer.no_truncation()
    for first in range(0, len(questions), AT_ONCE):
        group = questions[first : first + AT_ONCE]
        shared = remembering(scorer)
        queries, pages = [each.query for each in group], [[each.page] for each in group]
        narrow, wide = (
            chain.from_iterable(
                Reranker(
                    shared, spans=True, compress="spans", compress_neighbours=neighbours
                ).rank_many(queries, pages)
            )
            for neighbours in (False, True)
        )
        for question, one, other in zip(group, narrow, wide, strict=True):
            yield _found(question, one, other, tokenizer)


def _found(question: Question, narrow: Ranked, wide: Ranked, tokenizer: Tokenizer) -> Found:
    text, answers = question.page.text, question.answers
    sentences = list(sentence_spans(text))
    scores = Bm25Search([text[s:e] for s, e in sentences], stem=True).scores(question.query)
    kept = narrow.kept or ()

    def inside(start: int, end: int) -> bool:
        return any(first <= start and end <= last for first, last in answers)

    def meets(parts: Places) -> bool:
        return any(start < last and first < end for start, end in parts for first, last in answers)

    def removed(ranked: Ranked) -> float:
        texts = [text, *(text[start:end] for start, end in ranked.kept or ())]
        whole, *parts = (len(each.ids) for each in tokenizer.encode_batch(texts, False))
        return 1 - sum(parts) / whole

    length = sum(end - start for start, end in kept)
    common = sum(
        max(0, min(end, last) - max(start, first)) for start, end in kept for first, last in answers
    )
    return Found(
        span=inside(narrow.spans[0].start, narrow.spans[0].end),
        bm25=inside(*sentences[scores.argmax()]),
        chance=fmean(inside(*sentence) for sentence in sentences),
        kept=meets(kept),
        cut=meets([(0, length)]),
        whole=common / sum(last - first for first, last in answers),
        removed=removed(narrow),
        kept_wide=meets(wide.kept or ()),
        removed_wide=removed(wide),
    )


def main() -> None:
    """Prints a row per collection, one of all questions, and the mean of the collections."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--half", choices=HALVES, help="both unless given")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()
    names = list(Found.__annotations__)
    say(f"| | questions | {' | '.join(names)} |\n|{'---|' * (len(names) + 2)}")
    found: list[list[Found]] = []
    with CrossEncoderScorer(
        "embedded", precision=given.precision, score_cache=given.resume
    ) as scorer:
        for folder in given.pages:
            found.append(list(measured(scorer, read_questions(folder, given.half))))
            say(_row(folder.name, len(found[-1]), _means(found[-1])))
    everything = list(chain.from_iterable(found))
    say(_row("all questions", len(everything), _means(everything)))
    columns = zip(*map(_means, found), strict=True)
    say(_row("mean of the collections", len(everything), map(fmean, columns)))


def _means(found: Sequence[Found]) -> list[float]:
    return [fmean(getattr(each, column) for each in found) for column in Found.__annotations__]


def _row(name: str, count: int, values: Iterable[float]) -> str:
    return f"| {name} | {count} | {' | '.join(f'{100 * value:.1f}' for value in values)} |"


if __name__ == "__main__":
    main()
