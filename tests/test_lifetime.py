"""Engines and models when processes fork, threads are interrupted, and the main one ends."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, compile_model
from rerank_plugins.engine import registry
from tests.forked import run_forked

HAS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

FORKED = """
import gc, multiprocessing, sys
from rerank_plugins import CrossEncoderScorer, ForkedProcessError

def new_scorer():
    return CrossEncoderScorer("embedded", backend=sys.argv[1], device="cpu")

def score(scorer):
    return float(scorer.score("red fox", ["the fox", "the sea"])[0])

def in_child():
    global closed, dropped
    found = []
    for parents in (closed, dropped):
        try:
            score(parents)
        except ForkedProcessError:
            with new_scorer() as scorer:
                found.append(score(scorer))
    del parents
    closed.close()
    dropped = None
    gc.collect()
    with new_scorer() as scorer:
        found.append(score(scorer))
    answer.put(found)

closed, dropped = new_scorer(), new_scorer()
expected = score(closed)
context = multiprocessing.get_context("fork")
answer = context.Queue()
child = context.Process(target=in_child)
child.start()
assert all(abs(found - expected) < 1e-5 for found in answer.get(timeout=200))
child.join(200)
assert child.exitcode == 0
assert score(closed) == expected
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@HAS_FORK
@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_after_a_fork_new_scorers_work_and_the_parents_can_be_closed_or_forgotten(
    backend: str,
) -> None:
    done = run_forked(FORKED, backend)
    assert done.returncode == 0, done.stderr


FORKED_WHILE_LOADING = """
import os
from rerank_plugins import CrossEncoderScorer, ForkedProcessError

scorer = CrossEncoderScorer("embedded", backend="openvino")
future = scorer.submit([("red fox", "the fox")])
engine = scorer._shared.engine
while not (engine.loading or engine.backends):
    pass
child = os.fork()
if not child:
    try:
        scorer.score("red fox", ["the fox"])
    except ForkedProcessError:
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert future.result(200).logits.shape == (1,)
"""


@HAS_FORK
def test_a_process_forked_while_the_model_is_loaded_says_so() -> None:
    run(FORKED_WHILE_LOADING)


MAIN_THREAD_ENDED = """
import sys, threading
from rerank_plugins import CrossEncoderScorer

def serve():
    threading.main_thread().join()
    for _ in range(2):
        print(scorer.score("red fox", ["the fox", "the sea"]).shape)
    unawaited.append(scorer.submit([("red fox", "the fox")]))
    unawaited[0].add_done_callback(lambda done: print(done.result().logits.shape))

unawaited = []
scorer = CrossEncoderScorer("embedded", backend="openvino")
if sys.argv[1] == "loaded":
    scorer.warm_up()
threading.Thread(target=serve).start()
"""


@pytest.mark.parametrize("when", ["loaded", "not loaded"])
def test_other_threads_go_on_when_the_main_thread_has_ended(when: str) -> None:
    assert run(MAIN_THREAD_ENDED, when) == "(2,)\n(2,)\n(1,)\n"


CHILD = """
import multiprocessing, sys
from rerank_plugins import CrossEncoderScorer

def work(path):
    scorer = CrossEncoderScorer("embedded", backend="openvino")
    future = scorer.submit([("red fox", f"the fox {n}") for n in range(300)])
    future.add_done_callback(lambda done: open(path, "x").write(str(done.result().logits.shape)))

if __name__ == "__main__":
    child = multiprocessing.get_context(sys.argv[1]).Process(target=work, args=(sys.argv[2],))
    child.start()
    child.join(200)
    assert child.exitcode == 0
"""


@HAS_FORK
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_finishes_what_nobody_waits_for(
    tmp_path: Path, method: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(CHILD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", str(script), method, str(tmp_path / "answer")]
    subprocess.run(command, check=True, timeout=400, env=environment)
    assert (tmp_path / "answer").read_text() == "(300,)"


ENDED_WHILE_LOADING = """
import shutil, sys, tempfile
from pathlib import Path
from rerank_plugins import CrossEncoderScorer

folder = tempfile.TemporaryDirectory()
shutil.copytree(sys.argv[1], folder.name, dirs_exist_ok=True)
scorer = CrossEncoderScorer(folder.name)
future = scorer.submit([("red fox", "the fox")])
future.add_done_callback(lambda done: print(done.result().logits.shape))
"""


def test_a_process_that_ends_while_the_model_is_loaded_keeps_its_folder_so_long(
    tmp_path: Path,
) -> None:
    bundle = compile_model("embedded", tmp_path / "bundle", backend="openvino")
    assert run(ENDED_WHILE_LOADING, str(bundle)) == "(1,)\n"


INTERRUPTED = """
import random, signal, sys, threading
from contextlib import suppress
from rerank_plugins.scoring.answers import result_of
from rerank_plugins.engine.engine import Engine
from rerank_plugins.engine.requests import Request
from rerank_plugins.backends.contract import PairOptions
from tests.number_backend import NumberBackend, some_pairs

class Interrupt(Exception):
    pass

def interrupt(*_):
    raise Interrupt

def submit():
    return subject.submit(Request(pairs, options, max_queue_pairs=30), wait=True)

def healthy():
    submit().result(60)
    answered.append(True)

sys.unraisablehook = lambda *_: None
signal.signal(signal.SIGALRM, interrupt)
pairs, options, answered = some_pairs("q", 20), PairOptions(), []
subject = Engine("numbers", [NumberBackend])
times = random.Random(5)
interrupts = 0
while interrupts < 1500:
    try:
        signal.setitimer(signal.ITIMER_REAL, times.uniform(5e-6, 5e-4))
        submit()
        result_of(submit())  # which waits for room
        signal.setitimer(signal.ITIMER_REAL, 0)
    except (Interrupt, RuntimeError):  # the latter where it hits threading's own clean-up
        signal.setitimer(signal.ITIMER_REAL, 0)
        interrupts += 1
for _ in range(2):
    other = threading.Thread(target=healthy)
    other.start()
    other.join(60)
assert len(answered) == 2
subject.close(wait=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no such timer")
def test_an_exception_of_a_signals_handler_hurts_nobody_else() -> None:
    run(INTERRUPTED)


def test_a_janitor_that_could_not_start_is_started_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(registry, "_janitor", None)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            CrossEncoderScorer("embedded")
    with CrossEncoderScorer("embedded"):
        assert registry._janitor is not None
        assert registry._janitor.is_alive()
