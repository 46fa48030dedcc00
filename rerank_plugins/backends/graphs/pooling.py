"""Turns the states of all tokens into one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rerank_plugins.backends.graphs.operations import Inputs, Operations, V


def pooled(ops: Operations[V], states: V, inputs: Inputs[V], mode: str) -> V:
    """One state per pair, `(b, width)`.

    Args:
        ops: The operations.
        states: Of all tokens, `(b, t, width)`; for `"cls"` those of the first are enough.
        inputs: The network's inputs.
        mode: One of the `MODES`.
    """
    one: V = MODES[mode](ops, states, inputs)
    return one


def _first(ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
    return ops.reshape(ops.first(states), (0, -1))


def _mean(ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
    visible = ops.real(inputs["attention_mask"])
    return ops.divide(_mixed(ops, states, visible), ops.reshape(ops.sum(visible, 1), (-1, 1)))


def _maximum(ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
    visible = ops.equal(ops.reshape(inputs["attention_mask"], (0, -1, 1)), ops.constant(1))
    lowest = ops.constant(np.finfo(np.float32).min)
    return ops.maximum(ops.where(visible, states, lowest), 1)


def _last(ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
    """Of the last token that is not padding, which stands at the end."""
    mask = inputs["attention_mask"]
    last = ops.subtract(ops.reshape(ops.sum(mask, 1), (-1, 1)), ops.constant(1))
    return _mixed(ops, states, ops.real(ops.equal(ops.positions(mask), last)))


def _mixed(ops: Operations[V], states: V, weights: V) -> V:
    """The sum of states times weights `(b, t)`."""
    return ops.reshape(ops.matmul(ops.reshape(weights, (0, 1, -1)), states), (0, -1))


MODES: Mapping[str, Callable[[Operations[Any], Any, Inputs[Any]], Any]] = {
    "cls": _first,
    "mean": _mean,
    "max": _maximum,
    "lasttoken": _last,
}
"""By the names that sentence-transformers gives them."""
