"""`rerank rank --spans` and `--compress`: the parts that answer, in every form of output."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.cli.tables import marked, show_table
from rerank_plugins.formats import Passage, QueryPassages
from rerank_plugins.results import Span
from tests.commands import Run, run_arguments, written

QUERY = "When does the museum open?"
ANSWER = "The museum opens at nine every day."
TEXT = f"Museums are old, and ours is older than most.\tIt is big. {ANSWER}\n\nDogs may not enter."


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    texts = [{"id": "shop", "text": "The shop sells bread."}, {"id": "museum", "text": TEXT}]
    return written(tmp_path / "p.jsonl", "\n".join(map(json.dumps, texts)))


@pytest.fixture
def run_files(tmp_path: Path) -> list[str]:
    corpus = json.dumps({"id": "museum", "text": TEXT})
    run = "q Q0 museum 1 1 x\n"
    return run_arguments(tmp_path, run=run, queries=f"q\t{QUERY}\n", corpus=corpus)


def test_json_has_the_places_and_the_text_of_spans(rerank: Run, rows: Path) -> None:
    _, out, _ = rerank("rank", QUERY, rows, "--spans", "--max-spans", 2, "--json")
    best = json.loads(out)[0]
    with CrossEncoderScorer("embedded") as scorer:
        (ranked,) = Reranker(scorer, spans=True, max_spans=2).rank(QUERY, [TEXT])
    assert best["text"] == TEXT
    assert best["spans"] == [
        {
            "start": span.start,
            "end": span.end,
            "score": pytest.approx(span.score, abs=1e-6),
            "text": TEXT[span.start : span.end],
        }
        for span in ranked.spans
    ]
    assert best["spans"][0]["text"] == ANSWER
    _, plain, _ = rerank("rank", QUERY, rows, "--json")
    assert [row["spans"] for row in json.loads(plain)] == [[], []]


def test_a_line_has_the_text_of_its_span_in_a_column(rerank: Run, rows: Path) -> None:
    _, out, _ = rerank("rank", QUERY, rows, "--spans")
    best, other = (line.split("\t") for line in out.splitlines())
    assert best[2:] == ["museum", " ".join(TEXT.split()), ANSWER]
    assert other[4] == "The shop sells bread."


def test_compress_shortens_the_text(rerank: Run, rows: Path, run_files: list[str]) -> None:
    _, out, _ = rerank("rank", QUERY, rows, "--compress", "spans", "--compress-threshold", 1)
    assert out.splitlines()[0].split("\t")[3] == ANSWER
    _, out, _ = rerank(
        "rank", QUERY, rows, "--compress", "spans", "--json", "--compress-threshold", 1
    )
    assert [row["text"] for row in json.loads(out)] == [ANSWER, "The shop sells bread."]
    compress = ["--compress", "spans", "--compress-threshold", 9, "--compress-neighbours"]
    _, out, _ = rerank("rank", *run_files, "--json", *compress)
    assert json.loads(out)[0]["ranking"][0]["text"] == f"It is big. {ANSWER}"


@pytest.mark.parametrize("option", [["--spans"], ["--compress", "spans"]])
def test_a_run_has_no_place_for_them(rerank: Run, run_files: list[str], option: list[str]) -> None:
    code, out, err = rerank("rank", *run_files, *option)
    assert (code, out) == (2, "")
    assert f"{' '.join(option)} goes with --json for a --run" in " ".join(err.split())


def test_options_that_do_nothing_are_refused(rerank: Run, rows: Path) -> None:
    for options, told in (
        (["--max-spans", 2], "--max-spans 2 goes with --spans, which is not given"),
        (["--compress-threshold", 1], "--compress-threshold goes with --compress spans, which is"),
        (["--compress-neighbours"], "--compress-neighbours goes with --compress spans, which is"),
    ):
        code, _, err = rerank("rank", QUERY, rows, *options)
        assert code == 1
        assert told in " ".join(err.split())


def test_a_table_shows_the_span_in_colour() -> None:
    request = QueryPassages("", QUERY, [Passage(TEXT)])
    with CrossEncoderScorer("embedded") as scorer:
        (ranking,) = Reranker(scorer, spans=True).rank_many([QUERY], [[TEXT]])
    console = Console(width=100, color_system="standard", force_terminal=True, record=True)
    with console.capture() as capture:
        show_table(console, request, ranking)
    assert f"\x1b[1;32m{ANSWER}" in capture.get()
    assert "Museums are old" not in capture.get()


def test_marks_are_where_the_spans_are() -> None:
    text = "One.\nTwo \x1b is long. Three is longer than the others are. Four."
    spans = [Span(text.index("Four"), len(text), 2.0), Span(0, 4, 1.0)]
    found = marked(text, spans[:1])
    assert found.plain == "… than the others are. Four."
    (mark,) = found.spans
    assert found.plain[mark.start : mark.end] == "Four."
    found = marked(text, spans[::-1])
    assert found.plain == text.replace("\n", " ").replace("\x1b", " ")
    assert [found.plain[mark.start : mark.end] for mark in found.spans] == ["One.", "Four."]


def test_sentences_do_not_count_as_passages_that_were_cut(rerank: Run, tmp_path: Path) -> None:
    long = written(tmp_path / "long.txt", "The museum opens. " * 99 + "\nThe shop.")
    _, _, err = rerank(
        "rank", QUERY, long, "--spans", "--max-length", 32, "--long-passages", "truncate"
    )
    assert "1 of 2 passages were cut" in err
