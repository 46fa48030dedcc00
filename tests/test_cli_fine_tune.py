"""`rerank train`: fine-tuning from the command line."""

from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.cli import main
from tests.domain import domain_rows, write_pairs


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "animals.jsonl")


def said(text: str) -> str:
    """Without the frame that usage errors stand in."""
    return " ".join(text.replace("│", " ").split())


def test_it_leaves_a_model_and_says_what_changed_and_what_to_try(
    pairs: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    arguments = ["train", str(pairs), f"-o{output}", f"-m{tiny_model}", "--epochs=1", "--depth=5"]
    assert main(arguments) == 0
    first = capsys.readouterr()
    assert first.err == ""
    assert "21 questions, 3 steps in " in first.out
    assert "nDCG@10 x 100 of 6 held-out questions: BM25 " in first.out
    assert f"rerank eval {output / 'held-out'} -m {output / 'model'} --depth" in first.out
    with CrossEncoderScorer(output / "model") as scorer:
        assert scorer.score("where is the fox", ["the house"]).shape == (1,)
    assert main(arguments) == 0
    assert capsys.readouterr().out == first.out
    assert main([*arguments, "--seed=2"]) == 1
    assert "start again with --fresh" in capsys.readouterr().err


def test_starting_anew_in_the_working_folder_removes_nothing_that_no_run_made(
    pairs: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    notes = Path("checkpoints", "notes.txt")
    notes.parent.mkdir()
    notes.write_text("years of work")
    for fresh in ([], ["--fresh"]):
        assert main(["train", str(pairs), "-o.", f"-m{tiny_model}", *fresh]) == 1
        err = " ".join(capsys.readouterr().err.split())
        assert "holds checkpoints, which no fine-tuning run made" in err
        assert "--output run" in err
        assert "--fresh" not in err
        assert notes.read_text() == "years of work"


def test_what_is_wrong_is_one_line_in_the_words_of_the_command(
    pairs: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write_pairs(tmp_path / "few.jsonl", domain_rows()[:3])
    for data, option, message in (
        (few, "--seed=1", "3 different questions"),
        (pairs, "--learning-rate=1", "--learning-rate 1.0 is not allowed. Give a number above 0"),
        (pairs, "--start-share=1", "--start-share 1.0 is not allowed. Give 0 or a share below 1"),
        (pairs, "--bi-encoder=/none", "--bi-encoder /none could not be loaded"),
    ):
        assert main(["train", str(data), f"-o{tmp_path / 'x'}", f"-m{tiny_model}", option]) == 1
        err = capsys.readouterr().err
        assert err.splitlines()[-1].startswith("error: ")
        assert message in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["{folder}/none.jsonl"], "does not exist"),
    ],
)
def test_it_wants_pairs_that_are_there(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(folder=tmp_path) for argument in arguments]
    assert main(["train", *given, f"-o{tmp_path / 'out'}"]) == 2
    assert message in said(capsys.readouterr().err)
