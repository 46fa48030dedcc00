"""Measures whether half precision pays on this processor; torch emulates it if need be."""

import time
from functools import cache

_ROWS, _WIDTH, _INNER = 512, 384, 1536
"""The product that is timed: MiniLM's feed-forward part for 512 tokens, 0.6 billion operations."""
_ROUNDS = 4
_SLOW = 2.0
"""More than noise: with instructions for it, half precision is never slower."""


@cache
def slowdown(dtype: str) -> float:
    """How many times longer a matrix product takes on the CPU in `dtype` than in float32.

    Args:
        dtype: `"bfloat16"` or `"float16"`.
    """
    import torch

    def seconds(name: str) -> float:
        values = {"dtype": getattr(torch, name)}
        tokens, weights = torch.ones(_ROWS, _WIDTH, **values), torch.ones(_INNER, _WIDTH, **values)
        start = time.perf_counter()
        torch.nn.functional.linear(tokens, weights)
        return time.perf_counter() - start

    with torch.inference_mode():
        rounds = [(seconds(dtype), seconds("float32")) for _ in range(_ROUNDS)]
    half, full = (min(times) for times in zip(*rounds, strict=True))
    ratio: float = half / full
    return ratio


def pays(dtype: str) -> bool:
    """Whether this CPU has instructions for `dtype`, judged by `slowdown`."""
    return slowdown(dtype) < _SLOW
