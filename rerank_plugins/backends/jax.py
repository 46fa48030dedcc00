"""The JAX backend: a network under `jax.jit`, in fp32 or bf16, on the first device that JAX finds.

A program is compiled for each shape of a batch, which takes about as long as hundreds of batches.
So batches are run in parts of a few shapes: see `PartSizes`.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import Backend
from rerank_plugins.backends.encoder import EncoderBackend
from rerank_plugins.backends.graphs.array_operations import ArrayOperations
from rerank_plugins.backends.graphs.described import described_network
from rerank_plugins.backends.graphs.networks import Network
from rerank_plugins.backends.machine import runtime
from rerank_plugins.errors import ForkedProcessError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.results import Plan
from rerank_plugins.tokens.padding import Tokens

_CPU_BATCH_TOKENS = 2048
_CPU_PART_TOKENS = 512  # XLA's programs for a processor are slower per token beyond
_ACCELERATOR_TOKENS = 32768  # of batches, and of parts
_SHORTEST = 32

_process: int | None = None
"""The process in which a model was first loaded: JAX's threads do not survive a fork."""


def load_jax(settings: ModelSettings, folder: Path, plan: Plan) -> Backend:
    """A backend that runs the network in a folder in JAX.

    Raises:
        NoGraphError: The model, or how it reads texts, has something that no network describes.
        ModelError: A file is damaged, or weights are missing.
        MissingExtraError: JAX is not installed.
        ForkedProcessError: JAX ran before this process was forked.
    """
    network, description = described_network(folder, settings.model)
    forward = JaxForward(
        network,
        description.inputs,
        limit=description.limit,
        precision=plan.precision,
        on_cpu=settings.device is not None,  # other devices were refused
    )
    plan = replace(plan, reason=f"{plan.reason}; JAX runs it on {forward.device}")
    budget = _CPU_BATCH_TOKENS if forward.device.platform == "cpu" else _ACCELERATOR_TOKENS
    return EncoderBackend(settings.model, description, forward, plan, budget)


@dataclass(frozen=True, slots=True)
class PartSizes:
    """The shapes that batches are run in: a power of 4 of pairs, by one of a few lengths.

    Attributes:
        tokens: The most tokens of a part; a pair with more is a part of its own.
        limit: The most tokens per pair that the model can read; `None` if it has no limit.
    """

    tokens: int
    limit: int | None

    def length(self, tokens: int) -> int:
        """The next of 32, 48, 64, 96, 128, 192 and so on; at most the limit."""
        length = _SHORTEST
        while length < tokens:
            # By a half and by a third in turns: from a power of 2 to the next in two steps.
            length += length // 2 if length & (length - 1) == 0 else length // 3
        return length if self.limit is None else min(length, self.limit)

    def pairs(self, left: int, length: int) -> int:
        """How many pairs the next part has, when so many are left; a quarter may be filling."""
        pairs = 1
        while 4 * pairs * length <= self.tokens and 3 * pairs <= left:
            pairs *= 4
        return pairs


class JaxForward:
    """Computes logits from token ids with a network's weights on a device.

    Args:
        network: The network.
        inputs: The members of `INPUTS` to give it.
        limit: The most tokens per pair that it can read; `None` if it has no limit.
        precision: `"fp32"`, or `"bf16"`: tables, and factors of products, in bf16, and all sums in
            fp32.
        on_cpu: Whether to run on the CPU instead of the first device that JAX finds.

    Attributes:
        device: The device.

    Raises:
        MissingExtraError: JAX is not installed.
        ForkedProcessError: JAX ran before this process was forked.
    """

    def __init__(
        self,
        network: Network,
        inputs: Sequence[str],
        *,
        limit: int | None,
        precision: str = "fp32",
        on_cpu: bool = False,
    ) -> None:
        jax = runtime("jax")
        _enter_process()
        self.device = jax.local_devices(backend="cpu" if on_cpu else None)[0]
        is_cpu = self.device.platform == "cpu"
        self._sizes = PartSizes(_CPU_PART_TOKENS if is_cpu else _ACCELERATOR_TOKENS, limit)
        self._inputs = inputs
        matrix = jax.numpy.bfloat16 if precision == "bf16" else np.float32
        self._weights = {}
        for name, _ in (*network.encoder.shapes(), *network.head.shapes()):
            array = network.weights.array(name)
            kind = matrix if array.ndim > 1 else np.float32
            self._weights[name] = jax.device_put(array.astype(kind), self.device)
        # Said aloud, because applications may forbid transfers that are not (jax_transfer_guard).
        self._to_device = partial(jax.device_put, device=self.device)
        self._from_device = jax.device_get
        settings = {
            "real": np.float32,
            "product": _product(jax.numpy, precision),
            "erf": jax.lax.erf,
        }

        def logits(weights: dict[str, Any], batch: dict[str, Any]) -> Any:
            with jax.numpy_rank_promotion("allow"):  # applications may forbid it in their own code
                return network.logits(ArrayOperations(jax.numpy, weights, **settings), batch)

        self._logits = jax.jit(logits)

    def __call__(self, tokens: Tokens) -> NDArray[np.float32]:
        """Logits, float32 `(b, columns)`."""
        lengths = tokens.attention_mask.sum(axis=1)
        order = left = np.argsort(-lengths, kind="stable")
        parts = []
        while left.size:
            length = self._sizes.length(int(lengths[left[0]]))
            pairs = self._sizes.pairs(left.size, length)
            places, left = left[:pairs], left[pairs:]
            batch = {
                name: _filled(getattr(tokens, name)[places, :length], (pairs, length))
                for name in self._inputs
            }
            parts.append((len(places), self._logits(self._weights, self._to_device(batch))))
        # All parts were sent to the device before the first is waited for.
        sorted_logits = np.concatenate([self._from_device(found)[:pairs] for pairs, found in parts])
        logits = np.empty_like(sorted_logits)
        logits[order] = sorted_logits
        return logits


def _enter_process() -> None:
    global _process
    if _process not in (None, os.getpid()):
        message = (
            "JAX ran before this process was forked, and would wait for ever for threads that did "
            f"not survive the fork. Load models with {option('backend', 'jax')} in the child "
            "processes alone, start these with multiprocessing's spawn, or use "
            f"{option('backend', 'onnx')}."
        )
        raise ForkedProcessError(message)
    _process = os.getpid()


def _product(module: Any, precision: str) -> Callable[[Any, Any], Any]:
    """The matrix product in a precision, with sums in fp32."""
    if precision == "fp32":
        # By default, accelerators round the factors of products in fp32.
        return partial(module.matmul, precision="highest")

    def product(left: Any, right: Any) -> Any:
        factors = left.astype(module.bfloat16), right.astype(module.bfloat16)
        return module.matmul(*factors, preferred_element_type=module.float32)

    return product


def _filled(rows: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int32]:
    """The rows in a larger array of zeros, which the mask hides."""
    filled = np.zeros(shape, np.int32)
    filled[: rows.shape[0], : rows.shape[1]] = rows
    return filled
