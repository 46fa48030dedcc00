"""BERT and the encoders that differ from it in names, positions and embeddings.

Each layer is attention and a feed-forward part, both followed by a sum and a layer normalisation.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

from rerank_plugins.backends.graphs.config import Config
from rerank_plugins.backends.graphs.encoders.attention import (
    padding_bias,
    read_from_all,
    read_from_first,
)
from rerank_plugins.backends.graphs.encoders.contract import Shapes, linear_shapes, norm_shapes
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V

_Design = TypeVar("_Design", bound="Bert")


@dataclass(frozen=True, slots=True)
class LayerNames:
    """Keys of a layer's weights, behind the layer's own beginning."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attended: str = "attention.output.dense"
    attended_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    outer: str = "output.dense"
    outer_norm: str = "output.LayerNorm"


@dataclass(frozen=True, slots=True)
class Bert:
    """An encoder of BERT's design.

    Attributes:
        prefix: Beginning of all keys, such as `bert.`.
        vocabulary: Rows of the table of tokens.
        positions: Rows of the table of positions; 0 if there is none.
        types: Rows of the table of token types; 0 if there is none.
        width: Width of the states.
        embedding_width: Width of the tables.
        layers: Number of layers.
        heads: Heads of attention per layer.
        inner: Width of the feed-forward part.
        activation: Its activation.
        epsilon: Of the layer normalisations.
        padding: Id of padding in encoders that count the positions of other tokens only, from this
            number plus one on; `None` if positions begin at 0.
        layer: Beginning of a layer's keys, to be followed by its number.
        names: The keys behind it.
    """

    prefix: str
    vocabulary: int
    positions: int
    types: int
    width: int
    embedding_width: int
    layers: int
    heads: int
    inner: int
    activation: str
    epsilon: float
    padding: int | None = None
    layer: str = "encoder.layer"
    names: LayerNames = LayerNames()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The members of `INPUTS` that it reads."""
        types = ("token_type_ids",) if self.types else ()
        return ("input_ids", "attention_mask", *types)

    @property
    def last_layer(self) -> str:
        """The beginning of the keys of its last layer."""
        return self._layer(self.layers - 1)

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield from self._table_shapes()
        yield from norm_shapes(f"{self.prefix}embeddings.LayerNorm", self.embedding_width)
        if self.embedding_width != self.width:
            yield from linear_shapes(
                f"{self.prefix}embeddings_project", self.width, self.embedding_width
            )
        yield from self._layer_shapes()

    def _table_shapes(self) -> Shapes:
        tables = {"word": self.vocabulary, "position": self.positions, "token_type": self.types}
        for table, rows in tables.items():
            if rows:
                yield self._table(table) + ".weight", (rows, self.embedding_width)

    def _layer_shapes(self) -> Shapes:
        for number in range(self.layers):
            layer, names = self._layer(number), self.names
            for name in (names.query, names.key, names.value, names.attended):
                yield from linear_shapes(layer + name, self.width, self.width)
            yield from norm_shapes(layer + names.attended_norm, self.width)
            yield from linear_shapes(layer + names.inner, self.inner, self.width)
            yield from linear_shapes(layer + names.outer, self.width, self.inner)
            yield from norm_shapes(layer + names.outer_norm, self.width)

    def unread(self) -> tuple[str, ...]:
        """Beginnings of keys that files may hold and no score depends on."""
        return (f"{self.prefix}embeddings.position_ids", f"{self.prefix}pooler.")

    def states(self, ops: Operations[V], inputs: Inputs[V], *, first: bool) -> V:
        """The last layer's states."""
        hidden = self._embedded(ops, inputs)
        bias = self.bias(ops, inputs, first=False)
        for number in range(self.layers - first):
            hidden = self._layer_states(ops, hidden, bias, number, first=False)
        if first:
            bias = self.bias(ops, inputs, first=True)
            hidden = self._layer_states(ops, hidden, bias, self.layers - 1, first=True)
        return hidden

    def bias(self, ops: Operations[V], inputs: Inputs[V], *, first: bool) -> V:
        """What is added to the attention scores of all tokens, or of the first token alone."""
        return padding_bias(ops, inputs)

    def _embedded(self, ops: Operations[V], inputs: Inputs[V]) -> V:
        hidden = ops.norm(
            self._looked_up(ops, inputs), f"{self.prefix}embeddings.LayerNorm", self.epsilon
        )
        if self.embedding_width != self.width:
            hidden = ops.linear(hidden, f"{self.prefix}embeddings_project")
        return hidden

    def _looked_up(self, ops: Operations[V], inputs: Inputs[V]) -> V:
        """The sum of each token's rows in the tables."""
        hidden = ops.rows(self._table("word") + ".weight", inputs["input_ids"])
        if self.types:
            types = inputs["token_type_ids"] if "token_type_ids" in inputs else ops.constant(0)
            hidden = ops.add(hidden, ops.rows(self._table("token_type") + ".weight", types))
        if self.positions:
            places = ops.rows(self._table("position") + ".weight", self._places(ops, inputs))
            hidden = ops.add(hidden, places)
        return hidden

    def _places(self, ops: Operations[V], inputs: Inputs[V]) -> V:
        if self.padding is None:
            return ops.positions(inputs["input_ids"])
        padding = ops.constant(self.padding)
        is_padding = ops.equal(inputs["input_ids"], padding)
        counted = ops.subtract(ops.constant(1), ops.integer(is_padding))
        return ops.add(ops.multiply(ops.cumulative_sum(counted, 1), counted), padding)

    def _layer_states(
        self, ops: Operations[V], hidden: V, bias: V, number: int, *, first: bool
    ) -> V:
        layer, names = self._layer(number), self.names
        read = (read_from_first if first else read_from_all)(
            ops,
            hidden,
            (layer + names.query, layer + names.key, layer + names.value),
            bias,
            heads=self.heads,
            width=self.width,
        )
        return self._after_attention(ops, ops.first(hidden) if first else hidden, read, number)

    def _after_attention(self, ops: Operations[V], asking: V, read: V, number: int) -> V:
        """A layer's output for the tokens that ask, from what its heads read for them."""
        layer, names = self._layer(number), self.names
        attended = ops.add(ops.linear(read, layer + names.attended), asking)
        attended = ops.norm(attended, layer + names.attended_norm, self.epsilon)
        inner = ops.activation(ops.linear(attended, layer + names.inner), self.activation)
        outer = ops.add(ops.linear(inner, layer + names.outer), attended)
        return ops.norm(outer, layer + names.outer_norm, self.epsilon)

    def _table(self, name: str) -> str:
        return f"{self.prefix}embeddings.{name}_embeddings"

    def _layer(self, number: int) -> str:
        return f"{self.prefix}{self.layer}.{number}."


