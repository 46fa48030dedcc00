"""What bf16 and int8 cost in ranking: their rounding in fp32, for processors that have neither.

python -m benchmarks.rounding COLLECTION... --model MODEL [--sample N] [--depth N]

For bf16, the weights and the inputs and outputs of every product, normalisation and activation are
rounded to bf16, and the computation is in fp32. For int8, OpenVINO quantises the graph, but its
rounding steps run in fp32 instead of in 8-bit kernels, whose sums overflow on a processor without
VNNI. All of them cut long passages, as the rounded `CrossEncoder` does. On a processor with both,
`rerank eval --precision` measures the real precisions.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from torch import nn

from benchmarks.ranking import MEASURE, Values, say_how, show_rankings
from rerank_plugins import CrossEncoderScorer, compile_model
from rerank_plugins.evaluation import compare, read_collection
from rerank_plugins.evaluation.comparison import Order
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.timing import scorer_function
from rerank_plugins.process.imports import imported

openvino: Any = imported("openvino")
opset: Any = imported("openvino.opset13")

Score = Callable[[str, list[str]], list[float]]


def main() -> None:
    """Prints one row per collection, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, required=True, help="a saved cross-encoder")
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--depth", type=int, default=100)
    arguments = parser.parse_args()
    with (
        CrossEncoderScorer(arguments.model, long_passages="truncate") as fp32,
        quantised(arguments.model) as int8,
    ):
        ways = {"fp32": scorer_function(fp32), "bf16": rounded(arguments.model), "int8": int8}
        measure(arguments.collections, ways, arguments.sample, arguments.depth)
    say_how("benchmarks.rounding")


def measure(folders: list[Path], ways: dict[str, Score], sample: int, depth: int) -> None:
    """Prints the quality of each way on the same candidates, and how far its logits are off."""
    off: dict[str, float] = dict.fromkeys(ways, 0.0)

    def rankings() -> Iterator[tuple[str, Values]]:
        for folder in folders:
            collection = read_collection(folder).sample(sample, seed=0)
            found = compare(collection, bm25_candidates(collection, depth), ways, depth=depth)
            exact = _logits(found.reranked[0])
            for each in found.reranked:
                apart = np.abs(np.subtract(_logits(each), exact)).max()
                off[each.name] = max(off[each.name], float(apart))
            yield collection.name, {each.name: each.values[MEASURE] for each in found.reranked}

    show_rankings(rankings(), lambda way: f"; logits at most {off[way]:.2g} off")


def _logits(order: Order) -> list[float]:
    """The scores of all pairs, in the order of their ids."""
    return [score for _, scores in sorted(order.run.items()) for _, score in sorted(scores.items())]


def rounded(model: Path) -> Score:
    """A cross-encoder that rounds to bf16 wherever a processor with bf16 would store a number."""
    encoder = CrossEncoder(str(model), device="cpu", local_files_only=True)
    assert isinstance(encoder.model, nn.Module)
    for weights in encoder.model.parameters():
        weights.data = _to_bf16(weights.data)
    for module in encoder.model.modules():
        if not list(module.children()):
            module.register_forward_pre_hook(lambda _, given: tuple(map(_to_bf16, given)))
            module.register_forward_hook(lambda _, given, output: _to_bf16(output))

    def score(query: str, passages: list[str]) -> list[float]:
        pairs = [(query, passage) for passage in passages]
        scores: Any = encoder.predict(
            pairs, activation_fn=nn.Identity(), show_progress_bar=False, batch_size=16
        )
        return [float(value) for value in scores]

    return score


def _to_bf16(value: Any) -> Any:
    floats = isinstance(value, torch.Tensor) and value.dtype == torch.float32
    return value.bfloat16().float() if floats else value


@contextmanager
def quantised(model: Path) -> Iterator[Score]:
    """The int8 graph, its steps of rounding spelled out so that no kernel of 8 bits takes them."""
    compiled = openvino.Core.compile_model

    def without_kernels(core: Any, graph: Any, device: str, settings: dict[str, str]) -> Any:
        read = core.read_model(graph)
        for node in read.get_ops():
            if node.get_type_name() == "FakeQuantize":
                node.output(0).replace(spelled_out(node))
        exact = {**settings, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
        return compiled(core, read, device, exact)

    with tempfile.TemporaryDirectory() as folder:
        bundle = compile_model(model, Path(folder) / "bundle", precision="int8")
        with (
            patch.object(openvino.Core, "compile_model", without_kernels),
            CrossEncoderScorer(bundle, long_passages="truncate") as scorer,
        ):
            scorer.warm_up()
            yield scorer_function(scorer)


def spelled_out(node: Any) -> Any:
    """The definition of OpenVINO's FakeQuantize operation in elementary ones."""
    value, low, high, low_out, high_out = (node.input_value(place) for place in range(5))
    steps = opset.constant(np.float32(node.get_attributes()["levels"] - 1))
    kept = opset.minimum(opset.maximum(value, low), high)
    share = opset.divide(opset.subtract(kept, low), opset.subtract(high, low))
    rounded = opset.divide(opset.round(opset.multiply(share, steps)), steps)
    spread = opset.multiply(rounded, opset.subtract(high_out, low_out))
    return opset.add(spread, low_out).output(0)


if __name__ == "__main__":
    main()
