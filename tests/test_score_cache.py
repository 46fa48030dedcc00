"""A scorer with `score_cache`: no pair is scored twice, and nothing else changes."""

import asyncio
import copy
import gc
import pickle
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import BertForSequenceClassification

from rerank_plugins import (
    CrossEncoderScorer,
    Identity,
    InvalidInputError,
    ModelNotFoundError,
    PairScores,
    QueueFullError,
    Reranker,
    ScorerClosedError,
    ScoringError,
    ScoringTimeoutError,
    Statistics,
)
from rerank_plugins.backends import identity as of_backends
from rerank_plugins.cli import main
from rerank_plugins.engine.engine import Engine
from rerank_plugins.engine.requests import Request
from rerank_plugins.score_cache.cache import ScoreCache
from rerank_plugins.score_cache.requests import SLICE, CachedRequest
from tests.engines import PATIENCE, PLAIN, engine, until
from tests.number_backend import POISON, NumberBackend, Pair, numbers, some_pairs
from tests.tiny_models import retrain, save_tiny_chat_model, save_tiny_cross_encoder
from tests.wrappers import WRAPPERS

QUERY = "red fox"
PASSAGES = ["the red fox is fast", "a dog", "the sea and the river", "fire", "fox " * 80]


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A model that nobody else has loaded."""
    return Path(shutil.copytree(tiny_model, tmp_path / "of this test"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scores.sqlite"


def is_loaded(scorer: CrossEncoderScorer) -> bool:
    return bool(scorer._shared.engine.backends)


def all_kept(scorer: CrossEncoderScorer, passages: list[str]) -> bool:
    """Whether the model is asked for none of them."""
    before = scorer.statistics.cached
    scorer.score(QUERY, passages)
    return scorer.statistics.cached - before == len(passages)


def test_a_later_scorer_gets_the_same_scores_and_loads_no_model(model: Path, path: Path) -> None:
    options = {"score_cache": path, "max_length": 20}
    with CrossEncoderScorer(model, max_length=20) as plain:
        wanted = Reranker(plain, scale="logit").rank(QUERY, PASSAGES)
    with CrossEncoderScorer(model, **options) as first:
        assert Reranker(first, scale="logit").rank(QUERY, PASSAGES) == wanted
        assert replace(first.statistics, cache_bytes=0) == Statistics(5, 1, 0, 0)
    with CrossEncoderScorer(model, **options) as second:
        assert Reranker(second, scale="logit").rank(QUERY, PASSAGES) == wanted
        assert replace(second.statistics, cache_bytes=0) == Statistics(5, 1, 5, 0)
        assert second.statistics.hit_rate == 1.0
        assert second.statistics.cache_bytes == path.stat().st_size
        assert not is_loaded(second)


def test_only_what_is_not_kept_is_asked_of_the_model(model: Path, path: Path) -> None:
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        scorer.score(QUERY, PASSAGES[1:3])
    with CrossEncoderScorer(model, score_cache=str(path)) as scorer:
        found = scorer.submit([(QUERY, passage) for passage in [*PASSAGES, PASSAGES[0]]]).result()
        assert found.cached is not None
        assert found.cached.tolist() == [False, True, True, False, False, False]
        with CrossEncoderScorer(model) as plain:
            assert np.allclose(
                found.logits, plain.score(QUERY, [*PASSAGES, PASSAGES[0]]), atol=1e-5
            )
        assert found.logits[0] == found.logits[5]
        assert asyncio.run(scorer.ascore(QUERY, PASSAGES)).tolist() == found.logits[:5].tolist()
        assert scorer.statistics.hit_rate == 1.0


def test_what_windows_say_is_kept_with_the_score(model: Path, path: Path) -> None:
    options = {"score_cache": path, "long_passages": "windows", "max_windows": 2}
    passages = [*PASSAGES[:3], "fox " * 300]
    rankings = []
    for _ in range(2):
        with CrossEncoderScorer(model, **options) as scorer:
            rankings.append(Reranker(scorer).rank(QUERY, passages))
            rate = scorer.statistics.hit_rate
    assert rate == 1.0
    assert rankings[0] == rankings[1]
    long = next(ranked for ranked in rankings[1] if ranked.index == 3)
    assert (long.windows, long.truncated) == (2, True)


def test_a_model_that_cannot_tell_what_it_cut_still_cannot(tmp_path: Path, path: Path) -> None:
    model = save_tiny_chat_model(tmp_path / "chat")
    found = []
    for _ in range(2):
        with CrossEncoderScorer(model, score_cache=path) as scorer:
            found.append(Reranker(scorer).rank(QUERY, PASSAGES[:3]))
            counted = scorer.statistics
    assert found[0] == found[1]
    assert (counted.truncated, counted.hit_rate) == (None, 1.0)


@pytest.mark.parametrize(
    "changed",
    [
        {"max_length": 12},
        {"prompt": "find: "},
        {"query_prefix": "the "},
        {"passage_suffix": " sea"},
        {"backend": "onnx"},
        {"backend": "torch", "precision": "bf16"},
        {"long_passages": "windows"},
    ],
    ids=str,
)
def test_another_option_misses(changed: dict[str, Any], model: Path, path: Path) -> None:
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        scorer.score(QUERY, PASSAGES)
    with CrossEncoderScorer(model, score_cache=path, **changed) as scorer:
        assert not scorer.statistics.cached
        with CrossEncoderScorer(model, **changed) as plain:
            wanted = plain.score(QUERY, PASSAGES)
        assert np.allclose(scorer.score(QUERY, PASSAGES), wanted, atol=1e-5)
        assert scorer.statistics.cached == 0
        assert all_kept(scorer, PASSAGES)


def test_a_model_that_was_trained_again_misses(tmp_path: Path, path: Path) -> None:
    model = save_tiny_cross_encoder(tmp_path / "model")
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        old = scorer.score(QUERY, PASSAGES)
        retrain(model, BertForSequenceClassification)
        assert all_kept(scorer, PASSAGES)  # it has the old weights in memory
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        new = scorer.score(QUERY, PASSAGES)
        assert scorer.statistics.cached == 0
        assert not np.allclose(old, new, atol=1e-3)


def test_a_folder_written_again_before_the_model_is_loaded_keeps_nothing(
    tmp_path: Path, path: Path
) -> None:
    model = save_tiny_cross_encoder(tmp_path / "model")
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        retrain(model, BertForSequenceClassification)
        assert not all_kept(scorer, PASSAGES)
        assert not all_kept(scorer, PASSAGES)


def test_another_version_of_a_library_misses(
    model: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        scorer.score(QUERY, PASSAGES)
    versions = of_backends.installed_versions
    newer = lambda names: {**versions(names), "tokenizers": "99.0"}  # noqa: E731
    monkeypatch.setattr(of_backends, "installed_versions", newer)
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        assert not all_kept(scorer, PASSAGES)


def test_true_is_a_file_that_scorers_of_the_user_share(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        with CrossEncoderScorer(model, score_cache=True) as scorer:
            scorer.score(QUERY, PASSAGES)
            rate = scorer.statistics.hit_rate
    assert rate == 1.0
    assert [file.name for file in (tmp_path / "rerank-plugins").glob("scores*")] == [
        "scores-1.sqlite"
    ]


def test_the_models_of_a_cascade_share_the_file(tmp_path: Path, path: Path) -> None:
    models = [save_tiny_cross_encoder(tmp_path / name) for name in ("small", "large")]
    retrain(models[1], BertForSequenceClassification)
    rankings = []
    for _ in range(2):
        options = {"cascade": [{"model": models[0], "keep": 3}], "score_cache": path}
        with Reranker.from_options(model=models[1], **options) as reranker:
            rankings.append(reranker.rank(QUERY, PASSAGES))
            assert rankings[-1].read == (5, 3)
            loaded = [is_loaded(each) for each in reranker._made]
    assert rankings[0] == rankings[1]
    assert loaded == [False, False]


def test_copies_and_pickles_use_the_file_too(model: Path, path: Path) -> None:
    with CrossEncoderScorer(model, score_cache=path, score_cache_size=2_000_000) as scorer:
        scorer.score(QUERY, PASSAGES)
        until(lambda: all_kept(scorer, PASSAGES))
        for again in (copy.deepcopy(scorer), pickle.loads(pickle.dumps(scorer))):
            assert again.statistics.cached == 0
            assert all_kept(again, PASSAGES)
            again.close()


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_takes_the_option_and_writes_it_down(
    framework: str, model: Path, path: Path
) -> None:
    wrapper = WRAPPERS[framework]
    options = {"score_cache": path, "score_cache_size": np.int64(2_000_000)}
    first = wrapper.make(model=str(model), **options)
    wanted = wrapper.ranking(wrapper.run(first, QUERY, wrapper.documents(PASSAGES)))
    first.close()
    again = wrapper.load(wrapper.dump(first))
    assert (again.score_cache, again.score_cache_size) == (str(path), 2_000_000)
    assert wrapper.ranking(wrapper.arun(again, QUERY, wrapper.documents(PASSAGES))) == wanted
    assert (again.statistics.pairs, again.statistics.hit_rate) == (5, 1.0)
    again.close()


def test_the_command_takes_the_option(
    model: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "passages.txt"
    file.write_text("\n".join(PASSAGES[:4]))
    said = []
    for _ in range(2):
        arguments = ["rank", QUERY, file, "-m", model, "--score-cache", path, "--json"]
        assert main(list(map(str, arguments))) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        assert all_kept(scorer, PASSAGES[:4])
    assert main(["rank", QUERY, str(file), "--score-cache", str(tmp_path)]) == 1
    assert "--score-cache must be a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"score_cache": 3},
            "score_cache must be a file's path or True, but got int 3. True keeps",
        ),
        ({"score_cache": " "}, "score_cache must be a file's path"),
        ({"score_cache": "~no one/a"}, "score_cache='~no one/a' cannot be looked up: .* absolute"),
        (
            {"score_cache_size": 10},
            "must be at least 1000000 bytes, but got 10. To keep no scores,",
        ),
        ({"score_cache_size": 0.5}, "score_cache_size must be > 0, but got 0.5. Pass a whole"),
    ],
)
def test_a_bad_option_is_an_error_that_says_what_to_pass(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        CrossEncoderScorer("embedded", **options)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    says = rf"score_cache must be a file, but '{tmp_path}' is a folder. Pass .*scores.sqlite'"
    with pytest.raises(InvalidInputError, match=says):
        CrossEncoderScorer("embedded", score_cache=tmp_path)


def test_a_damaged_file_changes_no_score_and_is_one_warning(
    model: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text("no database " * 1000)
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        with CrossEncoderScorer(model) as plain:
            wanted = plain.score(QUERY, PASSAGES).tolist()
        for _ in range(3):
            assert scorer.score(QUERY, PASSAGES).tolist() == wanted
        assert scorer.statistics.cached == 0
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_while_another_process_writes_kept_scores_come_and_new_ones_are_kept_later(
    model: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        scorer.score(QUERY, PASSAGES[:3])
        until(lambda: all_kept(scorer, PASSAGES[:3]))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        scorer.score(QUERY, PASSAGES[3:])
        assert all_kept(scorer, PASSAGES[:3])
        assert not all_kept(scorer, PASSAGES[3:])
        other.execute("ROLLBACK")
        other.close()
        until(lambda: all_kept(scorer, PASSAGES))
    assert not caplog.records


def test_an_event_loop_goes_on_while_the_file_is_locked(model: Path, path: Path) -> None:
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        scorer.score(QUERY, PASSAGES)
        until(lambda: all_kept(scorer, PASSAGES))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        async def main() -> int:
            beats = 0
            calls = [scorer.ascore(QUERY, [f"fox {at}"]) for at in range(3)]
            waiting = asyncio.gather(*calls, scorer.ascore(QUERY, PASSAGES))
            while not waiting.done():
                beats += 1
                await asyncio.sleep(0)
            await waiting
            return beats

        assert asyncio.run(main()) > 10
        other.close()


FORGOTTEN = """
import sys
from rerank_plugins import CrossEncoderScorer

