"""Other ways to run the model on a GPU, each tried on one batch to see what it would gain."""

import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from rerank_plugins.backends.first_token import FirstTokenLogits, after_attention
from rerank_plugins.tokens.padding import pad
from rerank_plugins.tokens.pairs import PairTokens

WARM, REPEATS = 3, 15
COMPILE_SECONDS = 20

Logits = Callable[[], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Tried:
    """One variant on one batch.

    Attributes:
        name: The difference from the way in use.
        milliseconds: Median milliseconds per batch; `None` if the variant failed.
        difference: Largest difference of a logit from the way in use.
        failure: Why the variant failed.
    """

    name: str
    milliseconds: float | None
    difference: float = 0.0
    failure: str = ""


def tried(model: nn.Module, pairs: Sequence[PairTokens], *, compiling: bool) -> list[Tried]:
    """Tries every variant on one batch; a variant that fails reports why.

    Args:
        model: A BERT cross-encoder of transformers, on its device in its precision.
        pairs: The pairs of the batch.
        compiling: Whether torch.compile is tried, which takes seconds to compile.
    """
    first_token = FirstTokenLogits(model).eval()
    device = next(model.parameters()).device
    features = _features(pairs, device, multiple=1)
    aligned = _features(pairs, device, multiple=16)
    packed = _Packed(first_token, pairs, device)
    variants: dict[str, Callable[[], Logits]] = {
        "as it is": lambda: lambda: first_token(**features),
        "whole last layer (transformers)": lambda: lambda: model(**features).logits,
        "padded to a multiple of 16": lambda: lambda: first_token(**aligned),
        "TF32 products": lambda: lambda: first_token(**features),
        "unpadded (varlen_attn)": lambda: packed,
        "CUDA graph": lambda: _graph(lambda: first_token(**features)),
    }
    if compiling:
        variants["torch.compile, this shape"] = lambda: _compiled(first_token, features)
    if next(model.parameters()).dtype != torch.float32:
        del variants["TF32 products"]
    found: list[Tried] = []
    with torch.inference_mode():
        wanted = first_token(**features).float().cpu()
        for name, make in variants.items():
            try:
                with _tf32(name == "TF32 products"):
                    logits = make()
                    got = logits().float().reshape(wanted.shape).cpu()
                    seconds = timed(logits, device)
            except Exception as error:  # a variant that cannot run here is a result too
                reason = f"{type(error).__name__}: {error}".splitlines()[0][:100]
                found.append(Tried(name, None, failure=reason))
            else:
                difference = float((got - wanted).abs().max())
                found.append(Tried(name, 1000 * seconds, difference))
    return found


def timed(call: Callable[[], object], device: torch.device) -> float:
    """Returns the median seconds of a call, by the GPU's own clock if there is a GPU."""
    on_gpu = device.type == "cuda"
    for _ in range(WARM if on_gpu else 0):
        call()
    seconds = []
    for _ in range(REPEATS if on_gpu else 1):
        if on_gpu:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            end.synchronize()
            seconds.append(start.elapsed_time(end) / 1000)
        else:
            begin = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def _features(
    pairs: Sequence[PairTokens], device: torch.device, *, multiple: int
) -> dict[str, torch.Tensor]:
    tokens = pad(pairs, 0)
    more = -tokens.input_ids.shape[1] % multiple
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {
        name: nn.functional.pad(torch.from_numpy(getattr(tokens, name)), (0, more)).to(device)
        for name in names
    }


class _Packed:
    """Runs the pairs one after the other in one row, without padding; attention stays in a pair."""

    def __init__(
        self, model: FirstTokenLogits, pairs: Sequence[PairTokens], device: torch.device
    ) -> None:
        self._model = model
        lengths = torch.tensor([len(pair) for pair in pairs])
        ends = lengths.cumsum(0)
        self._longest = int(lengths.max())
        self._starts = (ends - lengths).to(device)
        self._edges = nn.functional.pad(ends, (1, 0)).to(device, torch.int32)
        self._rows = torch.arange(len(pairs) + 1, dtype=torch.int32, device=device)
        positions = torch.cat([torch.arange(len(pair)) for pair in pairs])
        ids = torch.cat([torch.from_numpy(pair.input_ids) for pair in pairs])
        types = torch.cat([torch.from_numpy(pair.type_ids) for pair in pairs])
        self._inputs = {
            "input_ids": ids.long()[None].to(device),
            "token_type_ids": types.long()[None].to(device),
            "position_ids": positions[None].to(device),
        }

    def __call__(self) -> torch.Tensor:
        model = self._model
        hidden = model.embeddings(**self._inputs)[0]
        *body, last = model.layers
        for layer in body:
            read = self._read(layer, hidden, hidden, self._edges, self._longest)
            hidden = after_attention(layer, hidden, read)
        first = hidden[self._starts]
        first = after_attention(last, first, self._read(last, first, hidden, self._rows, 1))[
            :, None
        ]
        logits: torch.Tensor = model.classifier(
            first if model.pooler is None else model.pooler(first)
        )
        return logits

    def _read(
        self, layer: Any, asking: torch.Tensor, hidden: torch.Tensor, edges: torch.Tensor, most: int
    ) -> torch.Tensor:
        attention = layer.attention.self
        query, key, value = (
            project(states).unflatten(-1, (attention.num_attention_heads, -1))
            for project, states in (
                (attention.query, asking),
                (attention.key, hidden),
                (attention.value, hidden),
            )
        )
        if hidden.device.type == "cuda":
            from torch.nn.attention.varlen import varlen_attn

            mixed = varlen_attn(query, key, value, edges, self._edges, most, self._longest)
        else:  # pair by pair: only GPUs have a kernel for all at once
            mixed = torch.cat(
                [
                    nn.functional.scaled_dot_product_attention(
                        *(part.transpose(0, 1) for part in (query[a:b], key[c:d], value[c:d]))
                    ).transpose(0, 1)
                    for (a, b), (c, d) in zip(_spans(edges), _spans(self._edges), strict=True)
                ]
            )
        return mixed.flatten(1)


def _spans(edges: torch.Tensor) -> list[tuple[int, int]]:
    ends = edges.tolist()
    return list(pairwise(ends))


def _graph(logits: Logits) -> Logits:
    """Records the call's kernels as a CUDA graph: the shape is fixed, and one launch runs all."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            logits()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = logits()

    def replay() -> torch.Tensor:
        graph.replay()
        return result

    return replay


def _compiled(model: FirstTokenLogits, features: dict[str, torch.Tensor]) -> Logits:
    compiled: Any = torch.compile(model, dynamic=False)
    with _alarm(COMPILE_SECONDS):
        compiled(**features)
    return lambda: compiled(**features)


@contextmanager
def _tf32(wanted: bool) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if wanted else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """Raises `TimeoutError` once the seconds are over; a compiler has no time limit of its own."""

    def late(*_: object) -> None:
        message = f"took more than {seconds} seconds"
        raise TimeoutError(message)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
