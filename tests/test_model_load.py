"""`scorer.stats()`: what waits for a model, how full its batches are, and how fast it works."""

import asyncio
import threading
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, ModelLoad
from rerank_plugins.engine.requests import Request
from tests.engines import PLAIN, engine, scores, until
from tests.number_backend import NumberBackend, some_pairs

TEXTS = [f"{n} the red fox is fast" for n in range(400)]


def test_calls_and_pairs_without_a_score_are_counted() -> None:
    gate = threading.Semaphore(0)
    with engine(NumberBackend(budget=20, gate=gate)) as subject:
        before = subject.load()
        assert (before.loaded, before.requests, before.pairs) == (False, 0, 0)
        waiting = [subject.submit(Request(some_pairs(name, 6), PLAIN)) for name in "ab"]
        assert (subject.load().requests, subject.load().pairs) == (2, 12)
        gate.release()  # a batch of four pairs
        until(lambda: subject.load().pairs == 8)
        assert subject.load().loaded
        waiting[1].cancel()
        assert subject.load().requests == 1
        gate.release(10)
        scores(waiting[0])
        until(lambda: subject.load().requests == 0)
        assert subject.load().pairs == 0


def test_batches_are_as_full_as_their_padding_and_their_limit_make_them() -> None:
    with engine(NumberBackend(budget=40)) as subject:
        scores(subject.submit(Request(some_pairs("a", 4), PLAIN)))
        assert subject.load().batch_fill == 4 * 5 / 40
        scores(subject.submit(Request(some_pairs("b", 8), PLAIN)))
        assert subject.load().batch_fill == (4 + 8) * 5 / 80
        both = some_pairs("c", 1, length=8) + some_pairs("d", 1, length=4)
        scores(subject.submit(Request(both, PLAIN)))
        found = subject.load()
        assert found.batch_fill == (4 * 5 + 8 * 5 + 2 * 8) / 120
        tokens, pairs = (4 + 8) * 5 + 8 + 4, 4 + 8 + 2
        assert found.tokens_per_second / found.pairs_per_second == pytest.approx(tokens / pairs)


def test_a_real_model_under_load() -> None:
    async def watched(scorer: CrossEncoderScorer) -> list[ModelLoad]:
        calls = [asyncio.ensure_future(scorer.ascore(f"{n} fox", TEXTS)) for n in range(3)]
        seen = []
        while not all(call.done() for call in calls):
            seen.append(scorer.stats())
            await asyncio.sleep(0.01)
        return seen

    with (
        CrossEncoderScorer("embedded", threads=1) as scorer,
        CrossEncoderScorer("embedded", threads=1) as same,
    ):
        assert scorer.stats() == ModelLoad(
            loaded=False,
            requests=0,
            pairs=0,
            batch_fill=0.0,
            pairs_per_second=0.0,
            tokens_per_second=0.0,
        )
        seen = asyncio.run(watched(scorer))
        assert max(each.requests for each in seen) == 3
        assert max(each.pairs for each in seen) == 3 * len(TEXTS)
        left = [each.pairs for each in seen if each.requests == 3]
        assert left == sorted(left, reverse=True)
        after = scorer.stats()
        assert after == same.stats()  # they share the model
        assert (after.loaded, after.requests, after.pairs) == (True, 0, 0)
        assert 0.5 < after.batch_fill <= 1
        assert after.tokens_per_second > after.pairs_per_second > 0


def test_what_the_cache_saves_is_this_scorers_own(tmp_path: Path) -> None:
    with (
        CrossEncoderScorer("embedded", score_cache=tmp_path / "scores") as scorer,
        CrossEncoderScorer("embedded") as without,
    ):
        for _ in range(2):
            scorer.score("fox", TEXTS[:10])
        found = scorer.stats()
        assert found.hit_rate == 0.5
        assert found.cache_bytes is not None
        assert found.cache_bytes > 0
        assert (without.stats().hit_rate, without.stats().cache_bytes) == (0.0, None)
