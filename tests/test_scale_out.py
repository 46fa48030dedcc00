"""Batches of a dataset, without a cluster; on one they are tested by `make test-scale-out`."""

import inspect
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    ModelNotFoundError,
    Passage,
    Reranker,
    ScoringError,
)
from rerank_plugins.scale_out import RerankBatch
from rerank_plugins.scale_out.answers import answers, scores
from rerank_plugins.scale_out.options import COLUMN_OPTIONS
from rerank_plugins.scale_out.rows import Row
from rerank_plugins.scale_out.texts import TextsById
from rerank_plugins.testing import DeterministicScorer
from tests.pages import ROOT

QUERIES = ["how do bees talk", "why does bread rise", "how do bees talk"]
PASSAGES = ["Bees dance.", "Yeast makes gas, which lifts the dough.", "Copper roofs turn green."]
LISTS = [PASSAGES, PASSAGES[:2], []]

ARROW = (pa.Table, pa.RecordBatch)
FORMS: list[Callable[[pa.Table], Any]] = [
    lambda table: table,
    lambda table: table.to_batches()[0],
    lambda table: table.to_pandas(),
    lambda table: {name: table[name].to_numpy() for name in table.column_names},
]
IDS = ["table", "record batch", "pandas", "numpy"]


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    return Reranker(CrossEncoderScorer("embedded"))


def pairs(**columns: list[Any]) -> pa.Table:
    return pa.table({"id": [7, 8, 9], "query": QUERIES, "passage": PASSAGES, **columns})


def lists(**columns: list[Any]) -> pa.Table:
    return pa.table({"id": [7, 8, 9], "query": QUERIES, "passages": LISTS, **columns})


