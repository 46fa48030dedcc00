"""Every command on a page runs as it stands there, or is named here with the reason why not."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from rerank_plugins.backends import choice
from rerank_plugins.cli import main
from rerank_plugins.cli.app import app
from rerank_plugins.fine_tuning import FineTuningOptions
from rerank_plugins.options import SCORER_OPTIONS
from tests.domain import write_pairs
from tests.forked import forked_process
from tests.install_lines import LINES
from tests.pages import NOTEBOOKS, PAGES, ROOT, command_lines, python_blocks
from tests.test_evaluation import JUDGED, PASSAGES, QUERIES, write_collection

NOT_RUN = {
    r"pip install ": "each in a fresh environment: make install-lines",
    r"make (demo|test)$": "continuous integration types them: .ci/run",
    r"make browser": "serves until it is interrupted: examples/browser/tests",
    r"python examples/": "with the files that are here: tests/test_examples.py",
    r"(cd|python -m) (examples/)?embedded_model": "takes hours: make test-recipe",
    r"python -m benchmarks\.": "takes an hour: tests/test_benchmarks.py",
    r"rerank eval beir/scifact/test": "downloads a collection",
    r"rerank eval --card ": "downloads MS MARCO",
    r"rerank eval .*all-MiniLM-L6-v2": "downloads a bi-encoder",
    r"rerank plan .*--machine": "times a model in every way: tests/test_cli_plan.py",
    r"rerank rank .*--server http": "needs a server: tests/test_cli_server.py",
    r"rerank serve ": "serves until it is stopped: tests/test_cli_serve.py",
    r"docker ": "takes docker: tests/test_dockerfile.py, tests/dockerfile_lines.py",
    r"rerank calibrate ": "takes more questions than are here: tests/test_cli_calibrate.py",
    r"rerank (eval|compile) .*--precision int8": "quantises for minutes: tests/test_backends.py",
}
STANDS_FOR = {"MODEL": "embedded", "FOLDER": "a-bundle"}


def reason(line: str) -> str | None:
    """Why a line is not run here."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, line)), None)


def lines_to_run() -> dict[Path, list[str]]:
    """For each page its commands, without those that are not run and those on a page before it."""
    found: dict[Path, list[str]] = {}
    met: set[str] = set()
    for page in PAGES:
        lines = [line for line in command_lines(page) if not (line in met or reason(line))]
        met.update(lines)
        if lines and page.name != "changelog.md":  # tells of the past
            found[page] = lines
    return found


def prepare(folder: Path) -> None:
    """The files that the pages speak of, as a reader would have them."""
    passages = "".join(f"{text}\n" for text in PASSAGES.values())
    for name in ("passages.txt", "notes.txt"):
        (folder / name).write_text(f"{passages}The sky is blue because blue light scatters most.\n")
    hits = ({"text": text, "score": -n} for n, text in enumerate(PASSAGES.values()))
    (folder / "hits.jsonl").write_text("".join(f"{json.dumps(hit)}\n" for hit in hits))
    stage = {"model": "embedded", "max_length": 64, "keep": 2}
    reranker = {"beginnings first": {"model": "embedded", "cascade": [stage]}}
    (folder / "rerankers.yaml").write_text(json.dumps(reranker))  # JSON is YAML, too
    write_pairs(folder / "my-pairs.jsonl")
    own = ("my-collection", "other-collection", "demo-questions")
    for name in (*own, "data/eval/one", "data/eval/two"):
        write_collection(folder / name, packed=False)
    for name in ("corpus.jsonl", "queries.jsonl"):
        (folder / name).write_text((folder / "my-collection" / name).read_text())
    places = [(query, name) for query in QUERIES for name in PASSAGES]
    run = (f"{query} Q0 {name} 1 {-n} bm25\n" for n, (query, name) in enumerate(places))
    (folder / "bm25.run").write_text("".join(run))
    (folder / "topics.txt").write_text("".join(f"{q}\t{text}\n" for q, text in QUERIES.items()))
    (folder / "qrels.txt").write_text("".join(f"{q} 0 {name} {n}\n" for q, name, n in JUDGED))