scorer = CrossEncoderScorer(sys.argv[1], score_cache=sys.argv[2])
scorer.submit([("red fox", f"the fox {at}") for at in range(3000)])
"""
CLOSED_IN_A_CALLBACK = """
import sys
from rerank_plugins import CrossEncoderScorer

scorer = CrossEncoderScorer(sys.argv[1], score_cache=sys.argv[2])
first, second = (
    scorer.submit([("red fox", f"the fox {at}") for at in part])
    for part in (range(1500), range(1500, 3000))
)
first.add_done_callback(lambda done: scorer.close())
assert second.result(60).logits.shape == (1500,)
"""
COLLECTED = """
import sys
from rerank_plugins import CrossEncoderScorer

def use():
    scorer = CrossEncoderScorer(sys.argv[1], score_cache=sys.argv[2])
    return scorer.submit([("red fox", f"the fox {at}") for at in range(3000)])

use().result(60)
"""
FORKED = """
import os, sys
from rerank_plugins import CrossEncoderScorer, ForkedProcessError

scorer = CrossEncoderScorer(sys.argv[1], score_cache=sys.argv[2])
passages = [f"the fox {at}" for at in range(3000)]
before = CrossEncoderScorer(sys.argv[1], score_cache=sys.argv[2])
scorer.score("red fox", passages)
scorer.score("red fox", passages)
child = os.fork()
if not child:
    assert before.score("red fox", passages).shape == (3000,)
    assert before.statistics.cached == 3000
    assert scorer.score("red fox", passages).shape == (3000,)
    try:
        scorer.score("red fox", ["new"])
    except ForkedProcessError:
        before.close()
        sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert scorer.score("red fox", [*passages, "another"]).shape == (3001,)
