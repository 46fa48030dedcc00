"""What a command says on standard error, and how it ends when it is interrupted."""

from typing import Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """The group of all commands; an interrupt ends them with an exit code of its own."""

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
