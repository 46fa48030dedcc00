"""The rate of large matrix products in OpenVINO: the ceiling for any model in that precision."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.process.imports import imported
from rerank_plugins.process.signal_stack import signal_stack_kept

openvino: Any = imported("openvino")
opset: Any = imported("openvino.opset13")


class Products:
    """Products of the same rows with one matrix after the other, and nothing in between.

    Args:
        precision: `"f32"`, `"bf16"` or `"int8"`.
        rows: Rows.
        widths: Columns before the first product, and after each; the last as many as the first.
        chain: How often they follow each other.
    """

    def __init__(self, precision: str, rows: int, widths: Sequence[int], chain: int) -> None:
        generator = np.random.default_rng(0)
        source = opset.parameter([rows, widths[0]], np.float32)
        last = source
        for _ in range(chain):
            for columns, results in pairwise(widths):
                weights = generator.normal(0, columns**-0.5, (results, columns)).astype(np.float32)
                last = _product(last, weights, quantized=precision == "int8")
        wide = "f32" if precision == "f32" else "bf16"
        settings = {"INFERENCE_PRECISION_HINT": wide, "NUM_STREAMS": "1"}
        with signal_stack_kept():
            model = openvino.Model([last], [source])
            self._compiled = openvino.Core().compile_model(model, "CPU", settings)
        self._given = np.random.default_rng(1).normal(size=(rows, widths[0])).astype(np.float32)
        self._operations = chain * rows * sum(2 * a * b for a, b in pairwise(widths))

    def rate(self) -> float:
        """Operations per second, measured now; a multiplication with its addition is two."""
        start = time.perf_counter()
        self._compiled(self._given)
        return self._operations / (time.perf_counter() - start)


def _product(given: Any, weights: NDArray[np.float32], *, quantized: bool) -> Any:
    factor = opset.constant(weights)
    if quantized:
        given, factor = _quantized(given, levels=256), _quantized(factor, levels=255)
    return opset.matmul(given, factor, transpose_a=False, transpose_b=True)


def _quantized(given: Any, *, levels: int) -> Any:
    """The operation that nncf inserts for 8 bits: a range divided into levels."""
    low, high = (opset.constant(np.float32(bound)) for bound in (-4.0, 4.0))
    return opset.fake_quantize(given, low, high, low, high, levels)
