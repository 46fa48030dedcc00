"""The OpenVINO backend: fp32, bf16 on processors that have it, and int8, on a CPU."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import Backend
from rerank_plugins.backends.encoder import EncoderBackend
from rerank_plugins.backends.graphs.finding import Graph
from rerank_plugins.backends.graphs.onnx_operations import OnnxGraph
from rerank_plugins.backends.graphs.runtimes import keep_tables, openvino_model
from rerank_plugins.backends.machine import cpu_has_bf16, runtime
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.quota import thread_limit
from rerank_plugins.process.signal_stack import signal_stack_kept
from rerank_plugins.results import Plan
from rerank_plugins.tokens.padding import Tokens

_BATCH_TOKENS = 1536  # less padding than with 2048: 2% faster on short pairs
_LENGTH_MULTIPLE = 8
"""OpenVINO prepares itself for each shape of a batch that it has not met, for several milliseconds,
and keeps what it made. So there are fewer shapes."""


def load_openvino(settings: ModelSettings, graph: Graph, plan: Plan) -> Backend:
    """A backend that runs a graph in OpenVINO.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    forward = OpenVinoForward(
        graph.source,
        graph.description.inputs,
        precision=plan.precision,
        threads=settings.threads,
    )
    plan = replace(plan, threads=forward.threads, streams=forward.streams)
    return EncoderBackend(
        settings.model,
        graph.description,
        forward,
        plan,
        _BATCH_TOKENS,
        length_multiple=_LENGTH_MULTIPLE,
    )


class OpenVinoForward:
    """Computes logits from token ids with a graph.

    Args:
        graph: The graph, or the file of one in OpenVINO's own format.
        inputs: Names of its inputs.
        precision: `"fp32"`, `"bf16"`, or `"int8"` for a quantised graph.
        threads: The most threads that may share the work of a batch; `None` is no limit.

    Attributes:
        threads: Threads that share the work of a batch.
        streams: Batches that run at the same time.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """

    def __init__(
        self,
        graph: OnnxGraph | Path,
        inputs: Sequence[str],
        *,
        precision: str = "fp32",
        threads: int | None = None,
    ) -> None:
        openvino = runtime("openvino")
        bf16 = precision == "bf16" or (precision == "int8" and cpu_has_bf16())
        settings = {
            # Never left out: OpenVINO's default is bf16 wherever the processor has it.
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "NUM_STREAMS": "1",
        }
        limit = thread_limit(threads)
        if limit is not None:
            settings["INFERENCE_NUM_THREADS"] = str(limit)
        with signal_stack_kept():
            core = openvino.Core()
            if isinstance(graph, Path):
                model = core.read_model(graph)
            else:
                model = openvino_model(graph, openvino)
            keep_tables(model, openvino)
            self._model = core.compile_model(model, "CPU", settings)
        self._graph = graph  # the model reads its weights
        self._inputs = inputs
        self.threads = int(self._model.get_property("INFERENCE_NUM_THREADS"))
        self.streams = int(self._model.get_property("NUM_STREAMS"))

    def __call__(self, tokens: Tokens) -> NDArray[np.float32]:
        """Logits, float32 `(b, columns)`."""
        output = self._model({name: getattr(tokens, name) for name in self._inputs})[0]
        return np.array(output, dtype=np.float32)