def column(batch: Any, name: str) -> list[Any]:
    values: list[Any] = batch[name].to_pylist() if isinstance(batch, ARROW) else [*batch[name]]
    return [None if one is pd.NA or bool(one != one) else one for one in values]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder in BEIR's layout, whose ids are numbers and words."""
    rows = [{"_id": f"d{at}", "title": "Notes", "text": text} for at, text in enumerate(PASSAGES)]
    (tmp_path / "corpus.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    queries = [{"_id": str(at), "text": text} for at, text in enumerate(QUERIES)]
    (tmp_path / "queries.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in queries))
    return tmp_path


@pytest.mark.parametrize("form", FORMS, ids=IDS)
def test_each_pair_gets_the_score_that_the_library_gives_it(
    form: Callable[[pa.Table], Any], reranker: Reranker
) -> None:
    given = form(pairs())
    batch = RerankBatch("embedded")(given)
    assert type(batch) is type(given)
    assert list(batch.column_names if isinstance(batch, ARROW) else batch) == [
        *("id", "query", "passage", "score")
    ]
    assert column(batch, "id") == [7, 8, 9]
    assert column(batch, "score") == reranker.score_pairs(zip(QUERIES, PASSAGES, strict=True))


@pytest.mark.parametrize("form", FORMS, ids=IDS)
def test_each_list_gets_the_ranking_that_the_library_gives_it(
    form: Callable[[pa.Table], Any], reranker: Reranker
) -> None:
    batch = RerankBatch("embedded", passages="passages", top_k=2, scale="logit")(form(lists()))
    wanted = reranker.rank_many(QUERIES, LISTS, top_k=2, scale="logit")
    assert column(batch, "ranking") == [
        [{"index": one.index, "score": one.score} for one in ranking] for ranking in wanted
    ]


def test_a_ranking_counts_the_first_stages_scores_and_says_which_parts_answer() -> None:
    options: dict[str, Any] = {"first_stage_weight": 2.0, "spans": True, "compress": "spans"}
    bm25 = [[0.0, 1.0, 9.0], [1.0, 0.0], []]
    ranks = RerankBatch("embedded", passages="passages", first_stage_scores="bm25", **options)
    found = ranks(lists(bm25=bm25))["ranking"].to_pylist()
    with CrossEncoderScorer("embedded") as scorer:
        wanted = Reranker(scorer, **options).rank_many(QUERIES, LISTS, first_stage_scores=bm25)
    for ranking, known in zip(found, wanted, strict=True):
        assert [one["index"] for one in ranking] == [one.index for one in known]
        assert [[*one["spans"][0].values()] for one in ranking] == [
            [one.spans[0].start, one.spans[0].end, one.spans[0].score] for one in known
        ]
        assert [one["kept"] for one in ranking] == [
            None if one.kept is None else [{"start": s, "end": e} for s, e in one.kept]
            for one in known
        ]


def test_ids_stand_for_the_texts_of_a_corpus(corpus: Path, reranker: Reranker) -> None:
    batch = pa.table({"qid": [0, 1], "docids": [["d0", "d2"], ["d1"]]})
    ranks = RerankBatch("embedded", query="qid", passages="docids", corpus=str(corpus))
    found = ranks(batch)["ranking"].to_pylist()
    texts = [[f"Notes {PASSAGES[0]}", f"Notes {PASSAGES[2]}"], [f"Notes {PASSAGES[1]}"]]
    wanted = reranker.rank_many(QUERIES[:2], texts)
    assert [[one["score"] for one in ranking] for ranking in found] == [
        pytest.approx([one.score for one in ranking], abs=1e-6) for ranking in wanted
    ]


def test_a_title_of_the_corpus_is_in_every_window(corpus: Path) -> None:
    text = TextsById(str(corpus), "corpus.jsonl").get("d0")
    assert text == f"Notes {PASSAGES[0]}"
    assert Passage.of(text).header == "Notes "


def test_a_corpus_is_read_once_and_again_when_it_has_changed(corpus: Path) -> None:
    file = corpus / "corpus.jsonl"
    before, state = file.read_bytes(), file.stat()
    assert TextsById(str(corpus), "corpus.jsonl").get("d1") == f"Notes {PASSAGES[1]}"
    file.write_bytes(b"x" * len(before))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert TextsById(str(corpus), "corpus.jsonl").get("d1") == f"Notes {PASSAGES[1]}"
    file.write_text('{"_id": "d1", "text": "Another."}\n')
    texts = TextsById(str(corpus), "corpus.jsonl")
    assert (texts.get("d1"), texts.get("d0")) == ("Another.", None)


def test_half_of_a_surrogate_pair_in_a_text_of_a_corpus_is_a_question_mark(corpus: Path) -> None:
    row = {"_id": "x", "title": "\ud83d", "text": "a \ude00 b"}
    (corpus / "corpus.jsonl").write_text(json.dumps(row))
    text = TextsById(str(corpus), "corpus.jsonl").get("x")
    assert text == "? a ? b"
    assert isinstance(text, Passage)
    assert text.header == "? "


def test_the_cache_keeps_no_texts_that_nobody_uses(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    TextsById(str(corpus), "corpus.jsonl")
    [old] = [each for each in (tmp_path / "cache").glob("*/texts/*") if each.is_dir()]
    killed = old.with_name(f"{old.name}.killed.partial")
    killed.mkdir()
    other = old.with_name("other")
    other.mkdir()
    for folder, days in ((old, 50), (other, 70)):
        then = time.time() - days * 24 * 3600
        os.utime(folder, (then, then))
    TextsById(str(corpus), "corpus.jsonl")
    assert not killed.exists()
    assert time.time() - old.stat().st_mtime < 24 * 3600  # used today
    TextsById(str(corpus), "queries.jsonl")  # writes new ones, and looks for those unused
    assert old.exists()
    assert not other.exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}\n', "has the id '1' twice"),
        ('{"text": "a"}\n', "line 1 has no id"),
        ('{"_id": "\\ud800", "text": "a"}\n', "the id '\\ud800' has half of a surrogate pair"),
        (None, "has no corpus.jsonl. Give a folder with corpus.jsonl and queries.jsonl"),
    ],
)
def test_a_corpus_that_cannot_be_used_says_why(corpus: Path, lines: str | None, said: str) -> None:
    file = corpus / "corpus.jsonl"
    if lines is None:
        file.unlink()
    else:
        file.write_text(lines)
    with pytest.raises(InvalidInputError, match=re.escape(said)):
        RerankBatch("embedded", corpus=str(corpus))


def test_a_cache_folder_that_cannot_be_written_is_an_error_that_names_it(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InvalidInputError, match=r"cannot be kept in .*XDG_CACHE_HOME"):
        TextsById(str(corpus), "corpus.jsonl")


BAD_ROWS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"passage": [PASSAGES[0], None, "x"]}, {}, "'passage' has NoneType None, which is no text"),
    ({"query": ["x", None, "x"]}, {}, "column 'query' has NoneType None, which is no text"),
    ({"many": [["x"], None, []]}, {"passages": "many"}, "has NoneType None, which is no list"),
    ({"many": [["x"], ["x", None], []]}, {"passages": "many"}, "column 'many' has NoneType None"),
    (
        {"many": [["x"], ["x"] * 3, []]},
        {"passages": "many", "max_passages": 2},
        "column 'many' has 3 passages, more than max_passages=2",
    ),
    (
        {"many": [["x"], ["x"], []], "bm25": [[1.0], [math.nan], []]},
        {"passages": "many", "first_stage_scores": "bm25", "first_stage_weight": 1.0},
        "nan",
    ),
]


