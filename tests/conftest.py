"""Tiny real checkpoints, made once per run."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_models import save_tiny_cross_encoder, save_tiny_encoder


@pytest.fixture(scope="session", autouse=True)
def own_cache() -> Iterator[None]:
    """Compiled graphs of this run go where they are deleted afterwards, subprocesses' too."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        yield


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
