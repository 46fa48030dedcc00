"""Models, backends and precisions to compare: every combination under a name that tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from rerank_plugins.evaluation.environment import RUNTIME, processor
from rerank_plugins.messages.names import model_names
from rerank_plugins.models.identity import model_digest
from rerank_plugins.models.location import locate
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.quota import processors
from rerank_plugins.process.versions import installed_versions
from rerank_plugins.scorer import CrossEncoderScorer


@dataclass(frozen=True)
class Configuration:
    """A cross-encoder and how it is run; the fields are options of ``CrossEncoderScorer``."""

    model: str
    backend: str = "auto"
    precision: str | None = None
    device: str | None = None
    max_length: int | None = None
    label: int | str | None = None
    revision: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False
    prompt: str | None = None
    query_prefix: str = ""
    passage_prefix: str = ""

    def options(self) -> dict[str, Any]:
        """The arguments of ``CrossEncoderScorer``."""
        return asdict(self)

    def scorer(self) -> CrossEncoderScorer:
        """A scorer of this configuration; nothing is loaded yet."""
        return CrossEncoderScorer(**self.options())

    def identity(self) -> str:
        """All that scores and times depend on: the model's files, options, packages, processor.

        Raises:
            ModelError: The model cannot be found.
        """
        settings = ModelSettings(
            self.model,
            revision=self.revision,
            local_files_only=self.local_files_only,
            trust_remote_code=self.trust_remote_code,
        )
        digest = model_digest(locate(settings))
        return json.dumps([self.options(), digest, machine_identity()], sort_keys=True)


def configurations(
    models: Sequence[str],
    *,
    backends: Sequence[str] = ("auto",),
    precisions: Sequence[str | None] = (None,),
    **options: Any,
) -> dict[str, Configuration]:
    """Returns every combination by its name.

    A name is that of the model (`run/model` for a folder that is called as all are), then the
    backend and the precision where several were given.

    Args:
        models: Models, as ``CrossEncoderScorer`` takes them.
        backends: Backends of each.
        precisions: Precisions of each; `None` is fp32, or a bundle's own.
        **options: The other fields of ``Configuration``, of all.
    """
    models, backends = (list(dict.fromkeys(values)) for values in (models, backends))
    precisions = list(dict.fromkeys(precisions))
    names = model_names(models)
    found = {}
    for model, backend, precision in product(models, backends, precisions):
        parts = [names[model]]
        parts += [backend] * (len(backends) > 1)
        parts += [precision or "fp32"] * (len(precisions) > 1)
        found[" ".join(parts)] = Configuration(model, backend, precision, **options)
    return found


def machine_identity() -> str:
    """What times depend on besides the model, and scores in their last digits."""
    return json.dumps([processor(), processors(), installed_versions(RUNTIME)])
