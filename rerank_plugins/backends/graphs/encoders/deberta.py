"""DeBERTa-v2 and v3: attention compares tokens with the distances between them as well."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.graphs.config import Config, refuse
from rerank_plugins.backends.graphs.encoders.attention import (
    in_heads,
    joined,
    padding_bias,
    read_through,
)
from rerank_plugins.backends.graphs.encoders.bert import Bert, LayerNames
from rerank_plugins.backends.graphs.encoders.contract import Shapes, linear_shapes, norm_shapes
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V

_NAMES = LayerNames(
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
)
_KEY, _QUERY = "c2p", "p2c"
"""What a distance has, in the config's words: a key for queries of tokens, a query for keys."""

_OWN_NAMES = {_KEY: "attention.self.pos_key_proj", _QUERY: "attention.self.pos_query_proj"}


@dataclass(frozen=True, slots=True)
class Deberta(Bert):
    """DeBERTa's encoder.

    When token i reads token j, the score is the product of i's query and j's key, plus that of i's
    query and the key of the distance i - j, plus that of the distance's query and j's key.

    Attributes:
        parts: Which of the last two there are.
        span: Half of the rows in the table of distances; negative distances come first.
        farthest: Farther distances have the row of this one.
        buckets: Whether far distances share rows.
        shares: Whether distances go through the matrices of tokens, or through their own.
        normalises: Whether the table is normalised.
    """

    parts: tuple[str, ...] = ()
    span: int = 0
    farthest: int = 0
    buckets: bool = False
    shares: bool = False
    normalises: bool = False

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield from self._table_shapes()
        if self.embedding_width != self.width:
            widened = f"{self.prefix}embeddings.embed_proj"
            yield from linear_shapes(widened, self.width, self.embedding_width, bias=False)
        yield from norm_shapes(f"{self.prefix}embeddings.LayerNorm", self.width)
        yield f"{self.prefix}encoder.rel_embeddings.weight", (2 * self.span, self.width)
        if self.normalises:
            yield from norm_shapes(f"{self.prefix}encoder.LayerNorm", self.width)
        yield from self._layer_shapes()
        for number in range(0 if self.shares else self.layers):
            for part in self.parts:
                name = self._layer(number) + _OWN_NAMES[part]
                yield from linear_shapes(name, self.width, self.width)

    def unread(self) -> tuple[str, ...]:
        """Beginnings of keys that files may hold and no score depends on."""
        positions = () if self.positions else (self._table("position"),)
        return (f"{self.prefix}embeddings.position_ids", *positions)

    def states(self, ops: Operations[V], inputs: Inputs[V], *, first: bool) -> V:
        """The last layer's states."""
        hidden, padding = self._embedded(ops, inputs), padding_bias(ops, inputs)
        places = ops.positions(inputs["input_ids"])
        last = ops.maximum(places, 0)
        # What `along_diagonals` takes: for t tokens, 2 t - 1 distances, and one more.
        columns = ops.concatenate([places, ops.add(places, ops.add(last, ops.constant(1)))], 0)
        rows = {
            _KEY: self._rows(ops, ops.subtract(last, columns)),
            _QUERY: self._rows(ops, ops.subtract(columns, last)),
        }
        table = self._distances(ops)
        for number in range(self.layers - first):
            compared = self._compared(ops, table, rows, number)
            read = self._read_from_all(ops, hidden, padding, compared, number)
            hidden = self._after_attention(ops, hidden, read, number)
        if first:
            before = self._rows(ops, ops.subtract(ops.constant(0), places))
            rows, number = {_KEY: before, _QUERY: before}, self.layers - 1
            compared = self._compared(ops, table, rows, number)
            read = self._read_from_first(ops, hidden, padding, compared, number)
            hidden = self._after_attention(ops, ops.first(hidden), read, number)
        return hidden

    def _embedded(self, ops: Operations[V], inputs: Inputs[V]) -> V:
        hidden = self._looked_up(ops, inputs)
        if self.embedding_width != self.width:
            hidden = ops.linear(hidden, f"{self.prefix}embeddings.embed_proj")
        return ops.norm(hidden, f"{self.prefix}embeddings.LayerNorm", self.epsilon)

    def _distances(self, ops: Operations[V]) -> V:
        """The table of distances."""
        table = ops.weight(f"{self.prefix}encoder.rel_embeddings.weight")
        if self.normalises:
            table = ops.norm(table, f"{self.prefix}encoder.LayerNorm", self.epsilon)
        return table

    def _compared(
        self, ops: Operations[V], table: V, rows: Mapping[str, V], number: int
    ) -> Mapping[str, V]:
        """Keys and queries of distances in a layer, `(heads, width of a head, distances)`."""
        names = {_KEY: self.names.key, _QUERY: self.names.query} if self.shares else _OWN_NAMES
        compared = {}
        for part in self.parts:
            # The whole table first: that depends on no input, so it is computed once at most.
            of_each = ops.linear(table, self._layer(number) + names[part])
            of_rows = ops.reshape(ops.take(of_each, rows[part]), (0, self.heads, -1))
            compared[part] = ops.transpose(of_rows, (1, 2, 0))
        return compared

    def _read_from_all(
        self, ops: Operations[V], states: V, padding: V, compared: Mapping[str, V], number: int
    ) -> V:
        """The output of the attention heads for each token, `(b, t, width)`."""
        layer = self._layer(number)
        names = (layer + self.names.query, layer + self.names.key, layer + self.names.value)
        query, key, value = (
            in_heads(ops, part, self.heads)
            for part in ops.split(ops.linear(states, *names), 3, axis=-1)
        )
        query, bias = ops.multiply(query, self._scale(ops)), padding
        if _KEY in compared:
            scores = ops.matmul(query, compared[_KEY])
            bias = ops.add(bias, ops.along_diagonals(scores))
        if _QUERY in compared:
            scores = ops.matmul(key, ops.multiply(compared[_QUERY], self._scale(ops)))
            bias = ops.add(bias, ops.transpose(ops.along_diagonals(scores), (0, 1, 3, 2)))
        return joined(ops, ops.attention(query, key, value, bias))

    def _read_from_first(
        self, ops: Operations[V], states: V, padding: V, compared: Mapping[str, V], number: int
    ) -> V:
        """The output of the attention heads for the first token, `(b, 1, width)`.

        Each token's key meets the query of one distance only. No token's value is computed.
        """
        layer = self._layer(number)
        query = ops.linear(ops.first(states), layer + self.names.query)
        query = ops.multiply(in_heads(ops, query, self.heads), self._scale(ops))
        key = in_heads(ops, ops.linear(states, layer + self.names.key), self.heads)
        asking = query
        if _QUERY in compared:
            queries = ops.multiply(compared[_QUERY], self._scale(ops))
            asking = ops.add(query, ops.transpose(queries, (0, 2, 1)))
        scores = ops.add(ops.sum(ops.multiply(key, asking), 3), ops.reshape(padding, (0, 0, -1)))
        if _KEY in compared:
            by_key = ops.reshape(ops.matmul(query, compared[_KEY]), (0, 0, -1))
            scores = ops.add(scores, by_key)
        name = layer + self.names.value
        matrix = ops.reshape(ops.weight(f"{name}.weight"), (self.heads, -1, self.width))
        read = read_through(ops, ops.softmax(scores), states, matrix)
        return ops.add(read, ops.weight(f"{name}.bias"))

    def _scale(self, ops: Operations[V]) -> V:
        """Of all products: the more of them are added up, the smaller."""
        return ops.constant((self.width // self.heads * (1 + len(self.parts))) ** -0.5)

    def _rows(self, ops: Operations[V], distances: V) -> V:
        """The rows of distances in the table of them."""
        reach = 2 * self.farthest
        least, most = ops.constant(-reach), ops.constant(reach)
        distances = ops.where(ops.less(distances, most), distances, most)
        distances = ops.where(ops.less(least, distances), distances, least)
        return ops.take(ops.constant(self._row_of_each(reach)), ops.add(distances, most))

    def _row_of_each(self, reach: int) -> NDArray[np.int64]:
        """The row of each distance, from -reach to reach.

        Near distances have buckets of their own. Farther ones share buckets that grow with the
        logarithm, in fp32 as transformers computes it.
        """
        distances = np.arange(-reach, reach + 1)
        bucket = distances
        if self.buckets:
            own = self.span // 2
            ratio = np.maximum(np.abs(distances), own).astype(np.float32) / np.float32(own)
            share = _logarithm(ratio) / _logarithm(np.float32((self.farthest - 1) / own))
            shared = own + np.ceil(share * np.float32(own - 1)).astype(np.int64)
            bucket = np.where(np.abs(distances) <= own, distances, np.sign(distances) * shared)
        row: NDArray[np.int64] = np.clip(bucket + self.span, 0, 2 * self.span - 1)
        return row


def deberta(config: Config, prefix: str) -> Deberta:
    """DeBERTa-v2 and v3.

    Raises:
        NoGraphError: The config has something that this description does not know.
    """
    config.ignore("legacy", "pooler_dropout")  # of training, and of another head
    config.one_of("relative_attention", False, [True])
    config.one_of("conv_kernel_size", 0, [0])
    width, positions = config.size("hidden_size"), config.size("max_position_embeddings", 512)
    buckets, farthest = (
        config.value(key, -1) for key in ("position_buckets", "max_relative_positions")
    )
    farthest = farthest if farthest > 0 else positions
    return Deberta(
        prefix=prefix,
        vocabulary=config.size("vocab_size"),
        positions=positions if config.flag("position_biased_input", True) else 0,
        types=config.size("type_vocab_size", 0),
        width=width,
        embedding_width=config.size("embedding_size", width),
        layers=config.size("num_hidden_layers"),
        heads=config.size("num_attention_heads"),
        inner=config.size("intermediate_size"),
        activation=config.activation("hidden_act", "gelu"),
        epsilon=float(config.value("layer_norm_eps", 1e-7)),
        names=_NAMES,
        parts=_parts(config),
        span=buckets if buckets > 0 else farthest,
        farthest=farthest,
        buckets=buckets > 0,
        shares=config.flag("share_att_key", False),
        normalises=config.one_of("norm_rel_ebd", "none", ["none", "layer_norm"]) != "none",
    )


def _parts(config: Config) -> tuple[str, ...]:
    """What distances have: listed, or in one text."""
    given = config.value("pos_att_type", None) or []
    listed = [part.strip() for part in given.lower().split("|")] if type(given) is str else given
    if not listed or not {*listed} <= {*_OWN_NAMES}:
        refuse("pos_att_type", given)
    return tuple(part for part in _OWN_NAMES if part in listed)


def _logarithm(value: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    """The logarithm, rounded once, so that every processor gives the same."""
    rounded: NDArray[np.float32] = np.log(np.asarray(value, np.float64)).astype(np.float32)
    return rounded
