"""The operations that encoders and heads are written in, so that one text serves every runtime."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from numpy.typing import ArrayLike

V = TypeVar("V")
"""A value: the name of a node's output in a graph under construction, or an array."""

Inputs: TypeAlias = Mapping[str, V]
"""Members of `INPUTS`, int64 `(b, t)`, by name. `attention_mask` is always there."""

MASKED = -30000.0
"""Added to the attention scores of padding, whose weights become 0. It fits into half precision."""


class Operations(Protocol[V]):
    """What an encoder may compute with.

    Values are fp32 unless they are ids or conditions. They broadcast as in numpy. Weights go by
    their keys in safetensors, and their shapes were checked before.
    """

    def weight(self, name: str) -> V:
        """A weight."""
        ...

    def weight_parts(self, name: str, parts: int) -> Sequence[V]:
        """Equal parts of a weight along its first axis."""
        ...

    def rows(self, name: str, ids: V) -> V:
        """Rows of a table among the weights: `(*ids, width)`. Only these rows are read."""
        ...

    def linear(self, source: V, *names: str) -> V:
        """`source @ weight.T + bias`, without the bias if the model has none.

        Args:
            source: `(..., n)`.
            names: The layer's key without `.weight`. Several layers become one product, whose
                outputs lie side by side.
        """
        ...

    def linear_parts(self, source: V, name: str, parts: int) -> Sequence[V]:
        """Equal parts of what `linear` gives, each a product of its own.

        Nothing has to be copied out of a wide product then.
        """
        ...

    def norm(self, source: V, name: str, epsilon: float) -> V:
        """Layer normalisation over the last axis, without the bias if the model has none."""
        ...

    def constant(self, value: ArrayLike) -> V:
        """A constant: int64, bool, or fp32."""
        ...

    def positions(self, ids: V) -> V:
        """0 to t - 1, int64 `(t,)`, for ids of shape `(b, t)`."""
        ...

    def add(self, left: V, right: V) -> V:
        """Left plus right."""
        ...

    def subtract(self, left: V, right: V) -> V:
        """Left minus right."""
        ...

    def multiply(self, left: V, right: V) -> V:
        """Left times right, element by element."""
        ...

    def divide(self, left: V, right: V) -> V:
        """Left by right, element by element."""
        ...

    def matmul(self, left: V, right: V) -> V:
        """The matrix product over the last two axes."""
        ...

    def reshape(self, source: V, shape: Sequence[int]) -> V:
        """Another shape: 0 keeps the axis of that place, and -1 takes what is left."""
        ...

    def transpose(self, source: V, order: Sequence[int]) -> V:
        """The axes in another order."""
        ...

    def concatenate(self, parts: Sequence[V], axis: int) -> V:
        """The parts along an axis."""
        ...

    def split(self, source: V, parts: int, axis: int) -> Sequence[V]:
        """Equal parts along an axis."""
        ...

    def first(self, source: V) -> V:
        """The states of the first token: `(b, 1, width)` of `(b, t, width)`."""
        ...

    def take(self, table: V, ids: V) -> V:
        """Rows of a table: `(*ids, width)`, or `(*ids,)` if the table has one axis."""
        ...

    def along_diagonals(self, source: V) -> V:
        """What row i has in column t - 1 - i and in the t - 1 columns after it.

        Args:
            source: `(b, heads, t, 2 t)`.

        Returns:
            `(b, heads, t, t)`: its element (i, j) is from column t - 1 - i + j.
        """
        ...

    def sum(self, source: V, axis: int) -> V:
        """The sum over an axis, which is dropped."""
        ...

    def maximum(self, source: V, axis: int) -> V:
        """The greatest over an axis, which is dropped."""
        ...

    def cumulative_sum(self, source: V, axis: int) -> V:
        """The sum of each element and all before it."""
        ...

    def softmax(self, source: V) -> V:
        """The softmax over the last axis."""
        ...

    def activation(self, source: V, name: str) -> V:
        """One of the `ACTIVATIONS`, by its name in transformers."""
        ...

    def sine(self, source: V) -> V:
        """The sine."""
        ...

    def cosine(self, source: V) -> V:
        """The cosine."""
        ...

    def equal(self, left: V, right: V) -> V:
        """Where left equals right."""
        ...

    def less(self, left: V, right: V) -> V:
        """Where left is less than right."""
        ...

    def where(self, condition: V, then: V, otherwise: V) -> V:
        """Elements of `then` where the condition holds, and of `otherwise` elsewhere."""
        ...

    def real(self, source: V) -> V:
        """Integers or conditions as fp32."""
        ...

    def integer(self, source: V) -> V:
        """Conditions as int64."""
        ...

    def rotated(self, source: V, cosine: V, sine: V, width: int) -> V:
        """Each number turned together with its partner, in the form that OpenVINO fuses.

        Args:
            source: `(b, heads, t, width)`. Number i is the partner of number i + width / 2.
            cosine: Of the angles, `(1, 1, t, width)`.
            sine: Of the angles, `(1, 1, t, width)`.
            width: Width of a head.
        """
        ...

    def attention(self, query: V, key: V, value: V, bias: V) -> V:
        """What each head reads, in the form that OpenVINO fuses.

        ONNX Runtime's own operator for it was no faster (docs/benchmarks-vnni.md).

        Args:
            query: `(b, heads, q, width)`, scaled already.
            key: `(b, heads, t, width)`.
            value: `(b, heads, t, width)`.
            bias: Added to the scores before the softmax; broadcasts to `(b, heads, q, t)`.

        Returns:
            `(b, heads, q, width)`.
        """
        ...


ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "linear": "linear",
}
"""What each name in transformers means; some are the same function, computed in another way."""
