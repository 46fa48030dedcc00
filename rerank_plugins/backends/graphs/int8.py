"""Quantising a graph to int8 by what its activations are on real pairs (OpenVINO's nncf)."""

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
"""Weights after the last but one layer: query, key, value, output, two of the feed-forward, and
two of the head."""


def shipped_pairs() -> list[tuple[str, str]]:
    """Pairs written for this package: each question of the demo with its answer and two others."""
    corpus = load_corpus()
    texts = {passage.id: passage.text for passage in corpus}
    pairs = []
    for index, question in enumerate(load_questions()):
        others = [corpus[(7 * index + step) % len(corpus)].text for step in (0, 3)]
        pairs += [(question.query, text) for text in (texts[question.answer], *others)]
    return pairs


def quantize(model: Any, description: ModelDescription, pairs: Sequence[tuple[str, str]]) -> Any:
    """The OpenVINO model with its linear layers in int8, weights and activations.

    Three parts stay as they are, because quantising them costs more in ranking than it saves in
    time: the last layer and the head, which read one token; the products of attention, which have
    no weights; and the tables of embeddings, which are not multiplied.

    Args:
        model: From the inputs of `description` to logits.
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
    """Leaves constants alone in front of the products.

    OpenVINO multiplies in int8 only what is quantised right before the product; a constant that is
    quantised first, then widened or transposed, is multiplied in bf16.
    """
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)


def _kept_products(model: Any) -> list[str]:
    """Names of the matrix products of attention, of the last layer and of the head.

    In an order where operations follow their inputs, all of the layers before come before them.
    """
    products = [node for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"]
    linear = [node for node in products if _has_weights(node)]
    first = products.index(linear[max(0, len(linear) - _LAST_LINEAR)])
    attention = [node for node in products[:first] if not _has_weights(node)]
    return [node.get_friendly_name() for node in (*attention, *products[first:])]


def _has_weights(node: Any) -> bool:
    """Whether one factor is a constant, be it stored in another format or transposed."""
    factor = node.input_value(1).get_node()
    while factor.get_type_name() in ("Convert", "Transpose", "Reshape"):
        factor = factor.input_value(0).get_node()
    return bool(factor.get_type_name() == "Constant")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps nncf's report and its progress bars, which it draws with rich, off the terminal.

    Logger and console are as before when the turn ends.
    """
    import rich

    logging.getLogger("nncf").setLevel(logging.ERROR)
    rich.get_console().quiet = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
