"""`rerank demo`: what it says is what was measured, and it fits a terminal and a pipe."""

import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.cli import main
from rerank_plugins.cli.demo_span import long_passage, show_long_passage
from rerank_plugins.cli.demo_tables import show_answers
from rerank_plugins.cli.two_stages import Answer, TwoStages, summarize
from rerank_plugins.demo import load_corpus, load_questions


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    with Reranker(CrossEncoderScorer("embedded")) as reranker:
        stages = TwoStages(load_corpus(), reranker)
        return [Answer(question, stages.search(question.query)) for question in load_questions()]


def test_the_reranker_puts_more_answers_first(answers: list[Answer]) -> None:
    before, after, fused = summarize(answers).first
    assert min(after, fused) > before


def test_a_model_that_names_no_weight_has_no_third_column(tiny_model: Path) -> None:
    with Reranker(CrossEncoderScorer(tiny_model)) as reranker:
        search = TwoStages(load_corpus(), reranker).search("why is the sky blue", depth=3)
    answer = Answer(load_questions()[0], search)
    assert search.fused is None
    assert len(answer.places) == len(summarize([answer]).first) == 2
    console = Console(file=StringIO(), width=80)
    show_answers(console, [answer])
    assert "fused" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_three_orders_come_of_one_scoring(answers: list[Answer]) -> None:
    for answer in answers:
        before, after, fused = (getattr(answer.search, n) for n in ("before", "after", "fused"))
        assert [each.place for each in before] == list(range(1, len(before) + 1))
        assert after == sorted(before, key=lambda each: -each.logit)
        assert fused == sorted(before, key=lambda each: -each.fused)


def test_the_best_sentence_of_a_long_passage_is_shown_in_its_paragraph(
    answers: list[Answer],
) -> None:
    with Reranker(CrossEncoderScorer("embedded")) as reranker:
        passage = long_passage(answers, reranker)
    assert len(passage.text.split()) > 1_000
    assert passage.is_right
    assert passage.span.start > 1_000
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system="standard")
    show_long_passage(console, passage)
    coloured = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[32m" in coloured
    shown = " ".join(re.sub(r"\x1b\[[\d;]*m", "", coloured).split())
    found = " ".join(passage.text[passage.span.start : passage.span.end].split())
    assert f"[{found}]" in shown
    assert f"starts at character {passage.span.start}, and its paragraph is the right one" in shown


def test_the_tables_show_what_was_measured(
    answers: list[Answer], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {answer.question.query: answer.search for answer in answers}
    monkeypatch.setattr(TwoStages, "search", lambda _, query: found[query])  # not all again
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    summary = summarize(answers)
    before, after, fused = summary.first
    of = f"of {summary.questions}"
    assert re.search(rf"right passage first +{before} {of} +{after} {of} +{fused} {of}", out)
    assert re.search(
        r"mean reciprocal rank +{:.3f} +{:.3f} +{:.3f}".format(*summary.reciprocal_rank), out
    )
    assert f"The reranker read {summary.pairs} pairs" in out
    assert re.search(r"time per query, median +[\d.]+ ms +\+ [\d.]+ ms", out)
    assert len(re.findall(r"[\d-]+ → +[\d-]+ → +[\d-]+ ", out)) == len(answers)
    tables, _, commands = out.partition("Try next:")
    assert all(len(line) <= 80 for line in tables.splitlines())
    assert len(commands.split("\n  ")) == 4  # one line each, however long, so they can be copied
    assert "\x1b" not in out  # not a terminal


def test_titles_can_be_read_at_80_columns_and_the_headings_stand_at_the_end_too(
    answers: list[Answer],
) -> None:
    lines = shown(answers, width=80)
    assert all(len(line) <= 80 for line in lines)
    titles = {passage.title for passage in load_corpus()}
    shortened = []
    for answer, places, pair in zip(answers, lines[3::2], lines[4::2], strict=False):
        assert places[15:] == answer.question.query
        before, after = pair[15:46].rstrip(), pair[48:]
        for found, candidates in ((before, answer.search.before), (after, answer.search.after)):
            title = candidates[0].passage.title
            assert title in titles
            assert found[2:] == title or (len(found) >= 30 and title.startswith(found[2:-1]))
            shortened.append(found[2:] != title)
    assert sum(shortened) < len(shortened) / 3
    headings = [line.rstrip() for line in lines[1:3]]
    assert headings == [f"{'places':15}question", f"{'':15}{'BM25':33}reranked"]
    assert [line.rstrip() for line in lines[-5:-3]] == headings
    assert lines[-3].startswith("✓ the right passage, ✗ another")


def test_a_wide_terminal_has_whole_titles(answers: list[Answer]) -> None:
    assert not any("…" in line for line in shown(answers, width=160))


def shown(answers: list[Answer], *, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width)
    show_answers(console, answers)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue().split("\n")[:-1]


class Screen(StringIO):
    """A standard error that somebody sits in front of."""

    def isatty(self) -> bool:
        return True


def test_whoever_waits_sees_how_far_it_is_and_a_pipe_does_not(
    answers: list[Answer], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {answer.question.query: answer.search for answer in answers}
    monkeypatch.setattr(TwoStages, "search", lambda _, query: found[query])  # not all again
    assert main(["demo"]) == 0
    assert capsys.readouterr().err == ""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    assert main(["demo"]) == 0
    for said in ("Load:   0%", "Search:   0%", f"0/{len(answers)}"):
        assert said in screen.getvalue()
    assert "Search" not in capsys.readouterr().out


def test_a_question_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--query", "how did soap opera get its name"]) == 0
    out = capsys.readouterr().out
    assert "How soap opera got its name: In the 1930s" in out
    assert re.search(r"BM25 took [\d.]+ ms; the reranker read \d+ passages", out)


def test_a_question_without_a_known_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-q", "zzyzx qwrtp"]) == 0
    assert "nothing to rerank" in capsys.readouterr().out


def test_a_model_that_cannot_be_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--model", "./nowhere"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
