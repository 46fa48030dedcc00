"""The demo's output: lists and tables that fit 80 columns and stay plain in a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from rerank_plugins.cli.output import one_line
from rerank_plugins.cli.tables import plain, wide_table
from rerank_plugins.cli.two_stages import Answer, Candidate, Search, Summary

_PLACE = 5
"""Width of a place with the arrow to the next, as in "10 → "."""

_ORDERS = ("BM25", "reranked", "fused")


def show_answers(console: Console, answers: Sequence[Answer]) -> None:
    """Prints two lines per question: the places of the right passage, and each stage's first title.

    The headings are repeated below, for lists longer than the screen.
    """
    console.print()
    width = _PLACE * len(answers[0].places)
    _show_headings(console, width)
    for answer in answers:
        places = _move(console, answer.places)
        places.truncate(width, pad=True)
        titles = [_title(console, answer, a) for a in (answer.search.before, answer.search.after)]
        _show_pair(console, places, plain(answer.question.query), *titles)
    _show_headings(console, width)
    right, wrong = _signs(console)
    say(
        console,
        f"{right} the right passage, {wrong} another. {_explained(len(answers[0].places))}\n",
    )


def _explained(orders: int) -> str:
    if orders == 2:
        return "place: of the right passage."
    return (
        "places: of the right passage by BM25, reranked, and fused, which is the model's opinion "
        "and BM25's together."
    )


def _show_headings(console: Console, width: int) -> None:
    place = Text("places" if width > 2 * _PLACE else "place", "bold")
    place.truncate(width, pad=True)
    _show_pair(console, place, *(Text(text, "bold") for text in ("question", *_ORDERS[:2])))


def _show_pair(console: Console, place: Text, question: Text, before: Text, after: Text) -> None:
    """Prints the places and the question, and below the question two titles side by side."""
    indent = len(place)
    half = (console.width - indent - 2) // 2
    question.truncate(console.width - indent, overflow="ellipsis")
    before.truncate(half, overflow="ellipsis", pad=True)
    after.truncate(half, overflow="ellipsis")
    say(console, Text.assemble(place, question))
    say(console, Text.assemble(" " * indent, before, "  ", after))


def show_summary(console: Console, summary: Summary) -> None:
    """Prints how often the right passage comes first, its mean reciprocal rank, and the times."""
    table = wide_table()
    table.expand = False
    table.add_column("")
    for name, _ in zip(_ORDERS, summary.first, strict=False):
        table.add_column(name, justify="right")
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
    if search.fused is not None:
        table.add_column("fused", justify="right", no_wrap=True)
    pairs = zip(search.before[:top], search.after[:top], strict=True)
    for place, (before, after) in enumerate(pairs, start=1):
        table.add_row(
            str(place),
            f"{before.bm25:.2f}",
            plain(before.passage.title),
            f"{after.score:.3f}",
            plain(after.passage.title),
            str(after.place),
            *(() if search.fused is None else (str(1 + search.fused.index(after)),)),
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


def _move(console: Console, places: Sequence[int | None]) -> Text:
    """The places of the right passage, from order to order; green where the last is better."""
    arrow = " → " if _has_unicode(console) else " > "
    before, after = places[0] or 0, places[-1] or 0
    text = arrow.join(f"{place or '-':>2}" for place in places)
    return Text(text, style="" if before == after else "green" if before > after else "red")


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
