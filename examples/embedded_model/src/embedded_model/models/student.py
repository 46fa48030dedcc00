"""The student: a few layers of a bi-encoder under a new head, and the folder it is saved in."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentence_transformers
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedTokenizerBase,
)

from embedded_model.models.precision import working_copy
from embedded_model.recipe.folders import start_folder
from rerank_plugins.backends.first_token import after_attention, read_from_first
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.models.json_files import read_json

_POSITIONS = "bert.embeddings.position_embeddings.weight"


def build_student(base: Path, layers: Sequence[int], seed: int) -> BertForSequenceClassification:
    """Returns a one-logit cross-encoder made of `layers` of the bi-encoder in `base`.

    The embeddings, the layers and the pooler's shape are the base's; the pooler and the head are
    new. There is no dropout: training is short, and random numbers are slow on a CPU.

    Raises:
        InvalidInputError: The base is not a BERT, or has no such layer.
    """
    encoder = AutoModel.from_pretrained(base)
    config = copy.deepcopy(encoder.config)
    if config.model_type != "bert":
        msg = f"the base in {base} is a {config.model_type} model; allowed is bert."
        raise InvalidInputError(msg)
    if any(not 0 <= layer < config.num_hidden_layers for layer in layers):
        msg = f"layers is {list(layers)}; the base has layers 0 to {config.num_hidden_layers - 1}."
        raise InvalidInputError(msg)
    config.num_hidden_layers = len(layers)
    config.num_labels = 1
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    torch.manual_seed(seed)
    student = BertForSequenceClassification(config)
    student.bert.embeddings.load_state_dict(encoder.embeddings.state_dict())
    for target, source in enumerate(layers):
        student.bert.encoder.layer[target].load_state_dict(
            encoder.encoder.layer[source].state_dict()
        )
    student.bert.embeddings.word_embeddings.requires_grad_(False)
    return student


def load_start(student: BertForSequenceClassification, start: str) -> None:
    """Puts the weights of an earlier student, or of the model that ships, into `student`.

    A saved student has as many positions as it learnt; the later ones stay the base's.

    Raises:
        InvalidInputError: There is no such folder, or its model has another shape.
    """
    path = start_folder(start) / "model.safetensors"
    if not path.is_file():
        msg = f"start {start!r} holds no model.safetensors; give a saved student's folder, or "
        msg += '"embedded" for the model that ships.'
        raise InvalidInputError(msg)
    weights = {name: values.float() for name, values in load_file(path).items()}
    try:
        if (learnt := weights.get(_POSITIONS)) is not None:
            own = student.state_dict()[_POSITIONS]
            weights[_POSITIONS] = torch.cat([learnt, own[len(learnt) :]])
        student.load_state_dict(weights)
    except RuntimeError as error:
        msg = f"start {start!r} is a model of another shape than base and layers make: {error}"
        raise InvalidInputError(msg) from error


def load_cross_teacher(
    folder: str, tokenizer: PreTrainedTokenizerBase, device: torch.device, precision: str
) -> BertForSequenceClassification:
    """Returns an earlier run's model on a device, to score pairs with.

    Args:
        folder: The model's folder.
        tokenizer: The base's tokenizer, whose ids the model will read.
        device: Where it computes.
        precision: Its arithmetic, as in a recipe.

    Raises:
        InvalidInputError: The folder holds no BERT with one logit and the base's vocabulary.
    """
    named = f"cross_teacher {folder!r}"
    folder = str(start_folder(folder))
    if not (Path(folder) / "model.safetensors").is_file():
        msg = f"{named} holds no model.safetensors; give the model folder of a run."
        raise InvalidInputError(msg)
    kind = read_json(Path(folder) / "config.json").get("model_type")
    if kind != "bert":
        msg = f"{named} is a {kind} model; allowed is bert."
        raise InvalidInputError(msg)
    loaded: Any = BertForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    teacher: BertForSequenceClassification = loaded[0]
    if teacher.config.num_labels != 1:
        msg = f"{named} gives {teacher.config.num_labels} numbers per pair, not one."
        raise InvalidInputError(msg)
    if missing := ", ".join(sorted(loaded[1]["missing_keys"])):
        msg = f"{named} is no whole cross-encoder: it lacks {missing}."
        raise InvalidInputError(msg)
    if _vocabulary(folder) != tokenizer.get_vocab():
        msg = f"{named} has another vocabulary than the base; give a model of a run from this base."
        raise InvalidInputError(msg)
    nn.Module.to(teacher, device)
    copied = working_copy(teacher, precision)
    return teacher if copied is None else copied.model


def _vocabulary(folder: str) -> dict[str, int] | None:
    """The ids of a model's tokens, or None where it has no tokenizer."""
    try:
        vocabulary: dict[str, int] = AutoTokenizer.from_pretrained(folder).get_vocab()
    except (OSError, ValueError):
        return None
    return vocabulary


