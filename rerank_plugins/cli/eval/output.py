"""The outputs of `rerank eval`: tables in the terminal, JSON, Markdown, HTML, TREC runs."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rerank_plugins.cli.files import Writes, check_writable, write_text
from rerank_plugins.cli.streams import check_output, output_is_closed
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.runs import run_lines

if TYPE_CHECKING:
    from rerank_plugins.evaluation import Comparison, Report


@dataclass(frozen=True)
class Output:
    """The outputs that the user asked for.

    Attributes:
        as_json: Write JSON to standard output instead of tables.
        markdown: Write Markdown to standard output instead.
        html: File for the report.
        runs: Folder for the rankings.
    """

    as_json: bool
    markdown: bool
    html: Path | None
    runs: Path | None

    def check(self) -> None:
        """Checks before the work that all outputs can be written.

        Raises:
            typer.BadParameter: JSON and Markdown are both to go to standard output.
            InvalidInputError: A file or folder cannot be written, or standard output is closed.
        """
        if self.as_json and self.markdown:
            message = "--json and --markdown exclude each other."
            raise typer.BadParameter(message)
        if self.as_json or self.markdown or (self.html is None and self.runs is None):
            check_output()
        if self.html is not None:
            check_writable(self.html)
        if self.runs is not None:
            try:
                self.runs.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                message = f"cannot make the folder {self.runs}: {error.strerror or error}."
                raise InvalidInputError(message) from error
            check_writable(self.runs / "a.run")

    def write_files(self, report: "Report", writes: Writes) -> None:
        """Writes the outputs that are files."""
        from rerank_plugins.evaluation import as_html

        if self.html is not None:
            with writes.one():
                write_text(self.html, as_html(report))
        if self.runs is not None:
            _write_runs(report.comparisons, self.runs, writes)

    def show(self, report: "Report") -> None:
        """Writes the report to standard output."""
        from rerank_plugins.evaluation import as_json, as_markdown

        if self.as_json:
            typer.echo(json.dumps(as_json(report), indent=2, ensure_ascii=False))
        elif self.markdown:
            typer.echo(as_markdown(report))
        elif not output_is_closed():
            from rich.console import Console

            from rerank_plugins.cli.eval.tables import show_report

            show_report(Console(), report)


def _write_runs(comparisons: "Sequence[Comparison]", folder: Path, writes: Writes) -> None:
    """Writes one file per order, named after collection and order, and numbered if necessary."""
    taken: set[str] = set()
    for comparison in comparisons:
        for order in (comparison.first_stage, *comparison.reranked):
            stem = f"{comparison.collection.name}.{order.name.removesuffix('.run')}"
            stem = re.sub(r"[^\w.-]+", "_", stem)
            names = (f"{stem}{end}.run" for end in chain([""], map("-{}".format, count(2))))
            name = next(name for name in names if name.casefold() not in taken)
            taken.add(name.casefold())
            with writes.one():
                write_text(folder / name, run_lines(order.run))
