"""The tasks of the GPU section and their sizes."""

from dataclasses import dataclass

import numpy as np

from benchmarks.gpu_models import Pairs
from benchmarks.ways import Texts, embedded_tokenizer, unmet

PASSAGES = 100


@dataclass(frozen=True, slots=True)
class Size:
    """The amount of work to measure.

    Attributes:
        passages: Passages per query.
        rounds: Queries with short passages; half as many have long ones.
        bulk: Pairs of the bulk job.
        choosing: Pairs used to choose the batch size of `predict`.
        batches: Batch sizes to try for `predict`.
        budgets: Tokens per batch to try for the scorer.
        questions: Questions that measure exactness.
        base: Sizes of the bigger model.
    """

    passages: int
    rounds: int
    bulk: int
    choosing: int
    batches: tuple[int, ...]
    budgets: tuple[int, ...]
    questions: int
    base: dict[str, int]


FULL = Size(
    passages=PASSAGES,
    rounds=60,
    bulk=5000,
    choosing=1000,
    batches=(32, 64, 128, 256, 512, 1024),
    budgets=(8192, 16384, 32768, 65536, 131072),
    questions=10,
    base={},
)


TINY = Size(
    passages=3,
    rounds=2,
    bulk=6,
    choosing=4,
    batches=(2, 4),
    budgets=(256, 1024),
    questions=1,
    base={"num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 4},
)


def few_words(data: Texts) -> Texts:
    """A few short texts, for a quick run on a processor."""
    short = [" ".join(text.split()[:6]) for text in data.short]
    return Texts(data.queries, short, [f"{text} {text}" for text in short])


def query_pairs(data: Texts, name: str, number: int, count: int) -> Pairs:
    """One query with short or long passages, different for each number."""
    passages = data.short if name == "short" else data.long
    query = data.queries[number % len(data.queries)]
    return [(query, passage) for passage in unmet(passages[:count], number)]


def bulk_pairs(data: Texts, count: int, number: int) -> Pairs:
    """Pairs of each query in turn with all short passages."""
    pairs: Pairs = []
    for turn, query in enumerate(data.queries * (1 + count // len(data.short))):
        if len(pairs) >= count:
            break
        pairs += [(query, f"{text} {number} {turn}") for text in data.short]
    return pairs[:count]


def mean_tokens(pairs: Pairs) -> float:
    """Mean tokens per pair, as the embedded model's tokenizer counts them."""
    return float(np.mean([len(one) for one in embedded_tokenizer().encode(pairs)]))