def electra(config: Config, prefix: str) -> Bert:
    """ELECTRA, whose tables may be narrower than the states.

    Raises:
        NoGraphError: The config has something that this description does not know.
    """
    # Of the head for other tasks.
    config.ignore("summary_activation", "summary_last_dropout", "summary_type", "summary_use_proj")
    described = bert_like(Bert, config, prefix)
    return replace(described, embedding_width=config.size("embedding_size", 128))


def bert(config: Config, prefix: str) -> Bert:
    """BERT.

    Raises:
        NoGraphError: The config has something that this description does not know.
    """
    # Left in configs by the first BERT; transformers reads none of them.
    config.ignore("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers")
    config.ignore("pooler_size_per_head", "pooler_type")
    return bert_like(Bert, config, prefix)


def roberta(config: Config, prefix: str) -> Bert:
    """RoBERTa, XLM-RoBERTa and CamemBERT.

    Raises:
        NoGraphError: The config has something that this description does not know.
    """
    return bert_like(Bert, config, prefix, padding=config.size("pad_token_id", 1))


def bert_like(
    design: type[_Design], config: Config, prefix: str, *, padding: int | None = None
) -> _Design:
    """An encoder whose config is written as BERT's.

    Raises:
        NoGraphError: The config has something that BERT's description does not know.
    """
    config.one_of("position_embedding_type", "absolute", ["absolute"])
    width = config.size("hidden_size")
    return design(
        prefix=prefix,
        vocabulary=config.size("vocab_size"),
        positions=config.size("max_position_embeddings"),
        types=config.size("type_vocab_size", 2),
        width=width,
        embedding_width=width,
        layers=config.size("num_hidden_layers"),
        heads=config.size("num_attention_heads"),
        inner=config.size("intermediate_size"),
        activation=config.activation("hidden_act", "gelu"),
        epsilon=float(config.value("layer_norm_eps", 1e-12)),
        padding=padding,
    )
