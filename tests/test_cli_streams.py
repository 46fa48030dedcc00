"""Commands whose standard streams are closed (`2>&-`): they work, or say what is missing."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.domain import write_pairs
from tests.test_evaluation import write_collection

CLOSED = "standard output is closed, and the result goes there"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors in a shell")


def run(*arguments: object, closed: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a shell that closes some of its standard streams."""
    command = shlex.join([sys.executable, "-m", "rerank_plugins.cli", *map(str, arguments)])
    return subprocess.run(
        ["sh", "-c", f"{command} {closed}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def passages(tmp_path: Path) -> Path:
    """So many that a progress bar is due."""
    path = tmp_path / "passages.txt"
    path.write_text("".join(f"passage {number}\n" for number in range(220)))
    return path


def test_rank_works_without_a_standard_error(passages: Path) -> None:
    done = run("rank", "why", passages, closed="2>&-")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 220


def test_an_error_without_a_standard_error_has_its_exit_code(passages: Path) -> None:
    done = run("rank", "why", passages, "-m", "./none", closed="2>&-")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    "arguments",
    [["rank", "why", "PASSAGES"], ["demo"], ["plan"], ["eval", "COLLECTION"], ["--version"]],
)
def test_a_result_that_goes_to_a_closed_standard_output_is_an_error(
    passages: Path, tmp_path: Path, arguments: list[str]
) -> None:
    places = {"PASSAGES": str(passages), "COLLECTION": str(tmp_path / "animals")}
    write_collection(tmp_path / "animals")
    done = run(*(places.get(argument, argument) for argument in arguments), closed=">&-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {CLOSED}")
    assert "Traceback" not in done.stderr


def test_rank_writes_its_file_without_a_standard_output(passages: Path, tmp_path: Path) -> None:
    done = run("rank", "why", passages, "-o", tmp_path / "out.tsv", closed=">&-")
    assert done.returncode == 0
    assert done.stderr == f"note: 220 passages written to {tmp_path / 'out.tsv'}\n"
    assert len((tmp_path / "out.tsv").read_text().splitlines()) == 220


def test_a_closed_standard_input_is_an_error_where_it_is_read() -> None:
    done = run("rank", "why", "-", closed="<&-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: standard input is closed. Give a file")


def test_a_closed_standard_input_disturbs_nothing_that_does_not_read_it(passages: Path) -> None:
    done = run("rank", "why", passages, "--json", closed="<&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)) == 220


def test_what_goes_into_a_file_is_utf_8_whatever_the_terminal_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    texts = tmp_path / "texts.txt"
    texts.write_text("Käse 東京 ✓\n", encoding="utf-8")
    done = run("rank", "why", texts, "--json", closed=f"> {tmp_path / 'out.json'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Käse 東京 ✓" in (tmp_path / "out.json").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["rank", "why", "PASSAGES"], ["demo", "-q", "soap"]])
def test_a_standard_output_that_takes_nothing_is_an_error_in_a_line(
    passages: Path, arguments: list[str], unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    places = {"PASSAGES": str(passages)}
    done = run(*(places.get(each, each) for each in arguments), closed="> /dev/full")
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the result: No space left on device.\n"


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&- <&-"])
def test_eval_measures_and_writes_its_files(tmp_path: Path, closed: str) -> None:
    write_collection(tmp_path / "animals")
    page = tmp_path / "report.html"
    done = run("eval", tmp_path / "animals", "--html", page, "--runs", tmp_path, closed=closed)
    assert done.returncode == 0
    assert ("nDCG@10" in done.stdout) == (closed == "2>&-")
    assert "</html>" in page.read_text()
    assert (tmp_path / "animals.embedded.run").is_file()


@pytest.mark.parametrize("form", [[], ["--json"], ["--markdown"]])
def test_a_reader_that_goes_away_costs_no_file_of_eval(tmp_path: Path, form: list[str]) -> None:
    write_collection(tmp_path / "animals")
    page = tmp_path / "report.html"
    files = ("--html", page, "--runs", tmp_path)
    assert run("eval", tmp_path / "animals", *form, *files, closed="| true").stderr == ""
    assert "</html>" in page.read_text()
    for order in ("bm25", "embedded"):
        assert (tmp_path / f"animals.{order}.run").read_text()


def test_train_makes_its_model(tmp_path: Path, tiny_model: Path) -> None:
    pairs = write_pairs(tmp_path / "animals.jsonl")
    options = ("--model", tiny_model, "--epochs", "0.5", "--negatives", "1", "--depth", "3")
    done = run("train", pairs, "-o", tmp_path / "out", *options, closed=">&- 2>&- <&-")
    assert done.returncode == 0
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()


def test_compile_makes_its_bundle(tmp_path: Path) -> None:
    done = run("compile", "embedded", "-o", tmp_path / "bundle", closed=">&- 2>&- <&-")
    assert done.returncode == 0
    assert (tmp_path / "bundle").is_dir()


def test_what_a_library_prints_goes_into_no_file_that_took_a_closed_descriptor(
    tmp_path: Path,
) -> None:
    """The next file that is opened gets the lowest descriptor that is free."""
    code = (
        "import os, sys\n"
        "from rerank_plugins.cli import main\n"
        "main(['--version'])\n"
        f"with open({str(tmp_path / 'out')!r}, 'w') as out:\n"
        "    os.write(2, b'noise of a library')\n"
        "    out.write('ours')\n"
    )
    command = shlex.join([sys.executable, "-c", code])
    subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], check=True)
    assert (tmp_path / "out").read_text() == "ours"
