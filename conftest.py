"""Tiny real checkpoints, made once per run, and the `rerank` command."""

import tempfile
from pathlib import Path

import pytest

from rerank_plugins.cli import main
from tests.commands import Run
from tests.tiny_models import save_tiny_cross_encoder, save_tiny_encoder


def pytest_configure(config: pytest.Config) -> None:
    """Compiled graphs of this run go where they are deleted afterwards, subprocesses' too.

    Workers inherit the folder of the process that started them: each graph is compiled once.
    """
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory()
        patch = pytest.MonkeyPatch()
        patch.setenv("XDG_CACHE_HOME", folder.name)
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(patch.undo)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-column cross-encoder without a saved activation."""
    return save_tiny_cross_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def three_column_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder with three named columns."""
    names = {0: "irrelevant", 1: "related", 2: "exact"}
    return save_tiny_cross_encoder(tmp_path_factory.mktemp("three"), columns=3, names=names)


@pytest.fixture(scope="session")
def headless_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT without a ranking head."""
    return save_tiny_encoder(tmp_path_factory.mktemp("headless"))


@pytest.fixture
def rerank(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