"""


WORKER_OF_A_PARENT_THAT_CLOSES = """
import multiprocessing, sys
from rerank_plugins import CrossEncoderScorer

def new():
    return CrossEncoderScorer(sys.argv[1], score_cache=sys.argv[2])

def work(ready, closed):
    with new() as scorer:
        scorer.score("red fox", ["first"])
        ready.set()
        closed.wait()
        scorer.score("red fox", [f"the fox {at}" for at in range(3000)])

context = multiprocessing.get_context("fork")
ready, closed = context.Event(), context.Event()
scorer = new()
scorer.score("red fox", [f"the fox {at}" for at in range(3000)][:1])
worker = context.Process(target=work, args=(ready, closed))
worker.start()
ready.wait()
scorer.close()
closed.set()
worker.join()
assert worker.exitcode == 0
with new() as scorer:
    scorer.score("red fox", ["first", "another"])
    assert scorer.statistics.cached == 1
"""


@pytest.mark.parametrize(
    "code",
    [FORGOTTEN, CLOSED_IN_A_CALLBACK, COLLECTED, FORKED, WORKER_OF_A_PARENT_THAT_CLOSES],
    ids=["forgotten", "closed in a callback", "collected", "forked", "closed beside a fork"],
)
def test_scores_are_kept_however_a_process_ends(code: str, model: Path, path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", code, str(model), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        assert all_kept(scorer, [f"the fox {at}" for at in range(3000)])
        assert not is_loaded(scorer)


def test_two_processes_share_a_file(model: Path, path: Path) -> None:
    code = (
        "import sys; from rerank_plugins import CrossEncoderScorer\n"
        "first = int(sys.argv[3])\n"
        "with CrossEncoderScorer(sys.argv[1], score_cache=sys.argv[2]) as scorer:\n"
        "    for at in range(first, first + 300, 10):\n"
        "        scorer.score('red fox', [f'fox {each}' for each in range(at, at + 10)])\n"
        "print(scorer.statistics.pairs)"
    )
    command = [sys.executable, "-c", code, str(model), str(path)]
    running = [
        subprocess.Popen(
            [*command, str(first)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for first in (0, 200)
    ]
    for process in running:
        assert process.communicate(timeout=PATIENCE) == ("300\n", "")
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        assert all_kept(scorer, [f"fox {at}" for at in range(500)])


# Below, an engine over a backend without a model stands behind the cache.


class Cached:
    """A cache before an engine."""

    def __init__(self, path: Path, subject: Engine) -> None:
        self.cache = ScoreCache(path, 1_000_000)
        self._engine = subject

    def submit(
        self, pairs: list[Pair], *, wait: bool = False, **options: Any
    ) -> "Future[PairScores]":
        def ask(left: Any) -> "Future[PairScores]":
            return self._engine.submit(Request(left, PLAIN, **options), wait=wait)

        final = "deadline" not in options
        request = CachedRequest(pairs, ask, lambda: Identity("numbers"), final=final)
        return self.cache.submit(request)

    def fill(self, pairs: list[Pair]) -> None:
        self.submit(pairs).result(PATIENCE)
        until(lambda: self.submit(pairs).result(PATIENCE).cached is not None)


def test_in_a_time_budget_kept_scores_come_however_little_time_there_is(path: Path) -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    pairs = some_pairs("q", 110)
    with engine(NumberBackend()) as other:
        before = Cached(path, other)
        before.fill(pairs[100:])
        before.cache.close(wait=True)
    with engine(backend) as subject:
        cached = Cached(path, subject)
        deadline = time.monotonic() + 0.05
        future = cached.submit(pairs, deadline=deadline)
        until(lambda: backend.begun.qsize() > 0 or future.done())
        until(lambda: time.monotonic() > deadline)
        backend.open_gate()
        found = future.result(PATIENCE)
        assert found.scored is not None
        assert found.scored[100:].all()
        assert not found.scored[:100].all()
        assert np.array_equal(found.logits[100:], numbers(pairs[100:]))
        assert found.cached is not None
        assert found.cached.tolist() == [False] * 100 + [True] * 10
        cached.cache.close(wait=True)


def test_a_score_of_some_windows_or_of_none_is_not_kept(path: Path) -> None:
    asked = []

    def ask(pairs: Any) -> "Future[PairScores]":
        asked.append([passage for _, passage in pairs])
        future: Future[PairScores] = Future()
        late = np.array([passage == "late" for _, passage in pairs])
        cut = [passage == "cut" for _, passage in pairs]
        logits = np.where(late, np.nan, 1.0)
        windows = np.where(late, 0, 1)
        best = np.zeros((len(pairs), 2))
        future.set_result(PairScores(logits, cut, ~late, windows, best))
        return future

    cache = ScoreCache(path, 1_000_000)
    pairs = [("q", "cut"), ("q", "late"), ("q", "whole")]
    for final in (False, True, True):
        request = CachedRequest(pairs, ask, lambda: Identity("numbers"), final=final)
        found = cache.submit(request).result(PATIENCE)
        assert found.scored is not None
        assert found.scored.tolist() == [True, False, True]
        assert found.truncated is not None
        assert found.truncated.tolist() == [True, False, False]
    cache.close(wait=True)
    assert asked == [["cut", "late", "whole"], ["cut", "late"], ["late"]]


def test_a_cancelled_call_is_cancelled_at_the_model_too(path: Path) -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    with engine(backend) as subject:
        cached = Cached(path, subject)
        first = cached.submit(some_pairs("first", 500))
        until(lambda: backend.begun.qsize() > 0)
        second = cached.submit(some_pairs("second", 500))
        until(lambda: subject._room.pairs == 1000)
        assert second.cancel()
        until(lambda: subject._room.pairs == 500)
        backend.open_gate()
        assert first.result(PATIENCE).logits.shape == (500,)
        cached.cache.close(wait=True)
        assert not any(query == "second" for batch in backend.batches for query, _ in batch)


def test_a_call_cancelled_before_its_turn_asks_nothing(path: Path) -> None:
    with engine(NumberBackend()) as subject:
        cached = Cached(path, subject)
        futures = [cached.submit(some_pairs(str(at), 3 * SLICE)) for at in range(5)]
        cancelled = [future.cancel() for future in futures]
        cached.cache.close(wait=True)
        assert [future.cancelled() for future in futures] == cancelled


def test_a_failure_reaches_its_caller_and_what_was_kept_is_still_given(path: Path) -> None:
    with engine(NumberBackend()) as subject:
        cached = Cached(path, subject)
        good, bad = some_pairs("q", 5), [("q", POISON)]
        cached.fill(good)
        with pytest.raises(ScoringError, match="poisoned batch"):
            cached.submit([*good, *bad]).result(PATIENCE)
        assert cached.submit(good).result(PATIENCE).cached is not None
        cached.cache.close(wait=True)


def test_a_full_queue_refuses_only_what_is_not_kept(path: Path) -> None:
    backend = NumberBackend(gate=threading.Semaphore(1000))
    with engine(backend) as subject:
        cached = Cached(path, subject)
        kept = some_pairs("kept", 50)
        cached.fill(kept)
        while backend._gate is not None and backend._gate.acquire(blocking=False):
            pass
        waiting = cached.submit(some_pairs("waiting", 100))
        until(lambda: subject._room.pairs == 100)
        with pytest.raises(QueueFullError, match="is full: 100 pairs wait, and 1 more exceed"):
            cached.submit([*kept, ("q", "p")], max_queue_pairs=100).result(PATIENCE)
        assert cached.submit(kept, max_queue_pairs=100).result(PATIENCE).logits.shape == (50,)
        backend.open_gate()
        waiting.result(PATIENCE)
        cached.cache.close(wait=True)


def test_a_timeout_counts_the_time_in_the_cache(model: Path, path: Path) -> None:
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        message = r"3 pairs were not scored by .* within timeout=1e-06 seconds"
        with pytest.raises(ScoringTimeoutError, match=message):
            scorer.score(QUERY, PASSAGES[:3], timeout=1e-6)


def test_errors_of_the_model_are_those_of_a_scorer_without_cache(path: Path) -> None:
    absent = path.parent / "absent"
    with CrossEncoderScorer(absent, score_cache=path) as scorer:
        for call in (scorer.warm_up, lambda: scorer.score(QUERY, PASSAGES)):
            with pytest.raises(ModelNotFoundError):
                call()


def test_warming_up_loads_the_model_and_opens_the_file(model: Path, path: Path) -> None:
    with CrossEncoderScorer(model, score_cache=path) as scorer:
        scorer.warm_up()
        assert is_loaded(scorer)
        assert path.exists()
        assert asyncio.run(scorer.aplan()).precision == "fp32"


def test_a_closed_scorer_says_so_and_its_thread_is_gone(model: Path, path: Path) -> None:
    scorer = CrossEncoderScorer(model, score_cache=path)
    future = scorer.submit([(QUERY, passage) for passage in PASSAGES])
    scorer.close()
    assert future.done()
    assert scorer._lease.cache is not None
    assert scorer._lease.cache._thread is not None
    assert not scorer._lease.cache._thread.is_alive()
    with pytest.raises(ScorerClosedError, match="Create a new CrossEncoderScorer"):
        scorer.score(QUERY, PASSAGES)
    with pytest.raises(ScorerClosedError, match="Create a new CrossEncoderScorer"):
        scorer._lease.cache.submit(CachedRequest((), lambda _: future, lambda: None))
    scorer.close()


def test_a_scorer_that_nobody_has_any_more_ends_its_thread(model: Path, path: Path) -> None:
    scorer = CrossEncoderScorer(model, score_cache=path)
    future = scorer.submit([(QUERY, passage) for passage in PASSAGES])
    assert future.result(PATIENCE).logits.shape == (5,)
    assert scorer._lease.cache is not None
    thread = scorer._lease.cache._thread
    del scorer

    def ended() -> bool:
        gc.collect()
        return thread is not None and not thread.is_alive()

    until(ended)


def test_a_callback_that_fails_stops_nothing(
    model: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(done: object) -> None:
        raise SystemExit(3)

    with CrossEncoderScorer(model, score_cache=path) as scorer:
        scorer.submit([(QUERY, PASSAGES[0])]).add_done_callback(leave)
        assert scorer.score(QUERY, PASSAGES).shape == (5,)
        until(lambda: all_kept(scorer, PASSAGES[1:]))
    assert "The score cache failed" in caplog.text


def two_commits(folder: Path, model: Path) -> dict[str, Any]:
    """A hub's cache with two commits of a model, `a` and `b`, and how to load one of them."""
    root = folder / "models--tiny--ranker"
    (root / "refs").mkdir(parents=True)
    shutil.copytree(model, root / "snapshots" / ("a" * 40))
    save_tiny_cross_encoder(root / "snapshots" / ("b" * 40), spread=2.0)
    switch_to("a", folder)
    return {"model": "tiny/ranker", "cache_folder": folder, "local_files_only": True}


