"""`rerank demo`: searches the demo corpus in two stages and prints the difference."""

import shlex
import time
from pathlib import Path

from rich.console import Console

from rerank_plugins import demo
from rerank_plugins.cli.demo_span import long_passage, show_long_passage
from rerank_plugins.cli.demo_tables import (
    say,
    show_answers,
    show_search,
    show_summary,
    suggest,
)
from rerank_plugins.cli.progress import progress
from rerank_plugins.cli.two_stages import DEPTH, Answer, TwoStages, summarize
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.messages.commands import command, short_path
from rerank_plugins.reranker import Reranker
from rerank_plugins.scoring.contract import Scorer

TOP = 5
"""Passages shown for a query of the user's own."""


def run_demo(console: Console, scorer: Scorer, *, query: str | None = None) -> None:
    """Searches the demo corpus in two stages and prints the difference.

    Args:
        console: The console to print to.
        scorer: The model of the second stage.
        query: One question to search for; `None` takes all questions that come with the corpus.

    Raises:
        MissingExtraError: bm25s is not installed.
        ModelError: The model could not be loaded.
    """
    passages = load_corpus()
    asked = f"“{query}”" if query is not None else f"{len(load_questions())} questions"
    if not console.encoding.lower().startswith("utf"):
        asked = asked.replace("“", '"').replace("”", '"')
    say(
        console,
        f"Two-stage search for {asked} in {len(passages)} passages: BM25 finds up to {DEPTH}, "
        f"then the model {scorer.name} reads each with the query and orders them.",
    )
    start = time.perf_counter()
    with scorer:
        reranker = Reranker(scorer)
        with progress(1, "model", "Load") as advance:
            reranker.warm_up()
            advance(1)
        loaded = time.perf_counter() - start
        stages = TwoStages(passages, reranker)
        if query is None:
            _all_questions(console, stages, reranker)
        else:
            _one_question(console, stages, query)
    say(console, f"Loading the model took {loaded:.1f} s.")
    suggest(console, *_next_commands(scorer.name, asked=query is not None))


def _next_commands(model: str, *, asked: bool) -> list[str]:
    """Commands to try after the demo; they work as printed, on files that exist."""
    rerank = command("rerank")
    corpus = shlex.quote(short_path(Path(demo.__file__).parent / "corpus.jsonl"))
    given = "" if model == "embedded" else f" --model {shlex.quote(model)}"
    question = "" if asked else ' --query "who made the first password"'
    return [
        f"{rerank} demo{question}{given}",
        f'{rerank} rank "how old can a tree get" {corpus} --top-k 3{given}',
        f"{rerank} rank --help",
    ]


def _all_questions(console: Console, stages: TwoStages, reranker: Reranker) -> None:
    questions, answers = load_questions(), []
    with progress(len(questions), "question", "Search") as advance:
        for question in questions:
            answers.append(Answer(question, stages.search(question.query)))
            advance(1)
    show_answers(console, answers)
    show_long_passage(console, long_passage(answers, reranker))
    show_summary(console, summarize(answers))


def _one_question(console: Console, stages: TwoStages, query: str) -> None:
    search = stages.search(query)
    if not search.after:
        say(console, "\nNo passage shares a word with this query, so there is nothing to rerank.")
        return
    show_search(console, search, TOP)
    say(
        console,
        f"\nBM25 took {search.search_seconds * 1000:.1f} ms; the reranker read "
        f"{len(search.after)} passages in {search.rerank_seconds * 1000:.0f} ms.",
    )
