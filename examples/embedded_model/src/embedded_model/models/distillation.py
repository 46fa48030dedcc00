"""Fewer layers that say what all of them say: distillation of hidden states, token for token.

Every token of every text is a target of as many numbers as the model is wide, so a layer learns far
more from a text here than from a score. As in Jiao et al., TinyBERT, Findings of EMNLP 2020, each
kept layer is given the states after an even share of the base's; and because of what comes of the
layers, the mean over a text's tokens, the bi-encoder's vector, is matched as well.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm
from transformers import (
    AutoModel,
    BertForSequenceClassification,
    PreTrainedTokenizerBase,
    get_wsd_schedule,
)

from embedded_model.models.chunks import chunk_positions, padded
from embedded_model.models.precision import working_copy
from embedded_model.models.student import layer_states

_LONGEST = 256
"""Tokens of a text."""
_STEP_TOKENS = 65_536
_TEXTS_AT_ONCE = 16_384
_RATE = 5e-4
_PASSAGE_SHARE = 0.6
"""Texts seen as a pair's passage is: behind a question, so at later places and without the first
token, which belongs to the question."""
_OFFSETS = (4, 60)
_VECTOR_WEIGHT = 10.0
_EARLIER_WEIGHT = 0.5
_AVERAGE_DECAY = 0.998


def distil_layers(
    student: BertForSequenceClassification,
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    steps: int,
    seed: int,
    device: torch.device,
    precision: str,
    progress: bool,
) -> None:
    """Trains all layers of the student but the last to give the hidden states of the base's.

    Args:
        student: On the CPU, and returned there; it ends with the moving average of its weights.
        base: The bi-encoder's folder.
        tokenizer: The base's.
        texts: Texts to read, drawn evenly.
        steps: Steps, each of about 65,000 tokens.
        seed: Decides what is drawn.
        device: Where is computed.
        precision: The arithmetic, as in a recipe.
        progress: Show a progress bar on standard error.
    """
    teacher = AutoModel.from_pretrained(base).to(device)
    layers: Any = student.bert.encoder.layer[:-1]
    depth = len(teacher.encoder.layer)
    wanted = [round((number + 1) * depth / len(layers)) for number in range(len(layers))]
    nn.Module.to(student, device)
    copied = working_copy(student, precision)
    working = student if copied is None else copied.model
    if copied is not None:
        teacher = teacher.to(torch.bfloat16)
    trained = [p for p in [*student.bert.embeddings.parameters(), *layers.parameters()]]
    trained = [weights for weights in trained if weights.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    warm = min(100, steps // 10)
    schedule = get_wsd_schedule(
        optimizer,
        num_warmup_steps=warm,
        num_decay_steps=steps // 2,
        num_training_steps=steps,
        min_lr_ratio=0.02,
    )
    average = [weights.detach().clone() for weights in trained]
    spreads: list[torch.Tensor] = []
    bar = tqdm(total=steps, desc="distilling the layers", disable=not progress)
    batches = itertools.islice(_batches(tokenizer, texts, seed), steps)
    for number, batch in enumerate(batches):
        batch = {name: values.to(device) for name, values in batch.items()}
        with torch.no_grad():
            states = _states(teacher, depth, batch, batch["attention_mask"])
            targets = [states[place].float() for place in wanted]
            if not spreads:
                spreads = [_spread(target, batch["attention_mask"]) for target in targets]
        found = _states(working.bert, len(layers), batch, batch["seen"])[1:]
        distances = _distances(found, targets, batch["seen"], spreads)
        vectors = _vector(found[-1], batch["seen"])
        apart = (vectors - _vector(targets[-1], batch["attention_mask"])) ** 2
        loss = (
            _VECTOR_WEIGHT * apart.sum(1).mean()
            + distances[-1]
            + _EARLIER_WEIGHT * sum(distances[:-1])
        )
        loss.backward()  # type: ignore[no-untyped-call]
        if copied is not None:
            copied.hand_over_gradients()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if copied is not None:
            copied.follow()
        kept = min(_AVERAGE_DECAY, (number + 1) / (number + 10))
        torch._foreach_lerp_(average, [weights.detach() for weights in trained], 1 - kept)
        bar.update()
        if number % 50 == 0:
            bar.set_postfix(
                vectors_apart=f"{float(apart.detach().sum(1).mean()):.3f}", refresh=False
            )
    bar.close()
    with torch.no_grad():
        for weights, mean in zip(trained, average, strict=True):
            weights.copy_(mean)
    nn.Module.to(student, "cpu")


def _batches(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], seed: int
) -> Iterator[dict[str, torch.Tensor]]:
    """Yields batches of texts of like length without end, as questions or as passages."""
    rng = np.random.default_rng(seed)
    rows = _tokenized(tokenizer, texts)
    while True:
        drawn = rng.integers(len(rows), size=_TEXTS_AT_ONCE)
        chunks = list(chunk_positions([len(rows[number]) for number in drawn], _STEP_TOKENS))
        for place in rng.permutation(len(chunks)):
            ids, mask = padded([rows[drawn[number]] for number in chunks[place]])
            behind = torch.from_numpy(rng.random(len(ids)) < _PASSAGE_SHARE)
            offsets = torch.from_numpy(rng.integers(*_OFFSETS, size=len(ids))) * behind
            seen = mask.clone()
            seen[behind, 0] = 0
            yield {
                "input_ids": ids,
                "attention_mask": mask,
                "seen": seen,
                "offsets": offsets[:, None],
            }


def _tokenized(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[NDArray[np.int32]]:
    rows: list[NDArray[np.int32]] = []
    tokenizer = copy.deepcopy(tokenizer)  # it goes on cutting texts, and the run saves its own
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = list(texts[start : start + _TEXTS_AT_ONCE])
        for ids in tokenizer(part, truncation=True, max_length=_LONGEST)["input_ids"]:
            rows.append(np.array(ids, dtype=np.int32))
    return rows


def _states(
    bert: Any, count: int, batch: dict[str, torch.Tensor], attention_mask: torch.Tensor
) -> list[torch.Tensor]:
    """The hidden states after the embeddings and each of `count` layers."""
    ids = batch["input_ids"]
    places = torch.arange(ids.shape[1], device=ids.device)[None]
    if attention_mask is batch["seen"]:
        places = places + batch["offsets"]
    hidden = bert.embeddings(
        input_ids=ids,
        token_type_ids=torch.zeros_like(ids),
        position_ids=places.expand_as(ids),
    )
    return layer_states(bert.encoder.layer[:count], hidden, attention_mask)


def _spread(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """How much each coordinate varies over tokens, drawn half-way to their mean."""
    spread = states[mask.bool()].std(0)
    return 0.5 * (spread + spread.mean())


def _distances(
    found: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    mask: torch.Tensor,
    spreads: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """For each layer the mean squared distance of a token's states, in units of their spread."""
    tokens = mask[..., None]
    count = tokens.sum() * found[0].shape[-1]
    return [
        (((here.float() - there) / spread) ** 2 * tokens).sum() / count
        for here, there, spread in zip(found, wanted, spreads, strict=True)
    ]


def _vector(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The bi-encoder's vector of each text: the mean over tokens, of length 1."""
    return nn.functional.normalize((states.float() * mask[..., None]).sum(1), dim=1)
