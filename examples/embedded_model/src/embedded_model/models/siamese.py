"""A student that begins as its teacher: two texts read apart by the base's layers, then compared.

A cross-encoder needs very many pairs to learn what a bi-encoder knows. This one is built knowing
most of it. One coordinate of every hidden state is given up for the *side* of a token, positive in
the question, negative in the passage, and attention between the sides is pushed down. One more
layer follows: half of its heads read the mean of the question's tokens and half of the passage's,
along the main directions of the teacher's vectors, and its feed-forward part and the head are
fitted to the teacher's cosine. Nothing is frozen afterwards: training opens the attention between
the sides where that helps, and closes the gap to the teacher that fewer layers leave.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

from embedded_model.models.chunks import pair_tokenizer, sorted_chunks
from embedded_model.models.comparison import (
    Directions,
    VectorPairs,
    fit_comparison,
    main_directions,
)
from embedded_model.models.distillation import distil_layers
from embedded_model.models.student import build_student, encoder_states
from embedded_model.questions.loading import Question, every_text

_SIDE = 4.0
"""Size of the side's coordinate; the others, normalised with it, keep 98% of their size."""
_APART = (6.0, 5.0)
"""By how much a token's attention to the other side is lowered, in the first layer and later."""
_READING = 8.0
"""The same for the heads of the last layer, which read one side each."""
_SAMPLE = 512


def siamese_student(
    base: Path,
    layers: tuple[int, ...],
    seed: int,
    tokenizer: PreTrainedTokenizerBase,
    questions: list[Question],
    *,
    fit_steps: int,
    distil_steps: int,
    device: torch.device,
    precision: str,
    max_length: int,
    cache: Path,
    progress: bool,
) -> tuple[BertForSequenceClassification, Directions]:
    """Returns the student and the directions its last layer reads along.

    Args:
        base: The bi-encoder's folder.
        layers: Which of its layers read the texts; the last of them is also what the comparing
            layer's keys start from.
        seed: Decides the samples and the new weights.
        tokenizer: The base's.
        questions: Mined questions with their vectors, to measure and fit on.
        fit_steps: Steps of fitting the comparison, of 2,048 pairs of vectors each.
        distil_steps: Steps of teaching the layers what all of the base's say, before anything else.
        device: Where is fitted and taught; the student is returned on the CPU.
        precision: The arithmetic of teaching the layers, as in a recipe.
        max_length: Most tokens per pair while measuring.
        cache: File that keeps the result; read where it exists.
        progress: Show a progress bar on standard error.

    Raises:
        InvalidInputError: The base is not a BERT, or has no such layer.
    """
    student = build_student(base, (*layers, layers[-1]), seed)
    if cache.is_file():
        weights = load_file(cache)
        directions = Directions(weights.pop("directions"), float(weights.pop("scale")))
        student.load_state_dict(weights)
        return student, directions
    rng = np.random.default_rng(seed)
    if distil_steps:
        distil_layers(
            student,
            base,
            tokenizer,
            list(every_text(questions)),
            steps=distil_steps,
            seed=seed,
            device=device,
            precision=precision,
            progress=progress,
        )
    pairs = VectorPairs(questions, rng, device)
    nn.Module.to(student, device)
    with torch.no_grad():
        states = _Sample(student, tokenizer, questions, max_length, rng)
        side = states.least_used_coordinate()
        _vacate(student, side)
        _mark_sides(student, side, states)
        body: Any = student.bert.encoder.layer[:-1]
        for number, layer in enumerate(body):
            _keep_apart(layer.attention.self, side, _APART[min(number, 1)])
        states.balance(side)
        directions = main_directions(pairs, student.config.hidden_size, rng)
        _read_sides(student, side, directions, states.question_length())
        first = states.first_tokens()
    fit_comparison(student, directions, pairs, first, fit_steps, rng, progress)
    nn.Module.to(student, "cpu")
    kept = {name: values.contiguous() for name, values in student.state_dict().items()}
    extra = {"directions": directions.matrix, "scale": torch.tensor(directions.scale)}
    partial = cache.with_suffix(".partial")
    save_file({**kept, **extra}, partial)
    partial.replace(cache)
    return student, directions


