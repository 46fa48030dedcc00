"""The heads of transformers' sequence-classification models."""

from collections.abc import Callable
from dataclasses import dataclass

from rerank_plugins.backends.graphs.config import Config
from rerank_plugins.backends.graphs.encoders.contract import Head, Shapes, linear_shapes
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V


@dataclass(frozen=True, slots=True)
class FirstTokenHead:
    """A hidden layer and a last one, on the first token.

    Attributes:
        hidden: Key of the hidden layer.
        activation: Its activation.
        last: Key of the last layer.
        width: Width of the states.
        columns: Number of logits.
    """

    hidden: str
    activation: str
    last: str
    width: int
    columns: int

    @property
    def reads_first(self) -> bool:
        """It does."""
        return True

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield from linear_shapes(self.hidden, self.width, self.width)
        yield from linear_shapes(self.last, self.columns, self.width)

    def logits(self, ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
        """Logits `(b, columns)`, from `(b, 1, width)`."""
        state = ops.reshape(states, (0, -1))
        hidden = ops.activation(ops.linear(state, self.hidden), self.activation)
        return ops.linear(hidden, self.last)


def first_token_head(hidden: str, activation: str, last: str) -> Callable[[Config, int], Head]:
    """Reads such a head with these names from a config, for states of some width."""

    def read(config: Config, width: int) -> Head:
        return FirstTokenHead(hidden, activation, last, width, config.columns())

    return read
