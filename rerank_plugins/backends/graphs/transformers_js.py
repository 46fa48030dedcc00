"""Writes a model as transformers.js reads it, in browsers and in Node."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.folders.modules import read_modules
from rerank_plugins.backends.folders.tokenizer import compiled_rules
from rerank_plugins.backends.graphs.described import described_network
from rerank_plugins.backends.graphs.networks import Network
from rerank_plugins.backends.graphs.onnx_operations import onnx_graph
from rerank_plugins.backends.graphs.output_folder import GRAPHS, OURS
from rerank_plugins.backends.graphs.stored_weights import ConvertedWeights
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.models.json_files import read_json
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.versions import installed_versions

_DTYPES = {"model.onnx": "F32", "model_fp16.onnx": "F16"}

_MOST_BYTES = 2**31 - 2**24
"""What one ONNX file can hold: protobuf's two gigabytes, less some for the graph itself."""

_LETTERS = "É ﬁ \N{FULLWIDTH LATIN CAPITAL LETTER A}"
"""A capital letter with an accent, a ligature, and a wide letter."""


def write_transformers_js(output: Path, settings: ModelSettings, folder: Path) -> None:
    """Writes the model in `folder` into the empty folder `output`.

    The graph is there twice, with weights in fp32 and in fp16. Both compute in fp32: processors
    have no sums in fp16, and would convert back and forth around every operation.

    Raises:
        UnsupportedOptionError: The model's architecture, weights or tokenizer are not described, or
            its weights are too large, or transformers.js would read other tokens.
    """
    name = settings.model
    try:
        network, description = described_network(folder, name)
    except NoGraphError as error:
        message = (
            f"{name!r} cannot be written for transformers.js: {error}. Export it with the library "
            "that it was made with."
        )
        raise UnsupportedOptionError(message) from error
    _check_size(network, name)
    _check_rules(description.tokenizer, name)
    (output / GRAPHS).mkdir()
    for file, dtype in _DTYPES.items():
        weights = ConvertedWeights(network.weights, dtype)
        graph = onnx_graph(replace(network, weights=weights), description.inputs)
        (output / GRAPHS / file).write_bytes(graph.with_weights_inside())
    (output / "tokenizer.json").write_text(description.tokenizer, encoding="utf-8")
    _write_json(output / "tokenizer_config.json", _tokenizer_config(description))
    ours = {
        "model": name,
        "default_prompt": description.default_prompt,
        "labels": [description.labels.get(index) for index in range(description.columns)],
        **installed_versions(["rerank-plugins"]),
    }
    config = {
        **read_json(read_modules(folder).folder / "config.json"),
        # Its own default in browsers would be int8, which is not written.
        "transformers.js_config": {"dtype": "fp16"},
        OURS: ours,
    }
    _write_json(output / "config.json", config)


def _check_size(network: Network, name: str) -> None:
    size = 4 * sum(prod(stored.shape) for stored in network.weights.values())
    if size > _MOST_BYTES:
        message = (
            f"{name!r} cannot be written for transformers.js: its weights take {size / 1e9:.1f} GB "
            "in fp32, and a file of ONNX holds 2 GB. Take a smaller model."
        )
        raise UnsupportedOptionError(message)


def _check_rules(tokenizer: str, name: str) -> None:
    """Refuses rules of SentencePiece that are not those of NFKC, which transformers.js takes."""
    rules = compiled_rules(json.loads(tokenizer))
    if rules is None:
        return
    wanted = unicodedata.normalize("NFKC", _LETTERS)
    if normalizers.Precompiled(rules).normalize_str(_LETTERS) != wanted:
        message = (
            f"{name!r} cannot be written for transformers.js, which would read other tokens: the "
            "rules of the model's tokenizer are not those of NFKC. Take another model."
        )
        raise UnsupportedOptionError(message)


def _tokenizer_config(description: ModelDescription) -> dict[str, Any]:
    """What transformers.js needs to know besides tokenizer.json.

    Its classes add nothing to a tokenizer but whether it gives the types of tokens.
    """
    typed = "token_type_ids" in description.inputs
    return {
        "tokenizer_class": "BertTokenizer" if typed else "PreTrainedTokenizer",
        "model_max_length": description.default_length,
        "pad_token": Tokenizer.from_str(description.tokenizer).id_to_token(description.pad_id),
        "padding_side": "right",
    }


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8")
