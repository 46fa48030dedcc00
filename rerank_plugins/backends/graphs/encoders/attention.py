"""Attention over all tokens, and the shorter sum for the first token alone."""

from rerank_plugins.backends.graphs.operations import MASKED, Inputs, Operations, V


def padding_bias(ops: Operations[V], inputs: Inputs[V]) -> V:
    """What is added to the attention scores so that no token reads padding, `(b, 1, 1, t)`."""
    visible = ops.real(inputs["attention_mask"])
    hidden = ops.multiply(ops.subtract(ops.constant(1.0), visible), ops.constant(MASKED))
    return ops.reshape(hidden, (0, 1, 1, -1))


def in_heads(ops: Operations[V], states: V, heads: int) -> V:
    """`(b, heads, t, width of a head)` of `(b, t, width)`."""
    return ops.transpose(ops.reshape(states, (0, 0, heads, -1)), (0, 2, 1, 3))


def joined(ops: Operations[V], read: V) -> V:
    """`(b, t, width)` of `(b, heads, t, width of a head)`."""
    return ops.reshape(ops.transpose(read, (0, 2, 1, 3)), (0, 0, -1))


def read_from_all(
    ops: Operations[V], states: V, names: tuple[str, str, str], bias: V, *, heads: int, width: int
) -> V:
    """The output of the attention heads for each token, `(b, t, width)`.

    Args:
        ops: The operations.
        states: The layer's input, `(b, t, width)`.
        names: The layers of query, key and value.
        bias: Added to the scores; broadcasts to `(b, heads, t, t)`.
        heads: Number of heads.
        width: Width of the query.
    """
    query, key, value = (
        in_heads(ops, part, heads) for part in ops.split(ops.linear(states, *names), 3, axis=-1)
    )
    query = ops.multiply(query, ops.constant((width / heads) ** -0.5))
    return joined(ops, ops.attention(query, key, value, bias))


def read_from_first(
    ops: Operations[V], states: V, names: tuple[str, str, str], bias: V, *, heads: int, width: int
) -> V:
    """The output of the attention heads for the first token, `(b, 1, width)`.

    No token's key or value is computed. A product of the query with all keys is one of the query,
    taken through the keys' matrix, with all states; a weighted sum of values is the weighted sum of
    states taken through the values' matrix. The keys' bias moves all scores alike, so it cancels in
    the softmax.

    Args:
        ops: The operations.
        states: The layer's input, `(b, t, width)`.
        names: The layers of query, key and value.
        bias: Added to the scores; broadcasts to `(b, heads, 1, t)`.
        heads: Number of heads.
        width: Width of the query.
    """
    asking, keys, values = names
    query = ops.multiply(
        ops.linear(ops.first(states), asking), ops.constant((width / heads) ** -0.5)
    )
    query = ops.transpose(ops.reshape(query, (0, heads, -1)), (1, 0, 2))
    by_head = (heads, width // heads, -1)
    asked = ops.matmul(query, ops.reshape(ops.weight(f"{keys}.weight"), by_head))
    scores = ops.matmul(ops.transpose(asked, (1, 0, 2)), ops.transpose(states, (0, 2, 1)))
    weights = ops.softmax(ops.add(scores, ops.reshape(bias, (0, 0, -1))))
    matrix = ops.reshape(ops.weight(f"{values}.weight"), by_head)
    read = read_through(ops, weights, states, matrix)
    return ops.add(read, ops.weight(f"{values}.bias"))


def read_through(ops: Operations[V], weights: V, states: V, matrix: V) -> V:
    """The weighted sum of values that nobody computes: `(b, 1, width)`, without their bias.

    Args:
        ops: The operations.
        weights: The weight of each token, `(b, heads, t)`.
        states: The layer's input, `(b, t, width)`.
        matrix: The values' matrix by head, `(heads, width of a head, width)`.
    """
    mixed = ops.transpose(ops.matmul(weights, states), (1, 0, 2))
    read = ops.matmul(mixed, ops.transpose(matrix, (0, 2, 1)))
    return ops.reshape(ops.transpose(read, (1, 0, 2)), (0, 1, -1))
