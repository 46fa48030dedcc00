"""What users are told to type works where they read it."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sysconfig
from collections.abc import Callable
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from rerank_plugins.backends.graphs.bundle import _refused
from rerank_plugins.cli import demo, main
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.candidates import read_passages
from rerank_plugins.messages.commands import command, install_command

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))


@pytest.fixture
def not_active(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell in which no environment is active, as after `make demo`."""
    parts = os.environ["PATH"].split(os.pathsep)
    others = [part for part in parts if not (Path(part) / "rerank").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(others))


@pytest.mark.usefixtures("not_active")
def test_a_command_is_named_by_its_path_where_no_environment_is_active(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(SCRIPTS.parent.parent)
    assert command("rerank") == str(SCRIPTS.relative_to(SCRIPTS.parent.parent) / "rerank")
    monkeypatch.chdir(tmp_path)
    assert command("rerank") == str(SCRIPTS / "rerank")


def test_a_command_is_its_name_where_the_environment_is_active(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(SCRIPTS), prepend=os.pathsep)
    assert command("rerank") == "rerank"
    (tmp_path / "rerank").symlink_to(SCRIPTS / "rerank")  # as pipx does it
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("rerank") == "rerank"


def test_a_command_of_the_same_name_elsewhere_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "rerank"
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path.cwd() / command("rerank") == SCRIPTS / "rerank"  # short where it lies below


def test_a_path_with_a_space_is_one_word_of_a_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripts = tmp_path / "my env"
    scripts.mkdir()
    (scripts / "rerank").touch(mode=0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(scripts))
    assert shlex.split(command("rerank")) == [str(scripts / "rerank")]


@pytest.mark.parametrize(
    ("noted", "requirement"),
    [
        (None, '"rerank-plugins[eval]"'),
        (
            {"url": "file:///home/me/my%20clone", "dir_info": {"editable": True}},
            '-e "/home/me/my clone[eval]"',
        ),
        (
            {"url": "file:///home/me/clone", "dir_info": {}},
            '"rerank-plugins[eval] @ file:///home/me/clone"',
        ),
        (
            {"url": "https://host/repo", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            '"rerank-plugins[eval] @ git+https://host/repo@abc"',
        ),
    ],
    ids=["index", "editable clone", "folder", "repository"],
)
def test_an_extra_is_installed_from_where_the_package_came_from(
    monkeypatch: pytest.MonkeyPatch, noted: object, requirement: str
) -> None:
    written = None if noted is None else json.dumps(noted)
    monkeypatch.setattr(PathDistribution, "read_text", lambda *_: written)
    assert install_command("eval") == f"{command('pip')} install {requirement}"


@pytest.mark.usefixtures("not_active")
def test_messages_name_the_command_as_it_must_be_typed(tmp_path: Path) -> None:
    typed = command("rerank")
    run = tmp_path / "my run"
    run.write_text("q Q0 d 1 0.5 run\n")
    assert f"{typed} compile MODEL --output 'my bundle'" in str(_refused(Path("my bundle"), "no"))
    with pytest.raises(InvalidInputError) as caught:
        read_passages(str(run))
    assert f"Type: {typed} rank --run '{run}' --queries" in str(caught.value)


@pytest.fixture
def suggestions(not_active: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[str]]:
    """What the demo says to type next, when it is run in a folder."""

    def of(folder: Path) -> list[str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(demo, "_all_questions", lambda *_: None)  # the tables do not matter
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert main(["demo"]) == 0
        return [line.strip() for line in out.getvalue().partition("Try next:\n")[2].splitlines()]

    return of


@pytest.mark.parametrize("place", ["clone", "elsewhere"])
def test_what_the_demo_says_to_try_next_works_as_printed(
    suggestions: Callable[[Path], list[str]], tmp_path: Path, place: str
) -> None:
    folder = ROOT if place == "clone" else tmp_path
    said = {}
    for line in suggestions(folder):
        done = subprocess.run(
            ["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        said[line.removeprefix(command("rerank")).split()[0], "--help" in line] = done.stdout
    assert set(said) == {("demo", False), ("rank", False), ("rank", True)}
    # Both questions are answered right, the first one against BM25.
    assert re.search(r"^ *1 .*How logins are.*The first computer", said["demo", False], re.M)
    assert "password-first" not in said["demo", False]
    assert said["rank", False].splitlines()[0].split("\t")[2] == "tree-oldest"


def test_the_demo_names_a_model_of_ones_own_in_what_to_try_next() -> None:
    from rerank_plugins.cli.demo import _next_commands

    commands = _next_commands("./my model", asked=True)
    assert all(line.endswith(" --model './my model'") for line in commands[:2])
