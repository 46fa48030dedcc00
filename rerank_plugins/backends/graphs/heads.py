"""The heads of transformers' sequence-classification models."""

from collections.abc import Callable
from dataclasses import dataclass

from rerank_plugins.backends.graphs.config import Config
from rerank_plugins.backends.graphs.encoders.contract import (
    Head,
    Shapes,
    linear_shapes,
    norm_shapes,
)
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V
from rerank_plugins.backends.graphs.pooling import pooled


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


def deberta_head(config: Config, width: int) -> Head:
    """Reads DeBERTa's head from a config, for states of some width."""
    config.one_of("pooler_hidden_size", width, [width])
    activation = config.activation("pooler_hidden_act", "gelu")
    return FirstTokenHead("pooler.dense", activation, "classifier", width, config.columns())


@dataclass(frozen=True, slots=True)
class ModernBertHead:
    """A hidden layer, a norm, and a last layer, on the first token or the mean of all.

    Attributes:
        pooling: `"cls"` or `"mean"`.
        activation: Of the hidden layer.
        epsilon: Of the norm.
        bias: Whether the hidden layer has a bias.
        norm_bias: Whether the norm has one.
        width: Width of the states.
        columns: Number of logits.
    """

    pooling: str
    activation: str
    epsilon: float
    bias: bool
    norm_bias: bool
    width: int
    columns: int

    @property
    def reads_first(self) -> bool:
        """Whether it reads the first token only."""
        return self.pooling == "cls"

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield from linear_shapes("head.dense", self.width, self.width, bias=self.bias)
        yield from norm_shapes("head.norm", self.width, bias=self.norm_bias)
        yield from linear_shapes("classifier", self.columns, self.width)

    def logits(self, ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
        """Logits `(b, columns)`, from states as `reads_first` says."""
        state = pooled(ops, states, inputs, self.pooling)
        hidden = ops.activation(ops.linear(state, "head.dense"), self.activation)
        return ops.linear(ops.norm(hidden, "head.norm", self.epsilon), "classifier")


def modernbert_head(config: Config, width: int) -> Head:
    """Reads ModernBERT's head from a config, for states of some width."""
    return ModernBertHead(
        pooling=config.one_of("classifier_pooling", "cls", ["cls", "mean"]),
        activation=config.activation("classifier_activation", "gelu"),
        epsilon=float(config.value("norm_eps", 1e-5)),
        bias=config.flag("classifier_bias", False),
        norm_bias=config.flag("norm_bias", False),
        width=width,
        columns=config.columns(),
    )
