"""`rerank serve`: models behind a port, for rerank clients of many kinds."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from rerank_plugins.cli.options import as_arguments, with_options
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.names import served_name
from rerank_plugins.messages.spelling import keys
from rerank_plugins.options import SCORER_OPTIONS
from rerank_plugins.process.extras import require
from rerank_plugins.server.options import LIMIT_OPTIONS, SERVER_OPTIONS
from rerank_plugins.server.rerankers import rerankers_of
from rerank_plugins.server.token_file import read_tokens

_SCORER = (
    *(one.name for one in SCORER_OPTIONS.values() if one.typed and one.name != "model"),
    "max_queue_pairs",
)
_NAMES = (*SERVER_OPTIONS, *_SCORER, "calibration")
_VARIABLES = {name: {"envvar": f"RERANK_{name.upper()}"} for name in _NAMES}
_VARIABLES["calibration"]["unset"] = "auto, for requests that ask for it"


def _read_config(context: typer.Context, file: Path | None) -> Path | None:
    """Takes the values of a TOML file for options that neither the line nor a variable sets."""
    if file is None:
        return None
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        message = f"--config {file} cannot be read: {error}. Give a TOML file."
        raise InvalidInputError(message) from error
    known = {one.name for one in context.command.params} - {"config"}
    for name in values:
        if name not in known:
            message = (
                f"--config {file} has a key {name!r}, which is no option. The options are "
                f"{', '.join(sorted(filter(None, known)))}."
            )
            raise InvalidInputError(message)
    context.default_map = values
    return file


@with_options(_VARIABLES)
def serve(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="embedded, a hub id, a local folder, or a bundle.",
            envvar="RERANK_MODEL",
            show_default="embedded",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME=MODEL",
            help="A model and the name that requests choose it by; may be repeated.",
            envvar="RERANK_MODELS",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file with options: max_documents = 500 for --max-documents 500.",
            envvar="RERANK_CONFIG",
            callback=_read_config,
            is_eager=True,
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Answers rerank requests of many clients over HTTP: docs/server.md lists them.

    Example: rerank serve embedded --port 8080
    """
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        require(module, extra="server", purpose="rerank serve")
    from rerank_plugins.server.running import check_address, run
    from rerank_plugins.server.service import Service

    given = {name: SERVER_OPTIONS[name].check(options[name], name) for name in SERVER_OPTIONS}
    tokens = read_tokens(given["token_file"])
    check_address(given["host"], given["port"])
    scorer = as_arguments({name: options[name] for name in _SCORER})
    references = _references(model, models or [])
    rerankers = rerankers_of(references, options["calibration"], **scorer)
    service = Service(rerankers, **{name: given[name] for name in LIMIT_OPTIONS})
    if not given["lazy"]:
        for reranker in rerankers.values():
            reranker.warm_up()  # an error ends the command before a port is opened
    with keys():  # from here on messages are for clients
        run(
            service,
            host=given["host"],
            port=given["port"],
            tokens=tokens,
            cors_origin=given["cors_origin"],
            log_format=given["log_format"],
            drain_seconds=given["drain_seconds"],
            lazy=given["lazy"],
        )


def _references(model: str | None, named: list[str]) -> dict[str, str]:
    """The references of all models by their names; a folder's name is its last part."""
    if model is None and not named:
        model = "embedded"
    found = {} if model is None else {served_name(model): model}
    for text in named:
        name, _, reference = text.partition("=")
        if not name or not reference:
            message = (
                f"--model must be NAME=MODEL, such as small=embedded, but got {text!r}. "
                f"For a single model, type rerank serve {text}."
            )
            raise InvalidInputError(message)
        if name in found:
            message = (
                f"Two models are named {name!r}. Give one of them another name: --model NAME=MODEL."
            )
            raise InvalidInputError(message)
        found[name] = reference
    return found
