"""What networks are made of: an encoder and a head, both written in `Operations`."""

from collections.abc import Iterator
from typing import Protocol, TypeAlias

from rerank_plugins.backends.graphs.operations import Inputs, Operations, V

Shapes: TypeAlias = Iterator[tuple[str, tuple[int, ...]]]
"""The key and shape of each weight."""


class Encoder(Protocol):
    """Turns token ids into states."""

    @property
    def width(self) -> int:
        """Width of the states."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The members of `INPUTS` that it reads."""
        ...

    @property
    def last_layer(self) -> str:
        """The beginning of the keys of its last layer."""
        ...

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        ...

    def unread(self) -> tuple[str, ...]:
        """Beginnings of keys that files of this architecture may hold and no score depends on."""
        ...

    def states(self, ops: Operations[V], inputs: Inputs[V], *, first: bool) -> V:
        """The last layer's states, `(b, t, width)`; with `first`, one token's: `(b, 1, width)`."""
        ...


class Head(Protocol):
    """Turns states into logits."""

    @property
    def reads_first(self) -> bool:
        """Whether it reads the first token only."""
        ...

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        ...

    def logits(self, ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
        """Logits `(b, columns)`, from states as `reads_first` says."""
        ...


def linear_shapes(name: str, outputs: int, inputs: int, *, bias: bool = True) -> Shapes:
    """The weights of a linear layer."""
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def norm_shapes(name: str, width: int, *, bias: bool = True) -> Shapes:
    """The weights of a layer normalisation."""
    yield f"{name}.weight", (width,)
    if bias:
        yield f"{name}.bias", (width,)
