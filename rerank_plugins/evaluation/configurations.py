"""Models, backends and precisions to compare: every combination under a name that tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from rerank_plugins.checks.declaration import checked
from rerank_plugins.evaluation.environment import RUNTIME, processor
from rerank_plugins.messages.names import model_names
from rerank_plugins.models.identity import model_digest
from rerank_plugins.models.location import locate
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.options import SCORER_OPTIONS
from rerank_plugins.process.quota import processors
from rerank_plugins.process.versions import installed_versions
from rerank_plugins.scorer import CrossEncoderScorer


@dataclass(frozen=True)
class Configuration:
    """A cross-encoder and how it is run.

    Attributes:
        model: As `CrossEncoderScorer` takes it.
        options: Its other options, where they are not the defaults.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """The arguments of `CrossEncoderScorer`."""
        return {"model": self.model, **self.options}

    def scorer(self) -> CrossEncoderScorer:
        """A scorer of this configuration; nothing is loaded yet."""
        return CrossEncoderScorer(**self.arguments())

    def identity(self) -> str:
        """All that scores and times depend on: the model's files, options, packages, processor.

        Raises:
            ModelError: The model cannot be found.
        """
        options = checked(self.arguments(), SCORER_OPTIONS, type(self).__name__)
        settings = ModelSettings(
            options["model"],
            revision=options["revision"],
            local_files_only=options["local_files_only"],
            trust_remote_code=options["trust_remote_code"],
        )
        parts = [options, model_digest(locate(settings)), machine_identity()]
        return json.dumps(parts, sort_keys=True)


def configurations(
    models: Sequence[str],
    *,
    backends: Sequence[str] = ("auto",),
    precisions: Sequence[str | None] = (None,),
    max_lengths: Sequence[int | None] = (None,),
    **options: Any,
) -> dict[str, Configuration]:
    """Returns every combination by its name.

    A name is that of the model (`run/model` for a folder that is called as all are), then the
    backend, the precision and the length where several were given.

    Args:
        models: Models, as `CrossEncoderScorer` takes them.
        backends: Backends of each.
        precisions: Precisions of each; `None` is fp32, or a bundle's own.
        max_lengths: Values of `max_length` of each; `None` is what the model can read.
        **options: The other options of `CrossEncoderScorer`, of all.
    """
    models, backends = (list(dict.fromkeys(values)) for values in (models, backends))
    precisions = list(dict.fromkeys(precisions))
    max_lengths = list(dict.fromkeys(max_lengths))
    names = model_names(models)
    found = {}
    for model, backend, precision, length in product(models, backends, precisions, max_lengths):
        parts = [names[model]]
        parts += [backend] * (len(backends) > 1)
        parts += [precision or "fp32"] * (len(precisions) > 1)
        parts += [f"{length or 'all'} tokens"] * (len(max_lengths) > 1)
        how = {"backend": backend, "precision": precision, "max_length": length}
        found[" ".join(parts)] = Configuration(model, {**options, **how})
    return found


def machine_identity() -> str:
    """What times depend on besides the model, and scores in their last digits."""
    return json.dumps([processor(), processors(), installed_versions(RUNTIME)])
