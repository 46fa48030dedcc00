"""Rankings for readers: rich tables that fit the terminal and stay plain in a pipe."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rerank_plugins.cli.output import id_of, one_line, text_of
from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.results import ELLIPSIS, Ranked, RankedList, Span, in_order
from rerank_plugins.texts.passage import Passage

_BEFORE = 20
"""Characters of a text that are shown before its best span."""


def show_table(console: Console, request: QueryPassages, ranking: RankedList) -> None:
    """Prints the ranking with one line per passage; texts are cut at the console's width."""
    table = wide_table()
    table.add_column("#", justify="right", no_wrap=True)
    scale = ranking[0].scale if ranking else "score"
    table.add_column(scale, justify="right", no_wrap=True)
    table.add_column("id", no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    for rank, (index, ranked) in enumerate(in_order(ranking), start=1):
        table.add_row(
            str(rank),
            "" if ranked is None else f"{ranked.score:.4f}",
            plain(id_of(request, index)),
            _cell(request, index, ranked),
            style="bold" if rank == 1 else "",
        )
    console.print(table)


def marked(text: str, spans: Sequence[Span]) -> Text:
    """A text with its spans in colour, from shortly before the best of them."""
    whole = Text(_printable(text))
    for span in spans:
        whole.stylize("green", span.start, span.end)
    start = text.rfind(" ", 0, max(0, spans[0].start - _BEFORE)) + 1
    return Text.assemble(ELLIPSIS.lstrip(), whole[start:]) if start else whole


def wide_table() -> Table:
    """Returns an empty table as wide as the console, with a line only under its header."""
    return Table(
        box=box.SIMPLE_HEAD, expand=True, pad_edge=False, padding=(0, 1), header_style="bold"
    )


def plain(text: str) -> Text:
    """The text without markup, and without characters that control the terminal."""
    return Text(_printable(one_line(text)))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _cell(request: QueryPassages, index: int, ranked: Ranked | None) -> Text:
    if ranked is None or not ranked.spans:
        return plain(text_of(request, index, ranked))
    return marked(Passage.of(request.passages[index].text).text, ranked.spans)
