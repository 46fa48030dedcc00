"""Many callers, several workers, close under load: on real tiny models and the embedded one."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    QueueFullError,
    Reranker,
    ScoringTimeoutError,
)
from rerank_plugins.engine.schedule import SLICE
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.tokens.padding import Tokens
from tests.tiny_models import WORDS

PASSAGES = [
    " ".join(np.random.default_rng(n).choice(WORDS, 1 + n * 13 % 70)) for n in range(2 * SLICE)
]


@pytest.fixture(scope="module")
def alone(tiny_model: Path) -> np.ndarray:
    """What each passage scores in a call of its own."""
    with CrossEncoderScorer(tiny_model, max_batch_tokens=1) as scorer:
        return scorer.score("red fox", PASSAGES)


@pytest.fixture(scope="module")
def workers(tiny_model: Path) -> CrossEncoderScorer:
    """A scorer whose work two workers share."""
    return CrossEncoderScorer(tiny_model, device=["cpu", "cpu"])


parts = st.tuples(st.integers(0, len(PASSAGES) - 1), st.integers(0, len(PASSAGES)), st.booleans())


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(parts, min_size=1, max_size=8), st.sampled_from(["one", "two"]))
def test_every_pair_gets_the_score_it_has_alone_whatever_else_is_going_on(
    tiny_model: Path,
    alone: np.ndarray,
    workers: CrossEncoderScorer,
    plan: list[tuple[int, int, bool]],
    devices: str,
) -> None:
    scorer = workers if devices == "two" else CrossEncoderScorer(tiny_model)

    async def call(start: int, size: int, cancel: bool) -> None:
        scoring = asyncio.ensure_future(scorer.ascore("red fox", PASSAGES[start : start + size]))
        if cancel:
            await asyncio.sleep(0)
            scoring.cancel()
            return
        np.testing.assert_allclose(await scoring, alone[start : start + size], atol=1e-5)

    async def all_calls() -> None:
        await asyncio.gather(*(call(*part) for part in plan))

    asyncio.run(all_calls())


def test_two_workers_have_a_model_each_and_a_list_of_one_has_one(tiny_model: Path) -> None:
    with (
        CrossEncoderScorer(tiny_model, device=["cpu", "cpu"]) as two,
        CrossEncoderScorer(tiny_model, device=["cpu"]) as one,
        CrossEncoderScorer(tiny_model, device="cpu") as plain,
    ):
        two.warm_up()
        first, second = two._shared.engine.backends
        assert first is not second
        assert one._shared is plain._shared
        assert one._options == plain._options
        assert two._options["device"] == ["cpu", "cpu"]


def test_threads_that_call_at_once_all_get_their_scores(
    workers: CrossEncoderScorer, alone: np.ndarray
) -> None:
    reranker = Reranker(workers, scale="logit")
    with ThreadPoolExecutor(8) as pool:
        for ranking in pool.map(lambda _: reranker.rank("red fox", PASSAGES[:60]), range(24)):
            scores = [ranked.score for ranked in sorted(ranking, key=lambda each: each.index)]
            np.testing.assert_allclose(scores, alone[:60], atol=1e-5)


def test_a_timeout_of_the_scorer_or_of_one_call_is_an_error_that_says_so(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model, timeout=1e-6) as hasty:
        with pytest.raises(ScoringTimeoutError, match="raise timeout"):
            hasty.score("red fox", PASSAGES)
        pairs = [("red fox", "the fox")]
        assert hasty.submit(pairs, timeout=600).result().logits.shape == (1,)
        with pytest.raises(InvalidInputError, match="timeout must be a number of seconds"):
            hasty.submit(pairs, timeout=-1)


def held_back(scorer: CrossEncoderScorer, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Loads the model, whose batches then wait until the event is set."""
    scorer.warm_up()
    backend = scorer._shared.engine.backends[0]
    forward, go_on = backend.forward, threading.Event()

    def held(tokens: Tokens) -> np.ndarray:
        assert go_on.wait(60)
        return forward(tokens)

    monkeypatch.setattr(backend, "forward", held)
    return go_on