def load_tokenizer(base: Path) -> PreTrainedTokenizerBase:
    """Returns the base's tokenizer without the padding and truncation saved in it.

    A bi-encoder's folder names its own short length, which would cut the student's pairs.
    """
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    for setting in (
        "max_length",
        "stride",
        "truncation_strategy",
        "pad_to_multiple_of",
        "is_local",
        "local_files_only",
    ):
        tokenizer.init_kwargs.pop(setting, None)
    return tokenizer


def first_token_logits(
    student: BertForSequenceClassification, inputs: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Returns the logit of each pair, computing only what it depends on."""
    return logits_and_reading(student, inputs)[0]


def logits_and_reading(
    student: BertForSequenceClassification, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the logit of each pair, and what the heads of the last layer read for it."""
    bert: Any = student.bert
    inputs = {name: values.to(student.device) for name, values in inputs.items()}
    hidden = encoder_states(student, inputs)
    last = bert.encoder.layer[-1]
    read = read_from_first(last, hidden, inputs["attention_mask"].bool()[:, None, :])
    first = after_attention(last, hidden[:, :1], read)
    logits: torch.Tensor = student.classifier(bert.pooler(first))
    return logits[:, 0].float(), read[:, 0].float()


def encoder_states(
    student: BertForSequenceClassification, inputs: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Returns the hidden states of every token before the last layer."""
    bert: Any = student.bert
    hidden = bert.embeddings(input_ids=inputs["input_ids"], token_type_ids=inputs["token_type_ids"])
    return layer_states(bert.encoder.layer[:-1], hidden, inputs["attention_mask"])[-1]


def layer_states(
    layers: Any, hidden: torch.Tensor, attention_mask: torch.Tensor
) -> list[torch.Tensor]:
    """Returns the hidden states that go in, and those after each of the layers."""
    states = [hidden]
    hidden_from = (1 - attention_mask[:, None, None, :]).to(hidden.dtype) * -1e4
    for layer in layers:
        read = _read(layer.attention.self, states[-1], hidden_from)
        states.append(after_attention(layer, states[-1], read))
    return states


def _read(attention: Any, hidden: torch.Tensor, hidden_from: torch.Tensor) -> torch.Tensor:
    heads = attention.num_attention_heads

    def split(values: torch.Tensor) -> torch.Tensor:
        return values.view(*values.shape[:2], heads, -1).transpose(1, 2)

    if hidden.is_cuda:
        mixed = nn.functional.scaled_dot_product_attention(
            split(attention.query(hidden)),
            split(attention.key(hidden)),
            split(attention.value(hidden)),
            attn_mask=hidden_from,
        )
        return mixed.transpose(1, 2).flatten(2)
    # Written out: backward through scaled_dot_product_attention is several times slower on a CPU.
    query = split(attention.query(hidden)) * attention.attention_head_size**-0.5
    weights = (query @ split(attention.key(hidden)).transpose(-1, -2) + hidden_from).softmax(-1)
    read: torch.Tensor = (weights @ split(attention.value(hidden))).transpose(1, 2).flatten(2)
    return read


def save_student(
    student: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    max_length: int,
) -> None:
    """Writes a folder that `CrossEncoder(folder)` loads: raw logits, half precision on disk.

    Its table of positions ends at `max_length` tokens, the longest pair of the training: the
    model has learnt nothing about later positions, so it cannot read further, whatever a
    configuration says. The configuration names float32, so that the weights are widened on loading;
    half precision is slow and coarse on a CPU.
    """
    config = copy.deepcopy(student.config)
    config.architectures = [type(student).__name__]
    config.max_position_embeddings = min(max_length, config.max_position_embeddings)
    config.dtype = "float32"
    config.sentence_transformers = {
        "activation_fn": "torch.nn.modules.linear.Identity",
        "version": sentence_transformers.__version__,
    }
    tokenizer.model_max_length = config.max_position_embeddings
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    weights = {
        name: values.half().cpu().contiguous() for name, values in student.state_dict().items()
    }
    weights[_POSITIONS] = weights[_POSITIONS][: config.max_position_embeddings]
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    folder.mkdir(exist_ok=True)
    (partial / "model.safetensors").chmod(0o644)
    for path in partial.iterdir():
        path.replace(folder / path.name)
    partial.rmdir()
