"""A tiny bi-encoder and a tiny source for each module of tests."""

from pathlib import Path

import pytest

from examples.embedded_model.tests.tiny_runs import tiny_rows, write_source
from tests.tiny_models import save_tiny_encoder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_source(folder / "animals", tiny_rows())
    return folder


@pytest.fixture
def bf16_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps in bf16 also where the processor emulates it, which tiny models can afford."""
    monkeypatch.setattr("embedded_model.models.precision.pays", lambda dtype: True)