def run_lines(folder: Path, lines: list[str]) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each line, typed one after the other in a folder."""
    os.chdir(folder)
    # OpenVINO runs bf16 on every processor, slowly where there are no instructions for it.
    pytest.MonkeyPatch().setattr(choice, "cpu_has_bf16", lambda: True)  # this process ends with it
    return [_piped(line) if "|" in line else _typed(line) for line in lines]


def _typed(line: str) -> tuple[int, str, str]:
    _, *arguments = [STANDS_FOR.get(word, word) for word in shlex.split(line)]
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = main(arguments)
    return code, output.getvalue(), errors.getvalue()


def _piped(line: str) -> tuple[int, str, str]:
    python = shlex.join([sys.executable, "-m", "rerank_plugins.cli"])
    shell = f'rerank() {{ {python} "$@"; }}\n{line}'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("page", lines_to_run(), ids=str)
def test_the_commands_on_a_page_do_what_they_are_there_for(page: Path, tmp_path: Path) -> None:
    prepare(tmp_path)
    lines = lines_to_run()[page]
    with forked_process() as process:
        results = process.submit(run_lines, tmp_path, lines).result()
    for line, (code, output, errors) in zip(lines, results, strict=True):
        assert code == 0, f"{line}\n{errors}"
        written = re.findall(r"(?:--output|--html|-o) (\S+)", line)
        assert all((tmp_path / STANDS_FOR.get(name, name)).exists() for name in written), line
        assert output or written, line


def test_every_reason_not_to_run_a_command_is_needed() -> None:
    lines = [line for page in PAGES for line in command_lines(page)]
    assert [pattern for pattern in NOT_RUN if not any(re.match(pattern, x) for x in lines)] == []


def test_every_install_line_of_the_pages_is_tried_in_an_environment_of_its_own() -> None:
    lines = {line for page in PAGES for line in command_lines(page) if line.startswith("pip ")}
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("examples/*.py")]
    texts += [code for notebook in NOTEBOOKS for code, _ in python_blocks(notebook)]
    for text in texts:
        whole = re.sub(r"\\\n\s*", "", text)
        lines.update(line.strip() for line in re.findall(r"pip install .*", whole))
    assert lines <= LINES.keys()


def test_what_a_page_pipes_into_the_command_is_ranked(tmp_path: Path) -> None:
    prepare(tmp_path)
    line = next(line for line in command_lines(Path("docs/cli.md")) if line.startswith("grep"))
    with forked_process() as process:
        ((_, output, _),) = process.submit(run_lines, tmp_path, [line]).result()
    assert [row["text"][:15] for row in json.loads(output)] == ["The sky is blue"]


def options_of(name: str) -> set[str]:
    """The options that a command takes, as they are typed."""
    group = typer.main.get_command(app)
    return {text for option in group.commands[name].params for text in option.opts}  # type: ignore[attr-defined]


COMMANDS = list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_the_page_on_the_command_has_a_row_for_each_command() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `rerank (\w+)` \|", text, re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_commands_help_have_options_that_it_takes(name: str) -> None:
    group = typer.main.get_command(app)
    told = group.commands[name].help or ""  # type: ignore[attr-defined]
    examples = [line for line in told.splitlines() if line.startswith("Example: ")]
    assert examples
    for example in examples:
        assert example.startswith(f"Example: rerank {name} ")
        given = {word for word in shlex.split(example) if word.startswith("-")}
        assert given - options_of(name) == set(), example


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("fine-tuning.md", "train"),
        ("evaluation.md", "eval"),
    ],
)
def test_a_table_of_options_has_options_that_the_command_takes(page: str, name: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`--?\w[^|]*) \|", text, re.MULTILINE)
    told = {option for row in rows for option in re.findall(r"`(--?[\w-]+)", row)}
    assert told
    assert told - options_of(name) == set()


@pytest.mark.parametrize("name", ["demo", "rank", "eval"])
def test_the_page_on_the_command_names_the_options_that_only_python_has(name: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    told = re.search(r"exist only in Python: ([^.]*)\.", text)
    assert told
    typed = {option.strip("-").replace("-", "_") for option in options_of(name)}
    assert set(re.findall(r"`(\w+)`", told[1])) == set(SCORER_OPTIONS) - typed


def test_the_table_of_fine_tuning_has_each_option_with_its_default() -> None:
    text = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
    told: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`--[^|]+) \| ([^|]+) \|", text, re.MULTILINE):
        options = re.findall(r"--([\w-]+)", names)
        told.update(zip(options, defaults.split(", "), strict=True))
    for field in fields(FineTuningOptions):
        name = field.name.replace("_", "-")
        if name in ("revision", "local-files-only"):  # told beside --model
            continue
        wanted = told.pop(name)
        if isinstance(field.default, float | int):
            assert float(wanted) == field.default, name
    assert told == {}
