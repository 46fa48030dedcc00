"""Every combination of models, backends, precisions and lengths to compare, each with a name."""

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
    """A cross-encoder and its options.

    Attributes:
        model: As `CrossEncoderScorer` takes it.
        options: The other options that differ from the defaults.
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
        """Everything that affects scores and times: model files, options, packages, processor.

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

    A name is the model's name (`run/model` for a folder with a common name), followed by the
    backend, the precision and the length if several of them were given.

    Args:
        models: Models, as `CrossEncoderScorer` takes them.
        backends: Backends for each model.
        precisions: Precisions for each model; `None` is fp32, or a bundle's own.
        max_lengths: Values of `max_length` for each model; `None` is the model's own limit.
        **options: The other options of `CrossEncoderScorer`, the same for all.
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
    """The processor, cores and packages, which affect times and the last digits of scores."""
    return json.dumps([processor(), processors(), installed_versions(RUNTIME)])
