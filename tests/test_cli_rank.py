"""`rerank rank` over one question's candidates: what it reads, writes and refuses."""

import gzip
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, Reranker, __version__
from rerank_plugins.messages.commands import install_command
from tests.commands import Run, written

QUERY = "why is soap good at removing grease"
PASSAGES = [
    "Soap was made in Aleppo long before it reached Europe.",
    "A soap molecule has one end that clings to grease and one that clings to water.",
    "Hard water leaves grey scum in the bath.",
]
DEEP = "[" * 100_000
"""So deeply nested that no parser follows."""


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return written(tmp_path / "passages.txt", "\n".join(PASSAGES) + "\n")


def order_of(out: str) -> list[str]:
    return [line.split("\t")[2] for line in out.splitlines()]


@pytest.fixture(scope="module")
def wanted() -> list[tuple[int, float]]:
    """The order and probabilities that the library gives."""
    with Reranker(CrossEncoderScorer("embedded")) as reranker:
        ranking = reranker.rank(QUERY, PASSAGES, scale="probability")
    return [(ranked.index, ranked.score) for ranked in ranking]


class TestWhatItReads:
    def test_lines(self, rerank: Run, lines: Path, wanted: list[tuple[int, float]]) -> None:
        code, out, err = rerank("rank", QUERY, lines)
        assert (code, err) == (0, "")
        rows = [line.split("\t") for line in out.splitlines()]
        assert [row[0] for row in rows] == ["1", "2", "3"]
        assert [(int(row[2]), float(row[1])) for row in rows] == [
            (index, pytest.approx(score, abs=2e-6)) for index, score in wanted
        ]
        assert [row[3] for row in rows] == [PASSAGES[index] for index, _ in wanted]

    @pytest.mark.parametrize("text_key", ["text", "contents", "passage"])
    @pytest.mark.parametrize("id_key", ["id", "_id", "docid"])
    def test_json_lines(
        self,
        rerank: Run,
        tmp_path: Path,
        text_key: str,
        id_key: str,
        wanted: list[tuple[int, float]],
    ) -> None:
        rows = [{id_key: f"d{n}", text_key: text} for n, text in enumerate(PASSAGES)]
        path = written(tmp_path / "p.jsonl", "\n\n".join(map(json.dumps, rows)))
        assert order_of(rerank("rank", QUERY, path)[1]) == [f"d{index}" for index, _ in wanted]

    def test_a_title_is_read_with_the_text(self, rerank: Run, tmp_path: Path) -> None:
        path = written(tmp_path / "p.jsonl", '{"title": "Soap", "text": "clings to grease"}')
        assert rerank("rank", QUERY, path)[1].endswith("\t0\tSoap clings to grease\n")

    @pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
    def test_a_json_array(
        self, rerank: Run, tmp_path: Path, packed: bool, wanted: list[tuple[int, float]]
    ) -> None:
        text = json.dumps(PASSAGES, indent=1).encode()
        path = tmp_path / "passages"
        path.write_bytes(gzip.compress(text) if packed else text)
        assert order_of(rerank("rank", QUERY, path)[1]) == [str(index) for index, _ in wanted]

    def test_standard_input_with_other_line_ends_and_a_byte_order_mark(
        self, rerank: Run, monkeypatch: pytest.MonkeyPatch, wanted: list[tuple[int, float]]
    ) -> None:
        typed = "\ufeff" + "\r\n".join(PASSAGES)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        code, out, _ = rerank("rank", QUERY, "-")
        assert code == 0
        assert out.splitlines()[0].split("\t")[3] == PASSAGES[wanted[0][0]]
        assert order_of(out) == [str(index) for index, _ in wanted]

    def test_lines_that_look_like_json_are_read_as_lines_on_request(
        self, rerank: Run, tmp_path: Path
    ) -> None:
        path = written(tmp_path / "p.txt", '{"text": "soap"}\n{ not json\n')
        assert len(order_of(rerank("rank", QUERY, path, "--format", "lines")[1])) == 2

    def test_no_passages_are_no_error(self, rerank: Run, tmp_path: Path) -> None:
        code, out, err = rerank("rank", QUERY, written(tmp_path / "empty.txt", "\n"))
        assert (code, out) == (0, "")
        assert "holds no passages" in err


