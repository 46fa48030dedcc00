"""Models that are asked for at the same time: each as if it were alone, and the process as before.

All of a test's threads start at one barrier, and score only when all of them have loaded.
"""

import json
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rich
import torch
from transformers.utils import logging as transformers_logging

from rerank_plugins import CrossEncoderScorer, compile_model
from rerank_plugins.process.turn import in_turn
from tests.forked import run_forked
from tests.tiny_models import (
    save_tiny_architecture,
    save_tiny_cross_encoder,
    save_tiny_model_with_code,
)

Job = Callable[[threading.Barrier], np.ndarray]
PAIRS = [("what is a red fox", "the red fox is a small dog"), ("sea", "the sea is water " * 9)]
ROUNDS = 12


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "bert": save_tiny_cross_encoder(folder / "bert"),
        "wide": save_tiny_cross_encoder(folder / "wide", spread=2.0),
        "roberta": save_tiny_architecture(folder / "roberta", "xlm-roberta"),
    }


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives the scorers made from now on an empty cache of that name."""

    def use(name: str) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    return use


def process_state() -> dict[str, object]:
    loggers = logging.root.manager.loggerDict
    return {
        "dtype": torch.get_default_dtype(),
        "filters": (id(warnings.filters), list(warnings.filters)),
        "levels": {
            name: logger.level
            for name, logger in loggers.items()
            if isinstance(logger, logging.Logger) and logger.level
        },
        "mute": rich.get_console().quiet,
        "bars": transformers_logging.is_progress_bar_enabled(),
        "telemetry": (os.environ.get("ORT_DISABLE_TELEMETRY"), "openvino_telemetry" in sys.modules),
    }


def at_once(jobs: list[Job]) -> list[np.ndarray]:
    barrier = threading.Barrier(len(jobs), timeout=300)

    def run(job: Job) -> np.ndarray:
        try:
            return job(barrier)
        except BaseException:
            barrier.abort()  # the others wait for this one no longer
            raise

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def scoring(model: Path, **options: str) -> Job:
    def job(barrier: threading.Barrier) -> np.ndarray:
        with CrossEncoderScorer(model, device="cpu", **options) as scorer:
            barrier.wait()
            scorer.warm_up()
            if options.get("backend", "auto") != "torch":
                assert scorer.plan().backend == options.get("backend", "openvino"), scorer.plan()
            barrier.wait()
            return scorer.score_pairs(PAIRS)

    return job


def compiling(model: Path, folder: Path, **options: str) -> Job:
    calibration = PAIRS * 2 if options.get("precision") == "int8" else None

    def job(barrier: threading.Barrier) -> np.ndarray:
        barrier.wait()
        compile_model(model, folder, calibration=calibration, **options)
        barrier.wait()
        with CrossEncoderScorer(folder) as scorer:
            return scorer.score_pairs(PAIRS)

    return job


def test_models_loaded_at_once_score_as_alone_and_leave_the_process_as_it_was(
    models: dict[str, Path], caches: Callable[[str], None], tmp_path: Path
) -> None:
    def jobs(name: str) -> list[Job]:
        caches(f"cache-{name}")
        bert, roberta, wide = models["bert"], models["roberta"], models["wide"]
        return [
            scoring(bert, backend="onnx"),
            scoring(wide),
            scoring(roberta),
            scoring(bert, backend="torch"),
            scoring(bert, backend="torch", precision="bf16"),
            scoring(roberta, backend="torch", precision="fp16"),
            compiling(wide, tmp_path / f"{name}-int8", precision="int8"),
            compiling(wide, tmp_path / f"{name}-onnx", backend="onnx"),
        ]

    wanted = [at_once([job])[0] for job in jobs("alone")]
    before = process_state()
    for number in range(2):
        scores = at_once(jobs(str(number)))
        assert process_state() == before
        for got, alone in zip(scores, wanted, strict=True):
            np.testing.assert_allclose(got, alone, atol=1e-6)


def test_one_model_in_many_precisions_at_once_is_loaded_as_alone(models: dict[str, Path]) -> None:
    jobs = [
        scoring(models[name], backend="torch", precision=precision)
        for name in ("bert", "roberta")
        for precision in ("fp32", "bf16", "fp16")
    ]
    wanted = [at_once([job])[0] for job in jobs]
    before = process_state()
    for _ in range(ROUNDS):
        for got, alone in zip(at_once(jobs), wanted, strict=True):
            np.testing.assert_array_equal(got, alone)
        assert process_state() == before


WAITING_CODE = """
import gate
from transformers import BertConfig, BertForSequenceClassification

