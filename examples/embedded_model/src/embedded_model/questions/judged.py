"""A source as a judged collection: questions to ask, and a pool of passages to search."""

from __future__ import annotations

import random
from collections.abc import Sequence, Set
from pathlib import Path

from embedded_model.recipe.config import TrainingConfig
from embedded_model.sources.pairs import Pair, read_pairs, split_pairs
from rerank_plugins.evaluation import JudgedCollection


def held_out(
    pairs: Sequence[Pair], recipe: TrainingConfig, drawn: Set[str] = frozenset()
) -> list[Pair]:
    """Returns the pairs of a source that no model has trained on.

    Args:
        pairs: All pairs of the source, on which the recipe trains.
        recipe: Says which of them are held out.
        drawn: Queries that were drawn when its model was trained further, with a recipe that holds
            out others (`drawn_queries`): the pairs of their passages do not count.
    """
    seen = {pair.passage for pair in pairs if pair.query in drawn}
    _, kept = split_pairs(pairs, recipe.development_share, recipe.seed)
    return [pair for pair in kept if pair.passage not in seen]


def judged_source(
    data: Path,
    source: str,
    recipe: TrainingConfig,
    drawn: Set[str] = frozenset(),
    *,
    questions: int,
    pool: int,
) -> JudgedCollection:
    """Returns random questions of a source, with their passages among others of the source.

    If the recipe trains on the source, only held-out questions are asked.

    Args:
        data: The folder with one folder per source.
        source: The source's name.
        recipe: Says which sources are trained on and which of their pairs are held out.
        drawn: As in `held_out`.
        questions: The number of questions, if the source has as many.
        pool: The number of passages, if the source has as many; every answer is among them.

    Raises:
        InvalidInputError: The source is missing or broken.
    """
    pairs = read_pairs(data, source)
    asked = pairs
    if any(source in view.sources for view in recipe.views):
        asked = held_out(pairs, recipe, drawn)
    rng = random.Random(0)
    found = list(dict.fromkeys(pair.query for pair in asked))
    found = rng.sample(found, min(questions, len(found)))
    query_ids = {query: str(number) for number, query in enumerate(found)}
    answers = [pair for pair in pairs if pair.query in query_ids]
    texts = list(dict.fromkeys(pair.passage for pair in answers))
    others = sorted({pair.passage for pair in pairs} - set(texts))
    rng.shuffle(others)
    texts += others[: max(0, pool - len(texts))]
    rng.shuffle(texts)
    passage_ids = {text: str(number) for number, text in enumerate(texts)}
    judgements: dict[str, dict[str, int]] = {}
    for pair in answers:
        judgements.setdefault(query_ids[pair.query], {})[passage_ids[pair.passage]] = 1
    return JudgedCollection(
        source,
        {name: text for text, name in passage_ids.items()},
        {name: text for text, name in query_ids.items()},
        judgements,
    )
