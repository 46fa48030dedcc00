"""The settings that decide which model is loaded, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rerank_plugins.errors import (
    InvalidInputError,
)
from rerank_plugins.models.references import EMBEDDED, is_bundle, is_on_disk


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Decides which model is loaded, and how; scorers with equal settings share one model."""

    model: str
    revision: str | None = None
    device: str | None = None
    backend: str = "auto"
    precision: str | None = None
    threads: int | None = None
    local_files_only: bool = False
    token: str | Callable[[], str | None] | None = field(default=None, repr=False)
    cache_folder: Path | None = None
    trust_remote_code: bool = False


def settings_of(options: Mapping[str, Any]) -> tuple[ModelSettings, ...]:
    """The settings for each device, by the checked options of a scorer; there is at least one."""
    settings = {each.name: options[each.name] for each in fields(ModelSettings)}
    if is_on_disk(options["model"]):
        settings["token"] = None  # no hub asks for it, and all scorers share the model
    if options["cache_folder"] is not None:
        settings["cache_folder"] = Path(options["cache_folder"])
    devices = options["device"] if isinstance(options["device"], list) else [options["device"]]
    return tuple(ModelSettings(**{**settings, "device": device}) for device in devices)


def located_now(settings: ModelSettings) -> ModelSettings:
    """The settings with absolute paths and an explicit precision.

    Absolute paths stay valid when the process changes its folder. With an explicit precision,
    scorers with `precision=None` and `precision="fp32"` share a model.
    """
    model, cache = settings.model, settings.cache_folder
    if model != EMBEDDED and is_on_disk(model):
        model = str(Path(model).expanduser().resolve())
    try:
        cache = cache and cache.expanduser().absolute()
    except (RuntimeError, OSError) as error:  # no such home, no folder to be in
        message = (
            f"cache_folder={str(cache)!r} cannot be looked up: {error}. Give an absolute path."
        )
        raise InvalidInputError(message) from error
    precision = settings.precision
    if precision is None and not is_bundle(Path(model)):  # a bundle has one of its own
        precision = "fp32"
    return replace(settings, model=model, precision=precision, cache_folder=cache)