class _Sample:
    """Some pairs of the recipe, and what the student's layers make of them as it is rebuilt."""

    def __init__(
        self,
        student: BertForSequenceClassification,
        tokenizer: PreTrainedTokenizerBase,
        questions: list[Question],
        max_length: int,
        rng: np.random.Generator,
    ) -> None:
        self.student = student
        pairs = []
        for number in rng.integers(len(questions), size=_SAMPLE):
            mined = questions[int(number)].mined
            passage = int(rng.choice(mined.passages))
            pairs.append((mined.query, questions[int(number)].texts[passage]))
        tokens = pair_tokenizer(tokenizer, max_length).encode(pairs)
        self.inputs = [
            {name: values.to(student.device) for name, values in inputs.items()}
            for _, inputs in sorted_chunks(tokens, 2048)
        ]

    def least_used_coordinate(self) -> int:
        """The coordinate that varies least over the tokens that the layers put out."""
        tokens = torch.cat([states[_real(inputs)] for states, inputs in self._states()])
        return int(tokens.var(0).argmin())

    def balance(self, side: int) -> None:
        """Sets every norm's weight of the side's coordinate so that it keeps its size."""
        signs = torch.empty(0)

        def measure(norm: Any, _: object, out: torch.Tensor) -> torch.Tensor:
            factor = _SIDE / (out[..., side] * signs)[signs != 0].mean()
            norm.weight[side] *= factor
            out[..., side] *= factor
            return out

        bert: Any = self.student.bert
        norms = [bert.embeddings.LayerNorm]
        for layer in bert.encoder.layer[:-1]:
            norms += [layer.attention.output.LayerNorm, layer.output.LayerNorm]
        hooks = [norm.register_forward_hook(measure) for norm in norms]
        inputs = self.inputs[len(self.inputs) // 2]
        signs = _signs(inputs)
        encoder_states(self.student, inputs)
        for hook in hooks:
            hook.remove()

    def question_length(self) -> float:
        """Mean length of the mean over the question's tokens."""
        lengths = []
        for states, inputs in self._states():
            asked = (_signs(inputs) > 0).float()[..., None]
            lengths.append(((states * asked).sum(1) / asked.sum(1)).norm(dim=1))
        return float(torch.cat(lengths).mean())

    def first_tokens(self) -> torch.Tensor:
        return torch.cat([states[:, 0] for states, _ in self._states()])

    def _states(self) -> list[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
        return [(encoder_states(self.student, inputs), inputs) for inputs in self.inputs]


def _real(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return inputs["attention_mask"].bool()


def _signs(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """1 for tokens of the question, -1 for the passage, 0 for padding."""
    return (1 - 2 * inputs["token_type_ids"]).float() * inputs["attention_mask"]


def _vacate(student: BertForSequenceClassification, side: int) -> None:
    """Makes every part blind to a coordinate and lets nothing write to it."""
    bert: Any = student.bert
    embeddings = bert.embeddings
    for table in (embeddings.word_embeddings, embeddings.position_embeddings):
        table.weight[:, side] = 0
    types = embeddings.token_type_embeddings.weight
    types[1] = types[0]  # a bi-encoder has never met the second type
    types[:, side] = 0
    norms = [embeddings.LayerNorm]
    for layer in bert.encoder.layer:
        attention = layer.attention.self
        readers = (attention.query, attention.key, attention.value, layer.intermediate.dense)
        for reader in readers:
            reader.weight[:, side] = 0
        for writer in (layer.attention.output, layer.output):
            writer.dense.weight[side] = 0
            writer.dense.bias[side] = 0
            norms.append(writer.LayerNorm)
    for norm in norms:
        # With the side's coordinate in, the norm divides by more.
        norm.weight *= (1 + _SIDE**2 / len(norm.weight)) ** 0.5
        norm.weight[side] = 1
        norm.bias[side] = 0


def _mark_sides(student: BertForSequenceClassification, side: int, sample: _Sample) -> None:
    embeddings: Any = student.bert.embeddings
    inputs = sample.inputs[len(sample.inputs) // 2]
    summed = embeddings.word_embeddings(inputs["input_ids"])[_real(inputs)]
    types = embeddings.token_type_embeddings.weight
    types[0, side] = _SIDE * summed.std(1).mean()
    types[1, side] = -types[0, side]


def _keep_apart(attention: Any, side: int, strength: float) -> None:
    """Gives each head's least telling dimension to the side, so that unlike sides score lower.

    Scores depend only on the product of a head's query and key matrices. In the basis of that
    product's singular vectors the last dimension can be replaced at the least cost. On the CPU:
    not every GPU has double precision.
    """
    size = attention.attention_head_size
    entry = (strength * size**0.5 / 2) ** 0.5 / _SIDE
    for head in range(attention.num_attention_heads):
        rows = slice(head * size, (head + 1) * size)
        asked, held = attention.query, attention.key
        asked_basis, asked_rest = torch.linalg.qr(asked.weight[rows].T.cpu().double())
        held_basis, held_rest = torch.linalg.qr(held.weight[rows].T.cpu().double())
        left, values, right = torch.linalg.svd(asked_rest @ held_rest.T)
        root = values.clamp_min(1e-9) ** 0.5
        turn = root[:, None] * left.T @ torch.linalg.inv(asked_rest.T)
        back = root[:, None] * right @ torch.linalg.inv(held_rest.T)
        for linear, basis, rest, change in (
            (asked, asked_basis, asked_rest, turn),
            (held, held_basis, held_rest, back),
        ):
            weight = (change @ rest.T @ basis.T).float()
            bias = (change @ linear.bias[rows].cpu().double()).float()
            weight[-1] = 0
            bias[-1] = 0
            weight[-1, side] = entry
            linear.weight[rows] = weight
            linear.bias[rows] = bias


def _read_sides(
    student: BertForSequenceClassification, side: int, directions: Directions, length: float
) -> None:
    """Makes the last layer's heads read the mean of one side each, along the directions."""
    last: Any = student.bert.encoder.layer[-1]
    attention = last.attention.self
    heads, size = attention.num_attention_heads, attention.attention_head_size
    entry = (_READING * size**0.5 / 2) ** 0.5
    attention.query.weight.zero_()
    attention.query.bias.zero_()
    attention.query.bias.view(heads, size)[:, 0] = entry
    keys = attention.key.weight.view(heads, size, -1)
    keys[:, 0] = 0
    attention.key.bias.view(heads, size)[:, 0] = 0
    keys[: heads // 2, 0, side] = entry / _SIDE
    keys[heads // 2 :, 0, side] = -entry / _SIDE
    read = directions.matrix.T.to(attention.value.weight.device) / length
    read[:, side] = 0
    attention.value.weight.copy_(torch.cat([read, read]))
    attention.value.bias.zero_()
