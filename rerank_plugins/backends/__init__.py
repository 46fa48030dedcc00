"""Backends: a loaded model that scores pairs. Which one runs, and what all of them answer to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._model import EMBEDDED, ModelSettings
from rerank_plugins.errors import UnsupportedOptionError

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


@dataclass(frozen=True, slots=True)
class Prepared:
    """n pairs made ready for a model, in their order.

    Attributes:
        inputs: What `Backend.logits` takes for each.
        tokens: Their lengths, by which batches are sorted and bounded.
        truncated: Whether each was cut at `max_length`; `None` if not known.
    """

    inputs: Sequence[Any]
    tokens: Sequence[int]
    truncated: Sequence[bool] | None


class Backend(Protocol):
    """A loaded model, in two steps that overlap: one thread prepares pairs, another scores them.

    `check` and `prepare` are called from one thread at a time, and so is `logits`.
    """

    def check(self, options: PairOptions) -> None:
        """Raises what the other methods would raise for these options, whatever the pairs."""

    def batch_tokens(self, options: PairOptions) -> int:
        """Most tokens of a batch, padding included."""

    def prepare(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> Prepared:
        """Makes pairs ready for `logits`."""

    def logits(self, inputs: Sequence[Any], options: PairOptions) -> NDArray[np.float32]:
        """Runs one batch of b prepared pairs: their logits, shape `(b,)`."""


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
