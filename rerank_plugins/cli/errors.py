"""Messages on standard error, and the exit code after an interrupt."""

from typing import Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """The group of all commands; an interrupt ends them with exit code 130."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the chosen command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(130) from interrupt


def show(kind: str, message: str) -> None:
    """Writes `error: ...`, `warning: ...` or `note: ...` to standard error."""
    colour = {"error": "red", "warning": "yellow"}.get(kind)
    typer.echo(f"{typer.style(kind, fg=colour, bold=True)}: {message}", err=True)
