"""What is scored in the GPU's section, and how much of it."""

from dataclasses import dataclass

import numpy as np

from benchmarks.gpu_models import Pairs
from benchmarks.ways import Texts, embedded_tokenizer, unmet

PASSAGES = 100


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        passages: Of one query.
        rounds: Queries with short passages; half as many with long ones.
        bulk: Pairs of the bulk job.
        choosing: Pairs of the bulk job by which the batch size of `predict` is chosen.
        batches: Batch sizes that are tried for `predict`.
        budgets: Tokens of a batch that are tried for the scorer.
        questions: For exactness.
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
    """Texts that a processor is done with soon."""
    short = [" ".join(text.split()[:6]) for text in data.short]
    return Texts(data.queries, short, [f"{text} {text}" for text in short])


def query_pairs(data: Texts, name: str, number: int, count: int) -> Pairs:
    """One query with short or long passages that were not met under another number."""
    passages = data.short if name == "short" else data.long
    query = data.queries[number % len(data.queries)]
    return [(query, passage) for passage in unmet(passages[:count], number)]


def bulk_pairs(data: Texts, count: int, number: int) -> Pairs:
    """Queries in turn, each with all short passages."""
    pairs: Pairs = []
    for turn, query in enumerate(data.queries * (1 + count // len(data.short))):
        if len(pairs) >= count:
            break
        pairs += [(query, f"{text} {number} {turn}") for text in data.short]
    return pairs[:count]


def mean_tokens(pairs: Pairs) -> float:
    """Mean tokens per pair, as the embedded model's tokenizer counts them."""
    return float(np.mean([len(one) for one in embedded_tokenizer().encode(pairs)]))
