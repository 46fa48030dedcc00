"""Every combination of models, backends, precisions and lengths to compare, each with a name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from rerank_plugins.checks.declaration import checked
from rerank_plugins.evaluation.environment import RUNTIME, processor
from rerank_plugins.messages.names import model_names
from rerank_plugins.models.identity import model_digest
from rerank_plugins.models.location import locate
from rerank_plugins.models.own_settings import read_own_settings
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.options import RANKING_OPTIONS, SCORER_OPTIONS
from rerank_plugins.process.quota import processors
from rerank_plugins.process.versions import installed_versions
from rerank_plugins.reranker import Reranker
from rerank_plugins.scorer import CrossEncoderScorer

_ORDERING = ("first_stage_weight", "cascade", "time_budget")
"""The options of a ranking that change the order; only these have a part in what is measured."""


@dataclass(frozen=True)
class Configuration:
    """A cross-encoder and its options, perhaps with fusion, a cascade or a time budget.

    Attributes:
        model: As `CrossEncoderScorer` takes it.
        options: The other options of the scorer and of the ranking that differ from the defaults.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ranking(self) -> dict[str, Any]:
        """The options that make an order of more than the model's scores; empty if none do.

        A weight of 0 and a cascade without stages change no order, and are left out too.
        """
        return {name: self.options[name] for name in _ORDERING if self.options.get(name)}

    def arguments(self) -> dict[str, Any]:
        """The arguments of `Reranker.from_options`."""
        return {"model": self.model, **self.options}

    def scorer(self) -> CrossEncoderScorer:
        """A scorer of the model alone; nothing is loaded yet."""
        return CrossEncoderScorer(**self._of_scorer())

    def reranker(self) -> Reranker:
        """A reranker of this configuration; nothing is loaded yet.

        Raises:
            InvalidInputError: An option is not allowed.
        """
        return Reranker.from_options(**self.arguments())

    def measured(self) -> Reranker:
        """A reranker with the options that are measured alone; nothing is loaded yet.

        The whole order is measured, so the time has no part for what is done with some results
        only, such as a search for the sentences that answer.
        """
        return Reranker.from_options(**self._of_scorer(), **self.ranking)

    def identity(self) -> str:
        """Everything that affects scores and times: model files, options, packages, processor.

        Raises:
            ModelError: A model cannot be found.
        """
        options = checked(self._of_scorer(), SCORER_OPTIONS, type(self).__name__)
        parts: list[Any] = [options, model_digest(_folder(options)), machine_identity()]
        if self.ranking:
            offline = {"local_files_only": options["local_files_only"]}
            stages = [options, *({**each, **offline} for each in self.ranking.get("cascade", []))]
            weights = [read_own_settings(_folder(each)).first_stage_weight for each in stages]
            digests = [model_digest(_folder(each)) for each in stages[1:]]
            parts += [self.ranking, weights, digests]
        return json.dumps(parts, sort_keys=True)

    def _of_scorer(self) -> dict[str, Any]:
        given = self.arguments()
        return {name: value for name, value in given.items() if name not in RANKING_OPTIONS}


def _folder(options: Mapping[str, Any]) -> Path:
    """The folder of a model, downloaded if necessary."""
    given = {
        name: options[name]
        for name in ("model", "revision", "local_files_only", "trust_remote_code")
        if name in options
    }
    return locate(ModelSettings(**given))


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
