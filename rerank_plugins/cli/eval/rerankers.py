"""The rerankers that `rerank eval` compares: those of `--model`, and those of an options file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import yaml

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import keys
from rerank_plugins.messages.values import described

if TYPE_CHECKING:
    from rerank_plugins.evaluation import Configuration

_EXAMPLE = "with-cascade: {model: my-model, cascade: [{model: embedded, keep: 30}]}"


def rerankers_of(
    models: Sequence[str],
    several: Mapping[str, Sequence[Any] | None],
    options_file: Path | None,
    default: str,
    others: Mapping[str, Any],
) -> "dict[str, Configuration]":
    """Returns the rerankers to measure, by name.

    Args:
        models: Those of `--model`.
        several: Options that may be given several times, for these models.
        options_file: YAML or JSON with more rerankers: a mapping of names to options, as
            `Reranker.from_options` takes them.
        default: The model to measure if neither names one.
        others: The other options, for all of them.

    Raises:
        typer.BadParameter: Options are of no use, or two rerankers have one name.
        InvalidInputError: The file cannot be read, is not such a mapping, or has an option that is
            not allowed.
    """
    from rerank_plugins.evaluation import configurations

    given = {name: values for name, values in several.items() if values}
    if options_file is None:
        return configurations(models or [default], **given, **others)
    if given and not models:
        message = (
            "--backend, --precision and --max-length are for the models of --model; give those of "
            f"{options_file} their own there."
        )
        raise typer.BadParameter(message)
    listed = _listed(options_file, others)
    found = configurations(models, **given, **others)
    if twice := [name for name in found if name in listed]:
        message = f"{options_file} and --model both have {twice[0]!r}; rename it in the file."
        raise typer.BadParameter(message)
    return found | listed


def _listed(file: Path, others: Mapping[str, Any]) -> "dict[str, Configuration]":
    """The rerankers of a file; what it leaves out is as on the command line."""
    from rerank_plugins.evaluation import Configuration

    content = _content(file)
    if not isinstance(content, dict) or not content:
        message = (
            f"{file} must map names to options of a reranker, but has {described(content)}. For "
            f"example: {_EXAMPLE}"
        )
        raise InvalidInputError(message)
    found = {}
    for name, options in content.items():
        if not isinstance(name, str) or not isinstance(options, dict) or "model" not in options:
            message = (
                f"{file} must give options of a reranker for each name, with its model, but has "
                f"{described({name: options})}. For example: {_EXAMPLE}"
            )
            raise InvalidInputError(message)
        found[name] = Configuration(
            options["model"], {**others, **{key: options[key] for key in options if key != "model"}}
        )
        try:
            with keys():
                found[name].reranker().close()
        except (InvalidInputError, TypeError) as error:
            message = f"{file}, {name}: {error}"
            raise InvalidInputError(message) from error
    return found


def _content(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8-sig")
        return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        message = f"cannot read {file}: {error.strerror or error}. Check the path."
        raise InvalidInputError(message) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        form = "JSON" if file.suffix == ".json" else "YAML"
        message = f"{file} is not {form} ({reason}). For example: {_EXAMPLE}"
        raise InvalidInputError(message) from error
