"""`rerank demo`: what it says is what was measured, and it fits a terminal and a pipe."""

import re

import pytest

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.cli import main
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
    before, after = summarize(answers).first
    assert after > before


def test_the_tables_show_what_was_measured(
    answers: list[Answer], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {answer.question.query: answer.search for answer in answers}
    monkeypatch.setattr(TwoStages, "search", lambda _, query: found[query])  # not all again
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    summary = summarize(answers)
    before, after = summary.first
    of = f"of {summary.questions}"
    assert re.search(rf"right passage first +{before} {of} +{after} {of}", out)
    assert re.search(r"mean reciprocal rank +{:.3f} +{:.3f}".format(*summary.reciprocal_rank), out)
    assert f"The reranker read {summary.pairs} pairs" in out
    assert re.search(r"time per query, median +[\d.]+ ms +\+ [\d.]+ ms", out)
    assert len(re.findall(r"\d+ → +\d+ ", out)) == len(answers)
    tables, _, commands = out.partition("Try next:")
    assert all(len(line) <= 80 for line in tables.splitlines())
    assert len(commands.split("\n  ")) == 4  # one line each, however long, so they can be copied
    assert "\x1b" not in out  # not a terminal


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
