"""Help that can be read on a terminal of 80 columns."""

import os
import re
import subprocess
import sys

import pytest

from rerank_plugins.cli import main

COMMANDS = ["demo", "rank", "eval", "calibrate", "train", "serve", "compile", "plan"]


def help_of(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_options_have_at_least_44_of_80_columns_for_what_they_are(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of([command], monkeypatch, capsys)
    assert max(map(len, text.splitlines())) <= 80
    options = text.partition("Options:\n")[2]
    continued = [
        len(spaces) for spaces in re.findall(r"^( +)[^ -]", options, re.MULTILINE) if spaces
    ]
    assert continued
    assert set(continued) == {continued[0]}
    assert 80 - continued[0] >= 44


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_stand_on_a_line_to_be_copied(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line.strip() for line in help_of([command], monkeypatch, capsys).splitlines()]
    examples = [number for number, line in enumerate(lines) if line.startswith("Example: rerank")]
    assert examples
    assert all(lines[number + 1] == "" for number in examples)


def test_the_list_of_commands_cuts_no_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = help_of([], monkeypatch, capsys).partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def completed(words: str, **environment: str) -> str:
    """What a shell gets when it asks for the completion of the words."""
    asked = {"_RERANK_COMPLETE": "complete_bash", "COMP_WORDS": words, **environment}
    asked["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    command = [sys.executable, "-m", "rerank_plugins.cli"]
    environment = {**os.environ, **asked}
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def test_a_shell_completes_commands_and_options() -> None:
    assert completed("rerank ev").split() == ["eval"]
    assert completed("rerank rank --passage-").split() == ["--passage-prefix", "--passage-suffix"]


def test_the_script_for_completion_in_bash_is_shown() -> None:
    program = f"{sys.executable} -m rerank_plugins.cli --show-completion; true"
    shown = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert "complete -o default -F _rerank_completion rerank" in shown.stdout
    assert shown.stderr == ""
