"""The steps of a run made ready beside the arithmetic: groups, tokens and targets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from embedded_model.models.chunks import sorted_chunks
from embedded_model.models.packed import Pack
from embedded_model.training.groups import Group
from embedded_model.training.loss import Targets
from rerank_plugins.process.quota import processors
from rerank_plugins.tokens.pairs import PairTokenizer

_MOST_WORKERS = 4


@dataclass(frozen=True)
class Step:
    """What one step computes with.

    Attributes:
        chunks: Positions of pairs, groups one after the other, with their padded tensors; none
            where the pairs are packed.
        pack: All pairs of the step laid end to end, or None.
        targets: The targets of the pairs' logits.
    """

    chunks: list[tuple[list[int], dict[str, torch.Tensor]]]
    pack: Pack | None
    targets: Targets


class Steps(Dataset[Step]):
    """The steps of a run by their number.

    Args:
        groups_of: The groups of a step.
        tokenizer: Of the run's pairs.
        chunk_tokens: Padded tokens of a chunk.
        packed: Whether pairs are packed instead.
        vectors: Whether targets hold the teacher's vectors.
    """

    def __init__(
        self,
        groups_of: Callable[[int], list[Group]],
        tokenizer: PairTokenizer,
        *,
        chunk_tokens: int,
        packed: bool,
        vectors: bool,
    ) -> None:
        self._groups_of = groups_of
        self._tokenizer = tokenizer
        self._chunk_tokens = chunk_tokens
        self._packed = packed
        self._vectors = vectors

    def __getitem__(self, number: int) -> Step:
        groups = self._groups_of(number)
        pairs = [(group.query, passage) for group in groups for passage in group.passages]
        tokens = self._tokenizer.encode(pairs)
        targets = Targets.of(groups, vectors=self._vectors)
        if self._packed:
            return Step([], Pack.of(tokens), targets)
        return Step(list(sorted_chunks(tokens, self._chunk_tokens)), None, targets)

    def load(self, first: int, last: int, device: torch.device) -> Iterator[Step]:
        """Yields the steps from `first` to before `last`, made beside a GPU that would wait."""
        forks = device.type == "cuda" and sys.platform == "linux"
        workers = min(_MOST_WORKERS, processors() // 2) if forks else 0
        yield from DataLoader(
            self,
            batch_size=None,
            sampler=range(first, last),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            multiprocessing_context="fork" if workers else None,
        )