class OwnConfig(BertConfig):
    model_type = "own"

class OwnForSequenceClassification(BertForSequenceClassification):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        gate.inside.set()
        gate.go_on.wait()
"""
FORK_WHILE_LOADING = """
import json, os, sys, threading, types

gate = sys.modules["gate"] = types.ModuleType("gate")
gate.inside, gate.go_on = threading.Event(), threading.Event()
import torch
from transformers.utils import logging
from rerank_plugins import CrossEncoderScorer

waiting, other, pairs = sys.argv[1], sys.argv[2], [tuple(pair) for pair in json.loads(sys.argv[3])]
scorer = CrossEncoderScorer(waiting, backend="torch", precision="bf16", trust_remote_code=True)
loading = threading.Thread(target=scorer.warm_up)
loading.start()
gate.inside.wait()
assert torch.get_default_dtype() == torch.bfloat16 and not logging.is_progress_bar_enabled()
child = os.fork()
if not child:
    state = [str(torch.get_default_dtype()), logging.is_progress_bar_enabled()]
    with CrossEncoderScorer(other, backend="torch") as mine:
        print(json.dumps([state, mine.score_pairs(pairs).tolist()]), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
gate.go_on.set()
loading.join()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_while_a_model_is_loaded_can_load_another(
    models: dict[str, Path], tmp_path: Path
) -> None:
    waiting = save_tiny_model_with_code(tmp_path / "waiting", added=0.0)
    (waiting / "modeling_own.py").write_text(WAITING_CODE)
    done = run_forked(FORK_WHILE_LOADING, waiting, models["bert"], json.dumps(PAIRS))
    assert done.returncode == 0, done.stderr
    state, scores = json.loads(done.stdout)
    assert state == ["torch.float32", True]
    wanted = at_once([scoring(models["bert"], backend="torch")])[0]
    np.testing.assert_allclose(scores, wanted, atol=1e-6)


class Interrupt(Exception):
    """What a signal's handler raises."""


def test_an_interrupt_leaves_the_turn_free_and_the_process_as_it_was() -> None:
    @in_turn
    def disturb() -> None:
        torch.set_default_dtype(torch.bfloat16)
        warnings.filters = [("ignore", None, Warning, None, 0)]
        rich.get_console().quiet = True

    def interrupt(*_: object) -> None:
        raise Interrupt

    draw = random.Random(7)
    before, interrupts = process_state(), 0
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        while interrupts < 500:
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-6, 2e-4))
                while True:
                    disturb()
            except Interrupt:
                interrupts += 1
            assert process_state() == before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_turn(lambda: "free")).result(timeout=60) == "free"


def test_an_interrupt_of_one_who_waits_for_the_turn_ends_the_waiting_alone() -> None:
    taken, give_up = threading.Event(), threading.Event()

    @in_turn
    def hold() -> str:
        taken.set()
        give_up.wait(60)
        return "held"

    def interrupt(*_: object) -> None:
        raise Interrupt

    def wait_and_be_interrupted() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        in_turn(lambda: None)()

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(hold)
            taken.wait(60)
            with pytest.raises(Interrupt):
                wait_and_be_interrupted()
            assert not held.done()
            give_up.set()
            assert held.result(timeout=60) == "held"
            assert pool.submit(in_turn(lambda: "free")).result(timeout=60) == "free"
    finally:
        give_up.set()
        signal.signal(signal.SIGALRM, old)
