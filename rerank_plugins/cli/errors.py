"""How a command ends: errors as a line on standard error, and the exit code that goes with it."""

import re
from typing import Any

import typer
from typer.core import TyperGroup

from rerank_plugins.errors import RerankError

_OPTIONS = (
    "backend|bi_encoder|calibration|development|device|epochs|held_out|label|learning_rate|"
    "local_files_only|max_length|model|precision|questions|revision|scale|score_threshold|seed|"
    "start_share|top_k|trust_remote_code"
)
_GIVEN = re.compile(rf"\b({_OPTIONS})=('[^']*'|[\w.-]*\w)?")
_NAMED = re.compile(r"\b(local_files_only|max_length|score_threshold|top_k|trust_remote_code)\b")


class Commands(TyperGroup):
    """The group of all commands; ends them with an exit code instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the chosen command."""
        try:
            return super().invoke(ctx)
        except RerankError as error:
            show("error", in_command_words(str(error)))
            raise typer.Exit(1) from error
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(130) from interrupt


def show(kind: str, message: str) -> None:
    """Writes `error: ...`, `warning: ...` or `note: ...` to standard error."""
    colour = {"error": "red", "warning": "yellow"}.get(kind)
    typer.echo(f"{typer.style(kind, fg=colour, bold=True)}: {message}", err=True)


def in_command_words(message: str) -> str:
    """A message of the library with its Python arguments written as options of the command.

    `scale='logit'` becomes `--scale logit`, `local_files_only=True` `--local-files-only`.
    """
    message = message.replace("resume=False", "--fresh")
    message = message.replace("pass None", "leave it out").replace("or None", "or leave it out")
    return _NAMED.sub(_as_option, _GIVEN.sub(_as_option, message))


def _as_option(match: re.Match[str]) -> str:
    name, *values = (group or "" for group in match.groups())
    value = "".join(values).strip("'")
    option = f"--{name.replace('_', '-')}"
    return option if value in ("", "True") else f"{option} {value}"
