"""The ONNX Runtime backend: no torch, loads in a fraction of a second, fp32 on a CPU."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import Backend
from rerank_plugins.backends.encoder import EncoderBackend
from rerank_plugins.backends.graphs.finding import Graph
from rerank_plugins.backends.graphs.onnx_operations import OnnxGraph
from rerank_plugins.backends.graphs.runtimes import onnx_session
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.imports import imported
from rerank_plugins.process.quota import thread_limit
from rerank_plugins.results import Plan
from rerank_plugins.tokens.padding import Tokens

_BATCH_TOKENS = 2048


def load_onnx(settings: ModelSettings, graph: Graph, plan: Plan) -> Backend:
    """A backend that runs a graph in ONNX Runtime."""
    forward = OnnxForward(graph.source, graph.description.inputs, threads=settings.threads)
    plan = replace(plan, threads=forward.threads)
    return EncoderBackend(settings.model, graph.description, forward, plan, _BATCH_TOKENS)


class OnnxForward:
    """Computes logits from token ids with a graph.

    Args:
        graph: The graph, or the file of one that was saved with its weights.
        inputs: Names of its inputs.
        threads: The most threads that may share the work of a batch; `None` is no limit.

    Attributes:
        threads: Threads that share the work of a batch, if something limits them. `None`: ONNX
            Runtime uses one per core.
    """

    def __init__(
        self, graph: OnnxGraph | Path, inputs: Sequence[str], *, threads: int | None = None
    ) -> None:
        onnxruntime: Any = imported("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only: fusions that failed do not concern users
        self.threads = thread_limit(threads)
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
        self._session = onnx_session(graph, onnxruntime, options)
        self._graph = graph  # the session reads its weights
        self._inputs = inputs

    def __call__(self, tokens: Tokens) -> NDArray[np.float32]:
        """Logits, float32 `(b, columns)`."""
        inputs = {name: getattr(tokens, name) for name in self._inputs}
        logits: NDArray[np.float32] = self._session.run(["logits"], inputs)[0]
        return logits
