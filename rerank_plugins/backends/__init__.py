"""Backends: a loaded model that scores pairs. Which one runs, and what all of them answer to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rerank_plugins._model import EMBEDDED, ModelSettings
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.results import PairScores

BACKENDS = ("auto", "torch", "onnx")
PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How pairs are scored; unlike `ModelSettings`, free to differ between sharers of a model."""

    max_length: int | None = None
    max_batch_tokens: int | None = None
    prompt: str | None = None
    label: int | str | None = None
    progress_bar: bool = False


class Backend(Protocol):
    """A loaded model. Used from one thread at a time."""

    def check(self, options: PairOptions) -> None:
        """Raises what `score` would raise for these options, whatever the pairs."""

    def score(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> PairScores:
        """One logit per pair, in the order of the pairs."""


def load(settings: ModelSettings) -> Backend:
    """The loaded model for these settings.

    Raises:
        ModelError: The model cannot be loaded or does not fit the options.
        MissingExtraError: The backend's packages are not installed.
    """
    if chosen_backend(settings) == "onnx":
        from rerank_plugins.backends.onnx import load_onnx

        return load_onnx(settings)
    from rerank_plugins.backends.torch import load_torch

    return load_torch(settings)


def chosen_backend(settings: ModelSettings) -> str:
    """`"onnx"` or `"torch"`, for `backend="auto"` too.

    Raises:
        UnsupportedOptionError: ONNX Runtime is asked for and cannot run the model that way.
    """
    fits_onnx = (
        settings.model == EMBEDDED
        and settings.device in (None, "cpu")
        and settings.precision == "fp32"
    )
    if settings.backend == "onnx" and not fits_onnx:
        message = (
            "backend='onnx' runs model='embedded' on device='cpu' in precision='fp32'; got "
            f"model={settings.model!r}, device={settings.device!r}, "
            f"precision={settings.precision!r}. Use backend='torch' for those."
        )
        raise UnsupportedOptionError(message)
    return "onnx" if fits_onnx and settings.backend != "torch" else "torch"
