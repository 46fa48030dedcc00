"""The ways of scoring to compare: this project's and the stock one, with the same weights."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.backends.folders.description import describe_folder
from rerank_plugins.backends.half_precision import pays
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.models.references import EMBEDDED, EMBEDDED_FOLDER
from rerank_plugins.tokens.pairs import PairTokenizer

STOCK = "`CrossEncoder.predict`, torch fp32"
"""The baseline of every ratio, with its own defaults, such as batches of 32. Only its sigmoid is
turned off, because ours are logits."""

FP32 = "openvino fp32"
BF16 = "openvino bf16"
INT8 = "openvino int8"

JOINED = 4
"""Passages of the demo joined into a long one of about 300 tokens."""

Score = Callable[[str, Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Texts:
    """Queries, short passages and long passages."""

    queries: list[str]
    short: list[str]
    long: list[str]


def texts() -> Texts:
    """The demo's questions and passages; a long passage joins neighbouring ones."""
    short = [f"{passage.title} {passage.text}" for passage in load_corpus()]
    around = short + short
    long = [" ".join(around[start : start + JOINED]) for start in range(len(short))]
    return Texts([question.query for question in load_questions()], short, long)


def embedded_tokenizer() -> PairTokenizer:
    """The embedded model's tokenizer, which cuts pairs at the model's limit."""
    description = describe_folder(EMBEDDED_FOLDER, EMBEDDED)
    return PairTokenizer(description.tokenizer, max_length=description.limit)


def unmet(passages: Sequence[str], number: int) -> list[str]:
    """The passages with a number appended, so that a scorer has no token ids of them yet."""
    return [f"{passage} {number}" for passage in passages]


@contextmanager
def ways() -> Iterator[dict[str, Score]]:
    """Loads every way that can run here; the first is the baseline."""
    with ExitStack() as stack:
        found = {STOCK: stock(torch.float32)}
        if pays("bfloat16"):
            found["`CrossEncoder.predict`, torch bf16"] = stock(torch.bfloat16)
        for backend, precision in _ours():
            scorer = stack.enter_context(
                CrossEncoderScorer("embedded", backend=backend, precision=precision)
            )
            scorer.warm_up()
            found[f"{backend} {precision}"] = scorer.score
        yield found


def stock(dtype: torch.dtype) -> Score:
    """`CrossEncoder.predict` with its own defaults, except that it returns raw logits."""
    model = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", model_kwargs={"dtype": dtype})
    identity = torch.nn.Identity()

    def score(query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        pairs = [(query, passage) for passage in passages]
        return np.asarray(model.predict(pairs, activation_fn=identity), dtype=np.float32)

    return score


def _ours() -> Iterator[tuple[str, str]]:
    yield "torch", "fp32"
    yield "onnx", "fp32"
    yield "openvino", "fp32"
    if cpu_has_bf16():
        yield "torch", "bf16"
        yield "openvino", "bf16"
    yield "openvino", "int8"
    yield "jax", "fp32"
    if cpu_has_bf16():
        yield "jax", "bf16"
