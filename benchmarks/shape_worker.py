"""One way of running a model, in a process of its own: rates of scoring, and of large products.

The only argument and each line of the input are JSON objects. In: {"query", "passages"}, or {} for
the products. Out: {} when the model is loaded, then {"seconds"}, or {"rate"} in operations per
second.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

ROWS, WIDTH, INNER = 1024, 1024, 4096
"""The large product: rows, and the columns before and after it."""

Score = Callable[[str, list[str]], object]
Rate = Callable[[], float]


def stock(model: str) -> tuple[Score, Rate]:
    """`CrossEncoder.predict` in fp32, and torch's products."""
    import torch
    from sentence_transformers import CrossEncoder

    encoder = CrossEncoder(model, device="cpu")
    given, weights = torch.randn(ROWS, WIDTH), torch.randn(INNER, WIDTH)

    def rate() -> float:
        start = time.perf_counter()
        torch.nn.functional.linear(given, weights)
        return 2 * ROWS * WIDTH * INNER / (time.perf_counter() - start)

    return lambda query, passages: encoder.predict([(query, text) for text in passages]), rate


def ours(model: str, backend: str, precision: str) -> tuple[Score, Rate]:
    """A scorer, and OpenVINO's products in its precision."""
    from benchmarks.products import Products
    from rerank_plugins import CrossEncoderScorer

    scorer = CrossEncoderScorer(model, backend=backend, precision=precision)
    scorer.warm_up()
    kind = "f32" if precision == "fp32" else precision
    return scorer.score, Products(kind, ROWS, (WIDTH, INNER, WIDTH), chain=1).rate


def main() -> None:
    """Loads the model that the command line describes, and answers until the input ends."""
    description: dict[str, str] = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    score, rate = stock(**description) if "backend" not in description else ours(**description)

    def answer(content: dict[str, Any]) -> None:
        out.write(json.dumps(content) + "\n")
        out.flush()

    answer({})
    for line in sys.stdin:
        request = json.loads(line)
        if request:
            start = time.perf_counter()
            score(**request)
            answer({"seconds": time.perf_counter() - start})
        else:
            answer({"rate": rate()})


if __name__ == "__main__":
    main()
