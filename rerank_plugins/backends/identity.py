"""The identity of a cross-encoder's scores, known without loading the model."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rerank_plugins.backends.graphs.bundle import compiled_from
from rerank_plugins.backends.graphs.versions import GRAPHS, versions_for
from rerank_plugins.models.identity import model_digest
from rerank_plugins.models.references import is_bundle
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.versions import installed_versions
from rerank_plugins.results import Plan
from rerank_plugins.scoring.identity import Identity

_EVERYWHERE = ("rerank-plugins", "tokenizers", "numpy")
_RUNTIMES = {
    "torch": ("torch", "transformers", "sentence-transformers"),
    "jax": ("jax", "jaxlib"),
}
"""Backends that choose a device and run no graph, with the packages that scores go through."""


def identity_of(
    folder: Path,
    settings: Sequence[ModelSettings],
    plan: Plan,
    reading: Mapping[str, Any],
) -> Identity:
    """What makes the scores of a model what they are.

    A bundle is the model that it was compiled from, run by something else. The processor has no
    part in it.

    Args:
        folder: The model's folder. The first time its files are read, which takes seconds for a
            large model.
        settings: How it is loaded, once per device.
        plan: How it is run.
        reading: The options that decide what is read of a pair; those that are `None` leave it to
            the model.

    Raises:
        BundleError: The folder is a bundle whose manifest cannot be read.
    """
    digest, runtime = model_digest(folder), []
    if is_bundle(folder):
        digest, runtime = compiled_from(folder), [f"bundle {digest}"]
    runtime += [f"backend={plan.backend}", f"device={_kinds(settings, plan)}", platform.machine()]
    runtime += [f"{name} {version}" for name, version in _versions(plan).items()]
    runtime += [] if plan.backend == "torch" else [GRAPHS]
    given = [f"{name}={value!r}" for name, value in reading.items() if value is not None]
    return Identity(digest, plan.precision, tuple(sorted(given)), tuple(runtime))


def _kinds(settings: Sequence[ModelSettings], plan: Plan) -> str:
    """The kinds of the devices, such as `cuda`: which one of several changes no score."""
    unset = "auto" if plan.backend in _RUNTIMES else "cpu"
    return "+".join(sorted({(each.device or unset).partition(":")[0] for each in settings}))


def _versions(plan: Plan) -> dict[str, str]:
    """The versions of the packages that the scores go through."""
    if plan.backend in _RUNTIMES:
        return installed_versions((*_EVERYWHERE, *_RUNTIMES[plan.backend]))
    return installed_versions(_EVERYWHERE) | versions_for(plan.backend, plan.precision)
