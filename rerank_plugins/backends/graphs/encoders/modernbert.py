"""ModernBERT: rotary positions, and layers of which most read near tokens only."""

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
from rerank_plugins.backends.graphs.encoders.contract import Shapes, linear_shapes, norm_shapes
from rerank_plugins.backends.graphs.operations import MASKED, Inputs, Operations, V

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_ROTATIONS = {_GLOBAL: ("global_rope_theta", 160_000.0), _LOCAL: ("local_rope_theta", 10_000.0)}
"""Where configs from before transformers 5 have the base of the rotations, and its default."""


@dataclass(frozen=True, slots=True)
class ModernBert:
    """An encoder of ModernBERT's design. The Ettin encoders are such.

    Attributes:
        prefix: Beginning of all keys, such as `model.`.
        vocabulary: Rows of the table of tokens.
        width: Width of the states.
        heads: Heads of attention per layer.
        inner: Width of the feed-forward part.
        activation: Its activation.
        epsilon: Of the layer normalisations.
        kinds: The kind of attention of each layer.
        bases: The base of the rotations in layers of each kind.
        reach: How many tokens to each side a layer of local attention reads.
        norm_bias: Whether the layer normalisations have a bias.
        attention_bias: Whether the matrices of the attention have one.
        inner_bias: Whether those of the feed-forward part have one.
    """

    prefix: str
    vocabulary: int
    width: int
    heads: int
    inner: int
    activation: str
    epsilon: float
    kinds: tuple[str, ...]
    bases: Mapping[str, float]
    reach: int
    norm_bias: bool
    attention_bias: bool
    inner_bias: bool

    @property
    def inputs(self) -> tuple[str, ...]:
        """The members of `INPUTS` that it reads."""
        return ("input_ids", "attention_mask")

    @property
    def last_layer(self) -> str:
        """The beginning of the keys of its last layer."""
        return f"{self.prefix}layers.{len(self.kinds) - 1}."

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield f"{self.prefix}embeddings.tok_embeddings.weight", (self.vocabulary, self.width)
        yield from norm_shapes(f"{self.prefix}embeddings.norm", self.width, bias=self.norm_bias)
        for number in range(len(self.kinds)):
            layer = f"{self.prefix}layers.{number}."
            if number:  # the first layer's input was normalised already
                yield from norm_shapes(f"{layer}attn_norm", self.width, bias=self.norm_bias)
            for name, outputs in (("Wqkv", 3 * self.width), ("Wo", self.width)):
                yield from linear_shapes(
                    f"{layer}attn.{name}", outputs, self.width, bias=self.attention_bias
                )
            yield from norm_shapes(f"{layer}mlp_norm", self.width, bias=self.norm_bias)
            yield from linear_shapes(
                f"{layer}mlp.Wi", 2 * self.inner, self.width, bias=self.inner_bias
            )
            yield from linear_shapes(f"{layer}mlp.Wo", self.width, self.inner, bias=self.inner_bias)
        yield from norm_shapes(f"{self.prefix}final_norm", self.width, bias=self.norm_bias)

    def unread(self) -> tuple[str, ...]:
        """None."""
        return ()

    def states(self, ops: Operations[V], inputs: Inputs[V], *, first: bool) -> V:
        """The last layer's states."""
        hidden = ops.rows(f"{self.prefix}embeddings.tok_embeddings.weight", inputs["input_ids"])
        hidden = ops.norm(hidden, f"{self.prefix}embeddings.norm", self.epsilon)
        places, padding = ops.positions(inputs["input_ids"]), padding_bias(ops, inputs)
        rotations = {kind: self._rotation(ops, places, kind) for kind in dict.fromkeys(self.kinds)}
        nearby = self._nearby(ops, places, places)
        for number, kind in enumerate(self.kinds):
            layer, states = f"{self.prefix}layers.{number}.", hidden
            if number:  # the first layer's input was normalised already
                states = ops.norm(hidden, f"{layer}attn_norm", self.epsilon)
            reads_first = first and number == len(self.kinds) - 1
            if reads_first and kind == _LOCAL:
                nearby = self._nearby(ops, places, ops.constant([0]))
            bias = padding if kind == _GLOBAL else ops.add(padding, nearby)
            read = self._read_from_first if reads_first else self._read_from_all
            mixed = read(ops, states, layer, rotations[kind], bias)
            asking = ops.first(hidden) if reads_first else hidden
            hidden = ops.add(asking, ops.linear(mixed, f"{layer}attn.Wo"))
            hidden = ops.add(hidden, self._fed_forward(ops, hidden, layer))
        return ops.norm(hidden, f"{self.prefix}final_norm", self.epsilon)

    def _rotation(self, ops: Operations[V], places: V, kind: str) -> tuple[V, V]:
        """Cosine and sine of each token's angles, `(1, 1, t, width of a head)`.

        Both queries and keys are multiplied by them, so they scale their products as well.
        """
        width = self.width // self.heads
        steps = ops.constant(_steps(self.bases[kind], width))
        angles = ops.multiply(ops.reshape(ops.real(places), (1, 1, -1, 1)), steps)
        scale = ops.constant(width**-0.25)
        cosine = ops.multiply(ops.cosine(angles), scale)
        sine = ops.multiply(ops.sine(angles), scale)
        return ops.concatenate([cosine, cosine], -1), ops.concatenate([sine, sine], -1)

    def _nearby(self, ops: Operations[V], places: V, asking: V) -> V:
        """What hides tokens beyond `reach` from those that ask, `(asking, t)`."""
        distance = ops.subtract(places, ops.reshape(asking, (-1, 1)))
        near = ops.less(ops.multiply(distance, distance), ops.constant(self.reach**2 + 1))
        return ops.where(near, ops.constant(0.0), ops.constant(MASKED))

    def _read_from_all(
        self, ops: Operations[V], states: V, layer: str, rotation: tuple[V, V], bias: V
    ) -> V:
        """The output of the attention heads for each token, `(b, t, width)`."""
        query, key, value = (
            in_heads(ops, part, self.heads)
            for part in ops.linear_parts(states, f"{layer}attn.Wqkv", 3)
        )
        width = self.width // self.heads
        query, key = (ops.rotated(part, *rotation, width) for part in (query, key))
        return joined(ops, ops.attention(query, key, value, bias))

    def _read_from_first(
        self, ops: Operations[V], states: V, layer: str, rotation: tuple[V, V], bias: V
    ) -> V:
        """The output of the attention heads for the first token, `(b, 1, width)`.

        It asks from place 0, where nothing is rotated. Keys are: they are computed for all tokens.
        Values are not, and neither is computed.
        """
        name, width = f"{layer}attn.Wqkv", self.width // self.heads
        matrices = ops.weight_parts(f"{name}.weight", 3)
        query = ops.matmul(ops.first(states), ops.transpose(matrices[0], (1, 0)))
        key = ops.matmul(states, ops.transpose(matrices[1], (1, 0)))
        if self.attention_bias:
            biases = ops.weight_parts(f"{name}.bias", 3)
            query, key = ops.add(query, biases[0]), ops.add(key, biases[1])
        query = ops.multiply(query, ops.constant(width**-0.25))
        key = ops.rotated(in_heads(ops, key, self.heads), *rotation, width)
        scores = ops.matmul(in_heads(ops, query, self.heads), ops.transpose(key, (0, 1, 3, 2)))
        weights = ops.reshape(ops.softmax(ops.add(scores, bias)), (0, 0, -1))
        by_head = ops.reshape(matrices[2], (self.heads, -1, self.width))
        read = read_through(ops, weights, states, by_head)
        return ops.add(read, biases[2]) if self.attention_bias else read

    def _fed_forward(self, ops: Operations[V], hidden: V, layer: str) -> V:
        normed = ops.norm(hidden, f"{layer}mlp_norm", self.epsilon)
        inner, gate = ops.linear_parts(normed, f"{layer}mlp.Wi", 2)
        gated = ops.multiply(ops.activation(inner, self.activation), gate)
        return ops.linear(gated, f"{layer}mlp.Wo")


