"""The torch backend: sentence-transformers' `CrossEncoder`."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.alone import PROBES, gives, predicted_alone
from rerank_plugins.backends.contract import Backend, PairOptions
from rerank_plugins.backends.cross_encoder import (
    DTYPES,
    describe,
    load_cross_encoder,
    takes_token_ids,
)
from rerank_plugins.backends.encoder import (
    EncoderBackend,
)
from rerank_plugins.backends.half_precision import pays, slowdown
from rerank_plugins.backends.predict import predict_backend
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.turn import in_turn
from rerank_plugins.results import Plan
from rerank_plugins.tokens.padding import Tokens

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_CPU_BATCH_TOKENS = 2048
_ACCELERATOR_BATCH_TOKENS = 32768
_log = logging.getLogger(__name__)


@in_turn
def load_torch(settings: ModelSettings, folder: Path, plan: Plan) -> Backend:
    """A backend that runs a `CrossEncoder`.

    Encoders with a fast tokenizer get token ids, in batches by length. Other models, such as chat
    models that answer yes or no, go through `CrossEncoder.predict`.

    Raises:
        ModelError: The model cannot be loaded or does not fit the settings.
        MissingExtraError: sentence-transformers is not installed.
    """
    model = load_cross_encoder(settings, folder, device=settings.device, precision=plan.precision)
    on_cpu = model.device.type == "cpu"
    budget = _CPU_BATCH_TOKENS if on_cpu else _ACCELERATOR_BATCH_TOKENS
    if on_cpu:
        import torch

        plan = replace(plan, threads=torch.get_num_threads())
        _warn_if_emulated(settings.model, plan.precision)
    if takes_token_ids(model):
        description = describe(model)
        forward = TorchForward(model, description.inputs)
        encoder = EncoderBackend(settings.model, description, forward, plan, budget)
        if forward.of_first_token or _is_exact(encoder, model, settings.model):
            return encoder
    return predict_backend(model, settings.model, plan, budget)


def _is_exact(backend: EncoderBackend, model: "CrossEncoder", name: str) -> bool:
    """Whether the backend scores pairs as `predict` scores each alone, if necessary one by one."""
    pairs = backend.prepare(PROBES, PairOptions()).inputs
    wanted = predicted_alone(model, name)
    if wanted is None:
        backend.run_one_by_one("its tokenizer has no padding token")
        return True
    precision = backend.plan.precision
    if gives(lambda: backend.columns_of(pairs), wanted, precision):
        return True
    backend.run_one_by_one("it scores a pair differently beside longer ones")
    return gives(lambda: backend.columns_of(pairs), wanted, precision)


def _warn_if_emulated(name: str, precision: str) -> None:
    """Logs a warning if a half precision is slower than fp32 here."""
    dtype = DTYPES[precision]
    if dtype != "float32" and not pays(dtype):
        _log.warning(
            "%r runs in %s, which this processor emulates in torch: a product takes %.0f times "
            "as long as in fp32. Pass precision='auto', which is never slower than fp32.",
            name,
            precision,
            slowdown(dtype),
        )


class TorchForward:
    """Computes logits, float32 `(b, columns)`, from token ids with the model's own modules."""

    def __init__(self, model: "CrossEncoder", inputs: Sequence[str]) -> None:
        import torch

        from rerank_plugins.backends.first_token import FirstTokenLogits, reads_first_token

        self._torch = torch
        self._device = model.device
        self._inputs = inputs
        inner: Any = model[0].model
        self._attention: Callable[[], AbstractContextManager[None]] = nullcontext
        if self._device.type == "cuda":
            from torch.nn.attention import SDPBackend, sdpa_kernel

            # cuDNN plans attention again for every new shape, and batches differ in shape.
            kernels = [
                SDPBackend.FLASH_ATTENTION,
                SDPBackend.EFFICIENT_ATTENTION,
                SDPBackend.MATH,
            ]
            self._attention = lambda: sdpa_kernel(kernels)
        self._logits: Callable[[dict[str, Any]], Any]
        self.of_first_token = len(model) == 1 and reads_first_token(inner)
        if self.of_first_token:
            first_token = FirstTokenLogits(inner)
            self._logits = lambda features: first_token(**features)
        else:
            self._logits = lambda features: model(features)["scores"]

    def __call__(self, tokens: Tokens) -> NDArray[np.float32]:
        """The logits of a batch of tokenized pairs."""
        return self.fetched(self.scores(self.features(tokens)))

    def features(self, tokens: Tokens) -> dict[str, Any]:
        """The model's inputs on its device."""
        arrays = np.stack([getattr(tokens, name) for name in self._inputs])
        batch = self._torch.from_numpy(arrays)
        if self._device.type == "cuda":
            # A copy in one piece, from pinned memory, runs while the kernels are launched.
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        else:
            batch = batch.to(self._device)
        return dict(zip(self._inputs, batch, strict=True))

    def scores(self, features: dict[str, Any]) -> Any:
        """The logits of a batch on the device, `(b, columns)`; a GPU is not waited for."""
        with self._torch.inference_mode(), self._attention():
            return self._logits(features).float().reshape(len(features[self._inputs[0]]), -1)

    def fetched(self, scores: Any) -> NDArray[np.float32]:
        """The logits in memory. This is the one place that waits for the device."""
        logits: NDArray[np.float32] = scores.cpu().numpy()
        return logits