class TestWhatItWrites:
    def test_json(self, rerank: Run, lines: Path, wanted: list[tuple[int, float]]) -> None:
        _, out, _ = rerank("rank", QUERY, lines, "--json", "--top-k", 2)
        rows = json.loads(out)
        assert rows[0] == {
            "index": wanted[0][0],
            "id": None,
            "score": pytest.approx(wanted[0][1], abs=1e-6),
            "scale": "probability",
            "model_score": rows[0]["score"],
            "truncated": False,
            "windows": 1,
            "window": [0, len(PASSAGES[wanted[0][0]])],
            "spans": [],
            "text": PASSAGES[wanted[0][0]],
        }
        assert len(rows) == 2

    def test_logits_and_a_threshold(self, rerank: Run, lines: Path) -> None:
        scores = [float(line.split("\t")[1]) for line in _out(rerank, lines, "--scale", "logit")]
        kept = _out(rerank, lines, "--scale", "logit", "--score-threshold", scores[1] - 1e-4)
        assert len(kept) == 2

    def test_a_file(self, rerank: Run, lines: Path, tmp_path: Path) -> None:
        _, straight, _ = rerank("rank", QUERY, lines)
        for name, read in (("out.tsv", Path.read_bytes), ("out.tsv.gz", _unpacked)):
            code, out, err = rerank("rank", QUERY, lines, "-o", tmp_path / name)
            assert (code, out) == (0, "")
            assert err == f"note: 3 passages written to {tmp_path / name}\n"
            assert read(tmp_path / name).decode() == straight

    @pytest.mark.skipif(sys.platform != "linux", reason="writes to /proc, which not even root can")
    def test_a_file_that_cannot_be_written_is_told_before_a_model_is_looked_for(
        self, rerank: Run, lines: Path
    ) -> None:
        code, out, err = rerank("rank", QUERY, lines, "-m", "no/such/folder", "-o", "/proc/out.tsv")
        assert (code, out) == (1, "")
        assert err.startswith("error: cannot write /proc/out.tsv: ")

    def test_a_run_that_fails_leaves_the_file_as_it_was(
        self, rerank: Run, lines: Path, tmp_path: Path
    ) -> None:
        old, new = written(tmp_path / "old.tsv", "1\t0.5\t0\tsoap\n"), tmp_path / "new.tsv"
        for output in (old, new):
            assert rerank("rank", QUERY, lines, "-m", "no/such/folder", "-o", output)[0] == 1
        assert old.read_text(encoding="utf-8") == "1\t0.5\t0\tsoap\n"
        assert not new.exists()
        link = tmp_path / "link.tsv"
        link.symlink_to(new)
        assert rerank("rank", QUERY, lines, "-m", "no/such/folder", "-o", link)[0] == 1
        assert link.is_symlink()
        assert not new.exists()

    def test_a_terminal_gets_a_table(
        self, rerank: Run, lines: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "70")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        _, out, _ = rerank("rank", QUERY, lines, "-k", 2)
        assert "probability" in out
        assert "2 of 3 passages." in out
        shown = re.sub(r"\x1b\[[\d;]*m", "", out)
        assert all(len(line) <= 70 for line in shown.splitlines())

    def test_text_cannot_steer_the_terminal(
        self, rerank: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = written(tmp_path / "p.jsonl", json.dumps({"text": "[red]soap\x1b[2J\x07"}))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        _, out, _ = rerank("rank", QUERY, path)
        assert "[red]soap" in out
        assert "\x1b[2J" not in out
        assert "\x07" not in out

    def test_what_was_cut_is_said(self, rerank: Run, tmp_path: Path) -> None:
        path = written(tmp_path / "p.txt", "soap and water " * 60 + "\nsoap")
        options = ("--max-length", 64, "--long-passages", "truncate", "--top-k", 1)
        code, _, err = rerank("rank", QUERY, path, *options)
        assert code == 0
        assert "warning: 1 of 2 passages were cut" in err
        assert "Add --long-passages windows, or split them" in err
        assert "raise --max-length" in err

    def test_windows_are_used_and_what_is_behind_them_is_said(
        self, rerank: Run, tmp_path: Path
    ) -> None:
        path = written(tmp_path / "p.txt", "soap and water. " * 60 + "\nsoap")
        options = ("--max-length", 64, "--long-passages", "windows", "--window-tokens", 30)
        code, out, err = rerank("rank", QUERY, path, *options, "--window-overlap", 0, "--json")
        assert (code, err) == (0, "")
        found = {each["index"]: (each["windows"], each["truncated"]) for each in json.loads(out)}
        assert found == {0: (9, False), 1: (1, False)}
        _, out, err = rerank("rank", QUERY, path, *options, "--max-windows", 2, "--json")
        assert json.loads(out)[-1]["window"] == [0, 111]
        assert "1 of 2 passages were not read to their ends: they have more windows than" in err
        assert "Raise --max-windows, or split them" in err


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ('{"text": "a"}\n{broken', [], "line 2 is not JSON"),
        ('{"body": "a"}', [], "needs a string under one of text, contents, passage"),
        ("[1, 2]", ["--format", "json"], "item 1 holds 1"),
        ('{"text": "a"}', ["--format", "json"], "JSON, but not an array"),
        ("[broken", ["--format", "json"], "is not a JSON array"),
        ('{"text": ' + DEEP, [], "line 1 is not JSON: maximum recursion depth exceeded"),
        ('[{"text": ' + DEEP, [], "is not a JSON array: maximum recursion depth exceeded"),
        ("7", ["--format", "jsonl"], "line 1 holds 7"),
        ("q1 Q0 d1 1 2.5 bm25\n", [], "looks like a TREC run"),
        ("a", ["--max-length", "100000"], "--max-length"),
        ("a", ["--scale", "probability", "--score-threshold", "7"], "set --scale logit"),
        ("a", ["--model", "no/such/folder"], "no/such/folder"),
        ("a", ["--output", "missing/out.tsv"], "there is no folder missing"),
    ],
)
def test_what_cannot_be_done_is_one_line_on_standard_error(
    rerank: Run, tmp_path: Path, content: str, options: list[str], said: str
) -> None:
    path = written(tmp_path / "p.txt", content)
    code, out, err = rerank("rank", QUERY, path, *options)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err


