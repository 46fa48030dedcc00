"""The demo's output: lists and tables that fit 80 columns and stay plain in a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from rerank_plugins.cli.output import one_line
from rerank_plugins.cli.tables import plain, wide_table
from rerank_plugins.cli.two_stages import Answer, Candidate, Search, Summary

_PLACES = 9
"""Width of "10 →  1" and the space after it."""


def show_answers(console: Console, answers: Sequence[Answer]) -> None:
    """Prints two lines per question: the places of the right passage, and each stage's first title.

    The headings are repeated below, for lists longer than the screen.
    """
    console.print()
    _show_headings(console)
    for answer in answers:
        places = _move(console, answer.place_before, answer.place_after)
        titles = [_title(console, answer, a) for a in (answer.search.before, answer.search.after)]
        _show_pair(console, places, plain(answer.question.query), *titles)
    _show_headings(console)
    right, wrong = _signs(console)
    say(console, f"{right} the right passage, {wrong} another. place: of the right passage.\n")


def _show_headings(console: Console) -> None:
    headings = (Text(text, "bold") for text in ("place", "question", "BM25", "reranked"))
    _show_pair(console, *headings)


def _show_pair(console: Console, place: Text, question: Text, before: Text, after: Text) -> None:
    """Prints the place and the question, and below the question two titles side by side."""
    half = (console.width - _PLACES - 2) // 2
    place.truncate(_PLACES, pad=True)
    question.truncate(console.width - _PLACES, overflow="ellipsis")
    before.truncate(half, overflow="ellipsis", pad=True)
    after.truncate(half, overflow="ellipsis")
    say(console, Text.assemble(place, question))
    say(console, Text.assemble(" " * _PLACES, before, "  ", after))


def show_summary(console: Console, summary: Summary) -> None:
    """Prints how often the right passage comes first, its mean reciprocal rank, and the times."""
    table = wide_table()
    table.expand = False
    table.add_column("")
    table.add_column("BM25", justify="right")
    table.add_column("reranked", justify="right")
    of = f"of {summary.questions}"
    table.add_row(
        "right passage first", *(f"{count} {of}" for count in summary.first), style="bold"
    )
    table.add_row("mean reciprocal rank", *(f"{value:.3f}" for value in summary.reciprocal_rank))
    table.add_row(
        "time per query, median",
        _milliseconds(summary.search_seconds),
        f"+ {_milliseconds(summary.rerank_seconds)}",
    )
    console.print(table)
    say(
        console,
        f"The reranker read {summary.pairs} pairs of query and passage at "
        f"{summary.pairs_per_second:.0f} pairs per second.",
    )
    if summary.missed:
        say(
            console,
            f"For {summary.missed} of {summary.questions} questions BM25 did not find the right "
            "passage (-): a reranker only orders what the first stage found.",
        )


def show_search(console: Console, search: Search, top: int) -> None:
    """Prints the first few passages of each stage side by side, with scores."""
    table = wide_table()
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("BM25", justify="right", no_wrap=True)
    table.add_column("before", ratio=1)
    table.add_column("reranked", justify="right", no_wrap=True)
    table.add_column("after", ratio=1)
    table.add_column("was", justify="right", no_wrap=True)
    pairs = zip(search.before[:top], search.after[:top], strict=True)
    for place, (before, after) in enumerate(pairs, start=1):
        table.add_row(
            str(place),
            f"{before.bm25:.2f}",
            plain(before.passage.title),
            f"{after.score:.3f}",
            plain(after.passage.title),
            str(after.place),
            style="bold" if place == 1 else "",
        )
    console.print(table)
    best = search.after[0].passage
    say(console, Text.assemble((one_line(best.title), "bold"), ": ", one_line(best.text)))


def say(console: Console, text: str | Text) -> None:
    """Prints a paragraph as it is, without markup or highlighting."""
    console.print(text, highlight=False, markup=False)


def suggest(console: Console, *commands: str) -> None:
    """Prints commands to try next."""
    console.print("\nTry next:", style="bold")
    for command in commands:
        console.print(Text(f"  {command}"), soft_wrap=True)  # whole, whatever the width


def _move(console: Console, before: int | None, after: int | None) -> Text:
    arrow = "→" if _has_unicode(console) else ">"
    text = f"{before or '-':>2} {arrow} {after or '-':>2}"
    improved = (before or 0) > (after or 0)
    return Text(text, style="" if before == after else "green" if improved else "red")


def _title(console: Console, answer: Answer, candidates: list[Candidate]) -> Text:
    """The first passage's title, after a sign that says whether it is the right one."""
    if not candidates:
        return Text("- nothing found", style="red")
    passage = candidates[0].passage
    right = passage.id == answer.question.answer
    sign = _signs(console)[0 if right else 1]
    return Text(f"{sign} {one_line(passage.title)}", style="green" if right else "red")


def _signs(console: Console) -> tuple[str, str]:
    return ("✓", "✗") if _has_unicode(console) else ("+", "x")


def _has_unicode(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
