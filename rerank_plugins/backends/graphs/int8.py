"""Quantises a graph to int8, calibrated on pairs of texts (OpenVINO's nncf)."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.process.extras import require
from rerank_plugins.process.signal_stack import signal_stack_kept
from rerank_plugins.process.turn import in_turn
from rerank_plugins.tokens.pairs import PairTokenizer, pad

_LONGEST = 512
_LAST_LINEAR = 8
"""Linear layers from the last layer on: query, key, value, output, two of the feed-forward part,
and two of the head."""


def shipped_pairs() -> list[tuple[str, str]]:
    """The pairs in this package: each question of the demo with its answer and two other texts."""
    corpus = load_corpus()
    texts = {passage.id: passage.text for passage in corpus}
    pairs = []
    for index, question in enumerate(load_questions()):
        others = [corpus[(7 * index + step) % len(corpus)].text for step in (0, 3)]
        pairs += [(question.query, text) for text in (texts[question.answer], *others)]
    return pairs


def quantize(model: Any, description: ModelDescription, pairs: Sequence[tuple[str, str]]) -> Any:
    """The OpenVINO model with weights and activations of its linear layers in int8.

    Three parts are not quantised, because that would cost more in ranking than it saves in time:
    the last layer and the head, which read one token; the products inside attention, which have no
    weights; and the tables of embeddings, which are not multiplied.

    Args:
        model: Computes logits from the inputs in `description`.
        description: How pairs become its input.
        pairs: Pairs like those that will be scored.

    Raises:
        MissingExtraError: nncf is not installed.
    """
    nncf: Any = require("nncf", extra="int8", purpose="Quantising to int8")
    _fold_constants(model)
    length = min(_LONGEST, description.default_length)
    tokenizer = PairTokenizer(description.tokenizer, max_length=length)
    inputs = []
    for encoding in tokenizer.encode(pairs):
        tokens = pad([encoding], description.pad_id)
        inputs.append({name: getattr(tokens, name) for name in description.inputs})
    return _quantized(nncf, model, inputs)


@in_turn
def _quantized(nncf: Any, model: Any, inputs: list[dict[str, NDArray[np.int64]]]) -> Any:
    with _quiet(), signal_stack_kept():
        return nncf.quantize(
            model,
            nncf.Dataset(inputs),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=_kept_products(model), types=["Gather"]),
        )


def _fold_constants(model: Any) -> None:
    """Folds operations on constants, so that a product reads a constant directly.

    OpenVINO multiplies in int8 only if a constant is quantised right before the product. If it is
    widened or transposed in between, the product is computed in bf16.
    """
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)


def _kept_products(model: Any) -> list[str]:
    """The names of the matrix products inside attention, in the last layer and in the head.

    Operations are ordered by their inputs, so those of the last layer and the head come last.
    """
    products = [node for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"]
    linear = [node for node in products if _has_weights(node)]
    first = products.index(linear[max(0, len(linear) - _LAST_LINEAR)])
    attention = [node for node in products[:first] if not _has_weights(node)]
    return [node.get_friendly_name() for node in (*attention, *products[first:])]


def _has_weights(node: Any) -> bool:
    """Whether one factor is a constant, possibly converted, transposed or reshaped."""
    factor = node.input_value(1).get_node()
    while factor.get_type_name() in ("Convert", "Transpose", "Reshape"):
        factor = factor.input_value(0).get_node()
    return bool(factor.get_type_name() == "Constant")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences nncf's report and its progress bars, which it draws with rich.

    Logger and console are restored when the turn ends.
    """
    import rich

    logging.getLogger("nncf").setLevel(logging.ERROR)
    rich.get_console().quiet = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
