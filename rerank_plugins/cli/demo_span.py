"""The demo's long passage: many short ones joined, and the sentence of it that answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from rerank_plugins.cli.demo_tables import say
from rerank_plugins.cli.two_stages import Answer
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import Span

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class LongPassage:
    """A question, a long passage, and the part of it that answers.

    Attributes:
        query: The question.
        text: The passage: what BM25 found for the question, in its order.
        span: The part.
        is_right: Whether it is in the passage that answers.
    """

    query: str
    text: str
    span: Span
    is_right: bool


def long_passage(answers: Sequence[Answer], reranker: Reranker) -> LongPassage:
    """The long passage of the question whose answer is furthest from the beginning.

    Args:
        answers: The questions; BM25 found something for one of them at least.
        reranker: The reranker.
    """
    answer = max(answers, key=lambda each: each.places[0] or 0)
    passages = [candidate.passage for candidate in answer.search.before]
    text = _BETWEEN.join(passage.text for passage in passages)
    (ranked,) = reranker.rank(answer.question.query, [text], spans=True)
    span = ranked.spans[0]
    found = passages[text.count(_BETWEEN, 0, span.start)]
    return LongPassage(answer.question.query, text, span, found.id == answer.question.answer)


def show_long_passage(console: Console, passage: LongPassage) -> None:
    """Prints the paragraph with the part in brackets and in colour."""
    text, span = passage.text, passage.span
    say(
        console,
        f'One long passage: what BM25 found for "{passage.query}" as one text of '
        f"{len(text.split())} words. The sentence in brackets answers best. It starts at character "
        f"{span.start}, and its paragraph is {'the right one' if passage.is_right else 'another'}:",
    )
    before = text[: span.start].rpartition(_BETWEEN)[2]
    behind = text[span.end :].partition(_BETWEEN)[0]
    style = "green" if passage.is_right else "red"
    say(console, Text.assemble(before, (f"[{text[span.start : span.end]}]", style), behind))