def switch_to(commit: str, folder: Path) -> None:
    """What a download of a newer commit does."""
    (folder / "models--tiny--ranker" / "refs" / "main").write_text(commit * 40)


def test_a_loaded_hub_model_is_not_taken_for_a_commit_that_came_later(
    model: Path, path: Path, tmp_path: Path
) -> None:
    asked = two_commits(tmp_path / "hub", model)
    with CrossEncoderScorer(**asked, score_cache=path) as first:
        first.score(QUERY, PASSAGES[:1])
        switch_to("b", tmp_path / "hub")
        with CrossEncoderScorer(**asked, score_cache=path) as second:
            second.score(QUERY, PASSAGES)  # shares the model that is loaded
            assert second.identity == first.identity
    with CrossEncoderScorer(**asked) as scorer:
        wanted = scorer.score(QUERY, PASSAGES)
    with CrossEncoderScorer(**asked, score_cache=path) as later:
        assert later.score(QUERY, PASSAGES).tolist() == wanted.tolist()
        assert later.statistics.cached == 0


def test_one_answer_has_the_scores_of_one_model(model: Path, path: Path, tmp_path: Path) -> None:
    asked = two_commits(tmp_path / "hub", model)
    with CrossEncoderScorer(**asked, score_cache=path) as scorer:
        scorer.score(QUERY, PASSAGES[:3])
    with CrossEncoderScorer(**asked, score_cache=path) as scorer:
        assert scorer.identity is not None  # known now, and the model is loaded later
        switch_to("b", tmp_path / "hub")
        found = scorer.score(QUERY, PASSAGES)
    with CrossEncoderScorer(**asked) as scorer:
        assert found.tolist() == scorer.score(QUERY, PASSAGES).tolist()
