"""Computes a network with an array module: with `jax.numpy`, or with numpy where tests need it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rerank_plugins.backends.graphs.operations import ACTIVATIONS


class ArrayOperations:
    """`Operations` on arrays.

    Args:
        module: `numpy`, or a module with its functions.
        weights: The weights by their keys in safetensors. They may be in a lower precision.
        real: The type that is computed in.
        product: The matrix product over the last two axes.
        erf: The error function, which numpy does not have.
    """

    def __init__(
        self,
        module: Any,
        weights: Mapping[str, Any],
        *,
        real: Any,
        product: Callable[[Any, Any], Any],
        erf: Callable[[Any], Any],
    ) -> None:
        self._module = module
        self._weights = weights
        self._real = real
        self._product = product
        self._erf = erf

    def weight(self, name: str) -> Any:
        return self.real(self._weights[name])

    def weight_parts(self, name: str, parts: int) -> Sequence[Any]:
        return self.split(self.weight(name), parts, 0)

    def rows(self, name: str, ids: Any) -> Any:
        return self.real(self._weights[name][ids])

    def linear(self, source: Any, *names: str) -> Any:
        # Side by side are the outputs, not the matrices, which would be copied for every batch.
        parts = [self._product(source, self.weight(f"{name}.weight").T) for name in names]
        if f"{names[0]}.bias" in self._weights:
            biases = [self.weight(f"{name}.bias") for name in names]
            parts = [part + bias for part, bias in zip(parts, biases, strict=True)]
        return self.concatenate(parts, -1)

    def linear_parts(self, source: Any, name: str, parts: int) -> Sequence[Any]:
        return self.split(self.linear(source, name), parts, -1)

    def norm(self, source: Any, name: str, epsilon: float) -> Any:
        centred = source - source.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        scaled = centred / self._module.sqrt(variance + epsilon) * self.weight(f"{name}.weight")
        shift = f"{name}.bias"
        return scaled + self.weight(shift) if shift in self._weights else scaled

    def constant(self, value: ArrayLike) -> Any:
        array = np.asarray(value)
        return self.real(array) if array.dtype.kind == "f" else self._module.asarray(array)

    def positions(self, ids: Any) -> Any:
        return self._module.arange(ids.shape[1])

    def add(self, left: Any, right: Any) -> Any:
        return left + right

    def subtract(self, left: Any, right: Any) -> Any:
        return left - right

    def multiply(self, left: Any, right: Any) -> Any:
        return left * right

    def divide(self, left: Any, right: Any) -> Any:
        return left / right

    def matmul(self, left: Any, right: Any) -> Any:
        return self._product(left, right)

    def reshape(self, source: Any, shape: Sequence[int]) -> Any:
        return source.reshape([length or source.shape[place] for place, length in enumerate(shape)])

    def transpose(self, source: Any, order: Sequence[int]) -> Any:
        return source.transpose(order)

    def concatenate(self, parts: Sequence[Any], axis: int) -> Any:
        return self._module.concatenate(parts, axis=axis)

    def split(self, source: Any, parts: int, axis: int) -> Sequence[Any]:
        split: Sequence[Any] = self._module.split(source, parts, axis=axis)
        return split

    def first(self, source: Any) -> Any:
        return source[:, :1]

    def take(self, table: Any, ids: Any) -> Any:
        return table[ids]

    def along_diagonals(self, source: Any) -> Any:
        *outer, length, _ = source.shape
        flat = source.reshape(*outer, -1)[..., length - 1 : -1]
        return flat.reshape(*outer, length, -1)[..., :length]

    def sum(self, source: Any, axis: int) -> Any:
        return source.sum(axis=axis)

    def maximum(self, source: Any, axis: int) -> Any:
        return source.max(axis=axis)

    def cumulative_sum(self, source: Any, axis: int) -> Any:
        return self._module.cumsum(source, axis=axis)

    def softmax(self, source: Any) -> Any:
        powers = self._module.exp(source - source.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def activation(self, source: Any, name: str) -> Any:
        kind = ACTIVATIONS[name]
        if kind == "gelu":
            return source * 0.5 * (1 + self._erf(source * math.sqrt(0.5)))
        if kind == "gelu_tanh":
            inner = math.sqrt(2 / math.pi) * (source + 0.044715 * source**3)
            return source * 0.5 * (1 + self._module.tanh(inner))
        if kind == "relu":
            return self._module.maximum(source, 0)
        if kind == "tanh":
            return self._module.tanh(source)
        if kind == "linear":
            return source
        gate = 1 / (1 + self._module.exp(-source))
        return gate if kind == "sigmoid" else source * gate

    def sine(self, source: Any) -> Any:
        return self._module.sin(source)

    def cosine(self, source: Any) -> Any:
        return self._module.cos(source)

    def equal(self, left: Any, right: Any) -> Any:
        return left == right

    def less(self, left: Any, right: Any) -> Any:
        return left < right

    def where(self, condition: Any, then: Any, otherwise: Any) -> Any:
        return self._module.where(condition, then, otherwise)

    def real(self, source: Any) -> Any:
        return source.astype(self._real)

    def integer(self, source: Any) -> Any:
        return source.astype(int)

    def rotated(self, source: Any, cosine: Any, sine: Any, width: int) -> Any:
        left, right = source[..., : width // 2], source[..., width // 2 :]
        return source * cosine + self.concatenate([-right, left], -1) * sine

    def attention(self, query: Any, key: Any, value: Any, bias: Any) -> Any:
        scores = self._product(query, key.transpose(0, 1, 3, 2))
        return self._product(self.softmax(scores + bias), value)
