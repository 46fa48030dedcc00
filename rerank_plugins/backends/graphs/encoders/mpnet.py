"""MPNet: BERT whose attention also depends on the distance between two tokens."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.graphs.config import Config
from rerank_plugins.backends.graphs.encoders.attention import padding_bias
from rerank_plugins.backends.graphs.encoders.bert import Bert, LayerNames, bert_like
from rerank_plugins.backends.graphs.encoders.contract import Shapes
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V

_NAMES = LayerNames(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    attended="attention.attn.o",
    attended_norm="attention.LayerNorm",
)
_BUCKETS = 32
_FARTHEST = 128
_PADDING = 1  # transformers reads it from no config


@dataclass(frozen=True, slots=True)
class MPNet(Bert):
    """MPNet's encoder: each head adds a number to a score, by the bucket of the distance."""

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield from Bert.shapes(self)
        yield self._by_bucket, (_BUCKETS, self.heads)

    def bias(self, ops: Operations[V], inputs: Inputs[V], *, first: bool) -> V:
        """What is added to the attention scores of all tokens, or of the first token alone."""
        places = ops.positions(inputs["input_ids"])
        asking = ops.constant([0]) if first else places
        distances = ops.subtract(places, ops.reshape(asking, (-1, 1)))
        buckets = ops.constant(_buckets(self.positions))
        # Distances begin at 1 - positions, which has the first place in the table.
        bucket = ops.take(buckets, ops.add(distances, ops.constant(self.positions - 1)))
        by_head = ops.transpose(ops.rows(self._by_bucket, bucket), (2, 0, 1))
        return ops.add(by_head, padding_bias(ops, inputs))

    @property
    def _by_bucket(self) -> str:
        return f"{self.prefix}encoder.relative_attention_bias.weight"


def mpnet(config: Config, prefix: str) -> MPNet:
    """MPNet.

    Raises:
        NoGraphError: The config has something that this description does not know.
    """
    config.one_of("relative_attention_num_buckets", _BUCKETS, [_BUCKETS])
    described = bert_like(MPNet, config, prefix, padding=_PADDING)
    return replace(described, types=0, names=_NAMES)


def _buckets(positions: int) -> NDArray[np.int64]:
    """The bucket of each distance, from 1 - positions to positions - 1.

    Half of the buckets are for later tokens. Of each half, half are for one distance each, and the
    others for ranges that grow up to the farthest. It is computed in fp32, as transformers does.
    """
    distances = np.arange(1 - positions, positions)
    half, exact = _BUCKETS // 2, _BUCKETS // 4
    far = np.maximum(np.abs(distances), exact).astype(np.float32) / np.float32(exact)
    share = np.log(far) / np.float32(math.log(_FARTHEST / exact)) * np.float32(half - exact)
    ranged = np.minimum(exact + share.astype(np.int64), half - 1)
    bucket: NDArray[np.int64] = np.where(np.abs(distances) < exact, np.abs(distances), ranged)
    return np.where(distances > 0, bucket + half, bucket)