def test_a_full_queue_is_an_error_at_once(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CrossEncoderScorer(tiny_model, max_queue_pairs=100) as scorer:
        refused = held_back(scorer, monkeypatch)
        bulk = scorer.submit([("red fox", passage) for passage in PASSAGES])
        with pytest.raises(QueueFullError, match="max_queue_pairs=100"):
            scorer.score("red fox", PASSAGES[:2])
        refused.set()
        bulk.cancel()
        assert scorer.score("red fox", PASSAGES[:2]).shape == (2,)


async def test_gather_over_thousands_of_calls_waits_for_room(
    tiny_model: Path, alone: np.ndarray
) -> None:
    with CrossEncoderScorer(tiny_model, max_queue_pairs=20, max_batch_tokens=4096) as scorer:
        reranker = Reranker(scorer, scale="logit")

        async def call(number: int) -> float:
            (ranked,) = await reranker.arank("red fox", [PASSAGES[number % 7]])
            return ranked.score

        found = await asyncio.gather(*map(call, range(2000)))
        assert scorer._shared.engine._room.pairs == 0
    np.testing.assert_allclose(found, [alone[n % 7] for n in range(2000)], atol=1e-5)


async def test_a_waiting_call_can_be_cancelled_or_time_out(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CrossEncoderScorer(tiny_model, max_queue_pairs=100) as scorer:
        go_on = held_back(scorer, monkeypatch)
        bulk = scorer.submit([("red fox", passage) for passage in PASSAGES])
        waiting = asyncio.ensure_future(scorer.ascore("red fox", PASSAGES[:90]))
        behind = asyncio.ensure_future(scorer.ascore("red fox", PASSAGES[:2]))
        hasty = CrossEncoderScorer(tiny_model, max_queue_pairs=100, timeout=0.05)
        with pytest.raises(ScoringTimeoutError, match="2 of them still waited"):
            await hasty.ascore("red fox", PASSAGES[:2])
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not behind.done()
        go_on.set()
        bulk.cancel()
        assert (await behind).shape == (2,)


def test_a_blocking_call_with_a_time_budget_waits_for_room_until_its_end(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CrossEncoderScorer(tiny_model, max_queue_pairs=100) as scorer:
        go_on = held_back(scorer, monkeypatch)
        bulk = scorer.submit([("red fox", passage) for passage in PASSAGES])
        try:
            with pytest.raises(QueueFullError):
                scorer.score("red fox", ["x", "y"])
            ranking = Reranker(scorer, time_budget=0.05).rank("red fox", ["x", "y"])
            assert (list(ranking), ranking.unscored) == ([], (0, 1))
        finally:
            go_on.set()
            bulk.cancel()


async def test_a_scorer_chooses_what_its_calls_do_when_the_queue_is_full(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, fails = (
        CrossEncoderScorer(tiny_model, max_queue_pairs=100, when_full=choice)
        for choice in ("wait", "fail")
    )
    with waits, fails, ThreadPoolExecutor(1) as pool:
        go_on = held_back(waits, monkeypatch)
        bulk = waits.submit([("red fox", passage) for passage in PASSAGES])
        with pytest.raises(QueueFullError):
            await fails.ascore("red fox", PASSAGES[:2])
        with pytest.raises(QueueFullError):
            waits.submit([("red fox", "the fox")])
        room, patient = waits._shared.engine._room, pool.submit(waits.score, "red fox", ["x", "y"])
        while room.pairs == len(PASSAGES):
            await asyncio.sleep(0.001)
        go_on.set()
        bulk.cancel()
        assert patient.result(60).shape == (2,)


OPEN_AND_CLOSE = """
import gc, os, threading
from rerank_plugins import CrossEncoderScorer

def open_and_close():
    scorer = CrossEncoderScorer("embedded")
    pairs = [("how do bees talk", "By dancing in the hive.")]
    futures = [scorer.submit(pairs * 20) for _ in range(10)]
    scorer.close()  # under load
    assert all(future.done() for future in futures)
    assert not [t for t in threading.enumerate() if t.name.startswith("rerank-model")]
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

print(*(open_and_close() for _ in range(14)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident set size from /proc")
def test_closing_under_load_releases_the_models_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AND_CLOSE], capture_output=True, text=True, check=True
    )
    first, *later = map(int, done.stdout.split())  # libraries are loaded once and stay
    weights = 2 * (EMBEDDED_FOLDER / "model.safetensors").stat().st_size  # fp16 there, fp32 loaded
    # What the allocator holds back rises and falls by a model; one that is kept stays each time.
    assert min(later[2:]) - first < weights, "opened again and again, it holds no second model"


def test_a_process_that_ends_finishes_what_is_queued() -> None:
    code = (
        "from rerank_plugins import CrossEncoderScorer\n"
        "scorer = CrossEncoderScorer('embedded')\n"
        "scorer.warm_up()\n"
        "future = scorer.submit([('red fox', 'the fox')] * 600)\n"
        "future.add_done_callback(lambda done: print(done.result().logits.shape))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(600,)\n"
    assert done.stderr == ""