def modernbert(config: Config, prefix: str) -> ModernBert:
    """ModernBERT.

    Raises:
        NoGraphError: The config has something that this description does not know.
    """
    config.ignore("decoder_bias", "sparse_prediction", "sparse_pred_ignore_index")  # another head
    config.ignore("deterministic_flash_attn", "reference_compile", "repad_logits_with_grad")
    config.ignore("embedding_dropout", "initializer_cutoff_factor", "mlp_dropout")
    # It has no table of positions, and the norms have their epsilon from another key.
    config.ignore("layer_norm_eps", "max_position_embeddings", "position_embedding_type")
    return ModernBert(
        prefix=prefix,
        vocabulary=config.size("vocab_size"),
        width=config.size("hidden_size"),
        heads=config.size("num_attention_heads"),
        inner=config.size("intermediate_size"),
        activation=config.activation("hidden_activation", "gelu"),
        epsilon=float(config.value("norm_eps", 1e-5)),
        kinds=_kinds(config),
        bases=_bases(config),
        reach=config.size("local_attention", 128) // 2,
        norm_bias=config.flag("norm_bias", False),
        attention_bias=config.flag("attention_bias", False),
        inner_bias=config.flag("mlp_bias", False),
    )


def _kinds(config: Config) -> tuple[str, ...]:
    """The kind of each layer's attention: listed, or every third global and the others local."""
    layers, every = config.size("num_hidden_layers"), config.size("global_attn_every_n_layers", 3)
    counted = [_LOCAL if number % every else _GLOBAL for number in range(layers)]
    listed = config.value("layer_types", None) or counted
    if len(listed) != layers or not {*listed} <= {_GLOBAL, _LOCAL}:
        refuse("layer_types", listed)
    return tuple(listed)


def _bases(config: Config) -> dict[str, float]:
    """The base of the rotations in layers of each kind, from the keys of transformers 5 or 4."""
    parameters = config.value("rope_parameters", None) or {}
    bases = {}
    for kind, (key, default) in _ROTATIONS.items():
        earlier = {"rope_type": "default", "rope_theta": config.value(key, default)}
        found = earlier | (parameters.get(kind) or {})
        bases[kind] = found["rope_theta"]
        if found != {"rope_type": "default", "rope_theta": bases[kind]} or not bases[kind]:
            refuse("rope_parameters", found)
    if not parameters.keys() <= bases.keys():
        refuse("rope_parameters", parameters)
    return bases


def _steps(base: float, width: int) -> NDArray[np.float32]:
    """The angle from one token to the next of each pair of numbers, as transformers rounds it."""
    exponents = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
    powers = np.power(base, exponents.astype(np.float64)).astype(np.float32)
    return np.float32(1.0) / powers
