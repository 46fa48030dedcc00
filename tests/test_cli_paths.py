"""Paths that cannot be looked up, in commands and calls: too long names, and closed folders."""

import encodings.utf_8_sig  # noqa: F401 - root alone may read the interpreter
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, InvalidInputError, ModelError
from rerank_plugins.backends.graphs.output_folder import check_target, written_to
from rerank_plugins.cli import main
from rerank_plugins.evaluation import read_collection
from rerank_plugins.fine_tuning import FineTuningOptions, fine_tune
from rerank_plugins.fine_tuning.data import read_training_data
from tests.commands import written
from tests.domain import write_pairs
from tests.unknown_user import USER, needs_root

LONG = "x" * 300


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not look into: root may look into all."""
    (tmp_path / "closed").mkdir(mode=0o700)
    tmp_path.chmod(0o700)
    os.seteuid(USER)
    try:
        yield tmp_path / "closed"
    finally:
        os.seteuid(0)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says that must fail in one line."""
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    "arguments",
    [
        ["rank", "why", "FILE", "--output", LONG],
        ["rank", "why", LONG],
        ["compile", "embedded", "--output", LONG],
        ["eval", LONG],
        ["calibrate", LONG],
        ["serve", LONG],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_name_that_is_too_long_is_an_error_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    places = {"FILE": str(written(tmp_path / "p.txt", "soap\n"))}
    error = said(capsys, *(places.get(argument, argument) for argument in arguments))
    assert "File name too long" in error


@needs_root
@pytest.mark.parametrize(
    "arguments",
    [
        ["compile", "embedded", "--output", "CLOSED"],
        ["eval", "CLOSED"],
        ["calibrate", "CLOSED"],
        ["plan", "CLOSED"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_without_permission_is_an_error_in_a_line(
    closed: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    places = {"CLOSED": str(closed)}
    error = said(capsys, *(places.get(argument, argument) for argument in arguments))
    assert "ermission" in error
    assert str(closed) in error


@needs_root
def test_calls_without_permission_raise_errors_of_this_package(closed: Path) -> None:
    with CrossEncoderScorer(closed) as scorer, pytest.raises(ModelError, match="no permission for"):
        scorer.warm_up()
    for call in (read_collection, read_training_data, check_target):
        with pytest.raises(InvalidInputError, match=r"cannot be written|cannot read"):
            call(closed)


@needs_root
def test_a_model_to_start_from_without_permission_is_an_error_of_this_package(
    closed: Path,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = write_pairs(Path(folder) / "pairs.jsonl")
        options = FineTuningOptions(model=str(closed / "model"))
        with pytest.raises(ModelError, match="no permission for"):
            fine_tune(data, Path(folder) / "out", options)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidInputError, match="cannot be written: File name too long"),
        written_to(tmp_path / LONG),
    ):
        pass