def test_files_that_cannot_be_read(rerank: Run, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("Seife löst Fett".encode("latin-1"))
    (tmp_path / "damaged.gz").write_bytes(gzip.compress(b"soap " * 99)[:-20])
    for name, said in (
        ("latin", "not UTF-8 text (byte 0xf6"),
        ("damaged.gz", "damaged gzip file"),
        ("missing", "cannot read"),
        (".", "cannot read"),
    ):
        code, _, err = rerank("rank", QUERY, tmp_path / name)
        assert code == 1, name
        assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rank"], "Give the question and a file"),
        (["rank", QUERY], "Give the question and a file"),
        (["rank", QUERY, "f", "--top-k", "0"], "--top-k"),
        (["rank", QUERY, "f", "--scale", "cosine"], "--scale"),
        (["rank", "--run", "r"], "--run needs --queries and --corpus"),
        (["rank", QUERY, "f", "--corpus", "c"], "go with --run"),
        (["rank", QUERY, "--run", "r"], "leave out QUERY, FILE"),
        (["rnak"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(rerank: Run, arguments: list[str], said: str) -> None:
    code, out, err = rerank(*arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.replace("│", " ").split())


def test_version_and_help(rerank: Run) -> None:
    assert rerank("--version") == (0, f"rerank-plugins {__version__}\n", "")
    for arguments in (["--help"], ["rank", "-h"], ["demo", "-h"], ["eval", "-h"], ["train", "-h"]):
        code, out, _ = rerank(*arguments)
        assert code == 0
        assert "Example: rerank" in out


def test_interrupted_is_130(rerank: Run, lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rerank_plugins.cli.rank_command.read_passages", interrupt)
    assert rerank("rank", QUERY, lines)[0] == 130


def test_without_its_extra_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from rerank_plugins.cli import main; main([])"
    script = code.replace("main([])", "raise SystemExit(main([]))")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert install_command("cli") in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_neither_torch_nor_onnxruntime() -> None:
    code = (
        "import sys\n"
        "from rerank_plugins.cli import main\n"
        "main(['--help'])\n"
        "print({'torch', 'onnxruntime', 'transformers', 'bm25s'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_closed_pipe_is_no_traceback(lines: Path) -> None:
    command = f"{sys.executable} -m rerank_plugins.cli rank '{QUERY}' {lines} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("1\t")
    assert "Traceback" not in done.stderr


def _out(rerank: Run, *arguments: object) -> list[str]:
    return rerank("rank", QUERY, *arguments)[1].splitlines()


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def test_prompt_prefixes_and_suffixes_reach_the_model(rerank: Run, lines: Path) -> None:
    options = {
        "prompt": "in kitchens: ",
        "query_prefix": "q: ",
        "query_suffix": " ?",
        "passage_prefix": "p: ",
        "passage_suffix": " .",
    }
    given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    code, out, _ = rerank("rank", QUERY, lines, *given, "--json")
    with Reranker(CrossEncoderScorer("embedded", **options)) as reranker:
        ranking = reranker.rank(QUERY, PASSAGES)
    scores = [pytest.approx(ranked.score, abs=1e-6) for ranked in ranking]
    assert (code, [found["score"] for found in json.loads(out)]) == (0, scores)
    plain = json.loads(rerank("rank", QUERY, lines, "--json")[1])
    assert [found["score"] for found in plain] != scores


@pytest.mark.parametrize("command", ["rank", "plan"])
def test_code_of_a_model_is_run_if_the_option_allows_it(
    rerank: Run, lines: Path, tiny_model: Path, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    written(folder / "config.json", json.dumps({**config, "auto_map": {"AutoModel": "own.Model"}}))
    arguments = (QUERY, lines, "-m", folder) if command == "rank" else (folder,)
    code, _, err = rerank(command, *arguments)
    assert code == 1
    assert "pass --trust-remote-code." in err
    assert rerank(command, *arguments, "--trust-remote-code")[0] == 0