@pytest.mark.parametrize(("columns", "options", "said"), BAD_ROWS, ids=[row[2] for row in BAD_ROWS])
def test_a_bad_row_stops_the_run_or_is_kept_with_the_reason(
    columns: dict[str, list[Any]], options: dict[str, Any], said: str
) -> None:
    table = pa.table({"id": [7, 8, 9], "query": QUERIES, "passage": PASSAGES} | columns)
    with pytest.raises(InvalidInputError) as raised:
        RerankBatch("embedded", **options)(table)
    assert said in str(raised.value)
    assert str(raised.value).startswith("Row 1 of a batch cannot be scored: ")
    assert "The row is {'id': 8, " in str(raised.value)
    assert str(raised.value).endswith("To keep such rows and their errors, pass on_error='keep'.")
    batch = RerankBatch("embedded", **options, on_error="keep")(table)
    name = "ranking" if "passages" in options else "score"
    assert [one is None for one in batch[name].to_pylist()] == [False, True, False]
    errors = batch[f"{name}_error"].to_pylist()
    assert [one is None for one in errors] == [True, False, True]
    assert said in errors[1]


@pytest.mark.parametrize("form", FORMS, ids=IDS)
def test_missing_texts_are_bad_rows_in_every_form(form: Callable[[pa.Table], Any]) -> None:
    table = form(pairs(passage=[None, PASSAGES[1], None]))
    batch = RerankBatch("embedded", on_error="keep")(table)
    assert [one is None for one in column(batch, "score")] == [True, False, True]
    assert [one is None for one in column(batch, "score_error")] == [False, True, False]


def test_a_pair_at_which_the_model_fails_is_the_only_row_that_fails() -> None:
    reranker = Reranker(DeterministicScorer(lambda _, text: math.nan if text == "bad" else 1.0))
    rows = [Row("x", [text], None) for text in ("a", "b", "bad", "c", "d")]
    found = list(answers(scores, reranker, rows))
    assert [isinstance(one, ScoringError) for one in found] == [False, False, True, False, False]
    assert "The model gave nan for query 'x' and passage 'bad'" in str(found[2])


def test_a_column_that_is_missing_or_there_already_is_named() -> None:
    score = RerankBatch("embedded")
    with pytest.raises(InvalidInputError, match=r"no column 'passage'; its columns are query"):
        score(pa.table({"query": QUERIES}))
    with pytest.raises(InvalidInputError, match=r"a column 'score' already. Name .* output='...'"):
        score(pairs(score=[1, 2, 3]))
    batch = RerankBatch("embedded", output="ours")(pairs(score=[1, 2, 3]))
    assert batch.column_names[-2:] == ["score", "ours"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"top_k": 3}, "top_k= would have no effect: each row is a pair"),
        ({"first_stage_scores": "bm25"}, "first_stage_scores= would have no effect"),
        ({"passages": "many", "first_stage_scores": "bm25"}, "first_stage_weight"),
        ({"passages": "many", "time_budget": 1}, "time_budget= would leave passages of a batch"),
        ({"time_budget": 1}, "nobody waits for a batch. Leave it out."),
        ({"on_error": "drop"}, "on_error must be one of 'raise', 'keep', but got 'drop'"),
        ({"max_passages": 0}, "max_passages must be > 0"),
        ({"window": 3}, "window= cannot be used here"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(said)):
        RerankBatch("embedded", **options)


def test_a_model_that_is_not_there_fails_before_the_first_batch() -> None:
    with pytest.raises(ModelNotFoundError, match=r"There is no directory './no-model'"):
        RerankBatch("./no-model")


def test_a_batch_without_rows_has_the_columns_of_the_others() -> None:
    batch = RerankBatch("embedded", on_error="keep")(pairs().slice(0, 0))
    assert batch.schema.field("score").type == pa.float64()
    assert batch.schema.field("score_error").type == pa.string()


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    RerankBatch("embedded", on_error="keep")(pairs(passage=[None, "x", "y"]))
    assert capfd.readouterr() == ("", "")


def test_the_page_has_each_option_of_columns_with_its_default_and_its_sentence() -> None:
    text = (ROOT / "docs" / "scale-out.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+) \|$", text, re.MULTILINE)
    assert [(name, said) for name, _, said in rows] == [
        (option.name, option.description) for option in COLUMN_OPTIONS.values()
    ]
    assert set(COLUMN_OPTIONS) < set(inspect.signature(RerankBatch).parameters)


def test_the_package_knows_nothing_of_ray() -> None:
    code = "import sys, rerank_plugins; print('ray' in sys.modules, 'pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
