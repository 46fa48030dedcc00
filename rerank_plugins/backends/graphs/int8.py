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
from rerank_plugins.tokens.padding import pad
from rerank_plugins.tokens.pairs import PairTokenizer

_LONGEST = 512


def shipped_pairs() -> list[tuple[str, str]]:
    """The pairs in this package: each question of the demo with its answer and two other texts."""
    corpus = load_corpus()
    texts = {passage.id: passage.text for passage in corpus}
    pairs = []
    for index, question in enumerate(load_questions()):
        others = [corpus[(7 * index + step) % len(corpus)].text for step in (0, 3)]
        pairs += [(question.query, text) for text in (texts[question.answer], *others)]
    return pairs


def quantiser() -> Any:
    """The library that quantises.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("nncf", extra="int8", purpose="Quantising to int8")


def quantize(
    model: Any,
    description: ModelDescription,
    pairs: Sequence[tuple[str, str]],
    *,
    keep: tuple[str, ...],
) -> Any:
    """The OpenVINO model with weights and activations of its linear layers in int8.

    Three parts are not quantised, because that would cost more in ranking than it saves in time:
    what is computed once per pair; the products inside attention, which have no weights; and the
    tables of embeddings, which are not multiplied.

    Args:
        model: Computes logits from the inputs in `description`.
        description: How pairs become its input.
        pairs: Pairs like those that will be scored; the model's prompt is put before their queries.
        keep: Beginnings of the names of weights that are used once per pair.

    Raises:
        MissingExtraError: nncf is not installed.
    """
    nncf = quantiser()
    kept = _kept_products(model, keep)
    _fold_constants(model)
    # Products of weights alone, such as DeBERTa's of its table of distances, are constants now.
    left = {node.get_friendly_name() for node in model.get_ops()}
    kept = [name for name in kept if name in left]
    length = min(_LONGEST, description.default_length)
    tokenizer = PairTokenizer(description.tokenizer, max_length=length)
    inputs = []
    prompt = description.default_prompt
    for encoding in tokenizer.encode([(prompt + query, passage) for query, passage in pairs]):
        tokens = pad([encoding], description.pad_id)
        inputs.append({name: getattr(tokens, name) for name in description.inputs})
    return _quantized(nncf, model, inputs, kept)


@in_turn
def _quantized(
    nncf: Any, model: Any, inputs: list[dict[str, NDArray[np.int64]]], kept: list[str]
) -> Any:
    with _quiet(), signal_stack_kept():
        return nncf.quantize(
            model,
            nncf.Dataset(inputs),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=kept, types=["Gather"]),
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


def _kept_products(model: Any, keep: tuple[str, ...]) -> list[str]:
    """The names of the matrix products without weights, and of those with the weights to keep."""
    products = [node for node in model.get_ops() if node.get_type_name() == "MatMul"]
    return [
        node.get_friendly_name()
        for node in products
        if all(name.startswith(keep) for name in _weights(node.input_value(1).get_node()))
    ]


def _weights(factor: Any) -> list[str]:
    """The names of the weights that a factor is made of; empty if it is computed of the inputs."""
    if factor.get_type_name() == "Constant":
        return [factor.get_friendly_name()]
    if factor.get_type_name() not in ("Convert", "Transpose", "Reshape", "Concat"):
        return []
    return [name for value in factor.input_values()[:1] for name in _weights(value.get_node())]


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
