"""Corpora in which BM25 finds nothing: stop words, empty texts, Chinese without spaces."""

import json
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from rerank_plugins.cli import main
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import JudgedCollection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.fine_tuning import FineTuningOptions, LabelledQuestion, fine_tune
from rerank_plugins.fine_tuning.measuring import development_evaluator
from rerank_plugins.fine_tuning.mining import mine_rows
from rerank_plugins.retrieval.bm25 import Bm25Search
from tests.domain import domain_rows, write_pairs
from tests.test_evaluation import write_collection
from tests.tiny_models import save_tiny_encoder

WITHOUT_WORDS = {
    "stop words": ["to be or not to be", "it is the and", "of"],
    "empty texts": ["", " ", ""],
    "Chinese": [
        "肥皂分子的一端亲油一端亲水",
        "硬水在浴缸里留下灰色的浮渣",
        "月亮绕地球一圈",
    ],
}
QUERIES = {"q1": "肥皂为什么能去油", "q2": "is it to be", "q3": "soap"}
FINDS_NOTHING = "BM25 finds nothing for any"


@pytest.mark.parametrize("texts", WITHOUT_WORDS.values(), ids=WITHOUT_WORDS)
@pytest.mark.parametrize("stem", [False, True])
def test_a_query_without_hits_has_an_empty_ranking(texts: list[str], stem: bool) -> None:
    search = Bm25Search(texts, stem=stem)
    for query in QUERIES.values():
        assert search.scores(query).tolist() == [0, 0, 0]
        assert search.search(query, 10) == []
    assert search.is_lost(QUERIES.values())
    assert not Bm25Search([*texts, "soap"], stem=stem).is_lost(QUERIES.values())
    assert not Bm25Search([*texts, "soap"], stem=stem).is_lost(["zebra"])


def folder_of(tmp_path: Path, texts: list[str]) -> Path:
    folder = write_collection(tmp_path / "silent", packed=False)
    rows = [{"_id": f"p{number}", "text": text} for number, text in enumerate(texts, start=1)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    queries = [{"_id": name, "text": text} for name, text in QUERIES.items()]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    return folder


@pytest.mark.parametrize("texts", WITHOUT_WORDS.values(), ids=WITHOUT_WORDS)
def test_a_corpus_without_words_is_one_error_that_names_other_first_stages(
    tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path, texts)
    assert main(["eval", str(folder)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    error = captured.err.splitlines()[-1]
    assert error.startswith(f"error: {FINDS_NOTHING} of the 3 queries of silent: ")
    assert "dense with --bi-encoder, judged, or --run" in error


def test_fused_says_the_same_and_dense_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path, WITHOUT_WORDS["stop words"])
    encoder = str(save_tiny_encoder(tmp_path / "bi"))
    arguments = ["eval", str(folder), "--json", "--bi-encoder", encoder]
    assert main([*arguments, "--first-stage", "fused"]) == 1
    assert FINDS_NOTHING in capsys.readouterr().err
    assert main([*arguments, "--first-stage", "dense"]) == 0
    stage = json.loads(capsys.readouterr().out)["collections"][0]["first_stage"]
    assert stage["name"] == "dense"


def test_eval_counts_a_query_without_hits_as_0_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_collection(tmp_path / "animals")
    page = tmp_path / "page.html"
    assert main(["eval", str(folder), "--json", "--html", str(page)]) == 0
    found = json.loads(capsys.readouterr().out)["collections"][0]
    assert found["queries_without_candidates"] == 1
    for order in (found["first_stage"], found["reranked"][0]):
        assert order["by_query"]["nDCG@10"]["q3"] == 0
    said = "The first stage found nothing for 1 of 3 queries; they count as 0."
    assert said in page.read_text()
    assert main(["eval", str(folder)]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_in_python_the_error_names_arguments() -> None:
    collection = JudgedCollection("silent", {"p1": "to be"}, {"q1": "to be"}, {"q1": {"p1": 1}})
    with pytest.raises(InvalidInputError, match="dense with bi_encoder, judged, or run with"):
        bm25_candidates(collection)


SILENT = [LabelledQuestion(f"问题{number}什么", (f"答案{number}在这里",)) for number in range(12)]


class TestTraining:
    def test_negatives_of_nothing_are_an_error_that_names_the_bi_encoder(
        self, tmp_path: Path
    ) -> None:
        passages = [question.answers[0] for question in SILENT]
        options = {"negatives": 2, "seed": 1, "progress": False}
        with pytest.raises(InvalidInputError, match=f"{FINDS_NOTHING}.*Give bi_encoder"):
            mine_rows(SILENT, passages, bi_encoder=None, **options)
        encoder = SentenceTransformer(str(save_tiny_encoder(tmp_path / "bi")), device="cpu")
        rows = mine_rows(SILENT, passages, bi_encoder=encoder, **options)
        assert {len(row.negatives) for row in rows} <= {1, 2}
        own = [LabelledQuestion("问题", ("答案",), ("错误", "不对"))]
        assert mine_rows(own, passages, bi_encoder=None, **options)[0].negatives == ("错误", "不对")

    def test_nothing_is_trained_that_could_not_be_measured(
        self, tmp_path: Path, tiny_model: Path
    ) -> None:
        rows = [
            {
                "query": question.query,
                "positive": question.answers[0],
                "negatives": ["错误", "不对"],
            }
            for question in SILENT
        ]
        pairs = write_pairs(tmp_path / "pairs.jsonl", rows)
        options = {"model": str(tiny_model), "epochs": 1, "negatives": 2}
        with pytest.raises(InvalidInputError, match=f"{FINDS_NOTHING} question.*held_out=0"):
            fine_tune(pairs, tmp_path / "out", FineTuningOptions(**options))
        assert not (tmp_path / "out" / "model").exists()
        result = fine_tune(pairs, tmp_path / "out", FineTuningOptions(**options, held_out=0))
        assert result.held_out is None

    @pytest.mark.parametrize("texts", WITHOUT_WORDS.values(), ids=WITHOUT_WORDS)
    def test_development_questions_without_hits_choose_nothing(self, texts: list[str]) -> None:
        assert development_evaluator([LabelledQuestion("soap", ("foam",))], texts, 8) is None

    def test_the_command_says_it_in_a_line(
        self, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        texts = ("to be", "or not to be", "it is the")
        rows = [{**row, "positive": texts[number % 3]} for number, row in enumerate(domain_rows())]
        pairs = write_pairs(tmp_path / "pairs.jsonl", rows)
        arguments = ["train", str(pairs), "-o", str(tmp_path / "out"), "-m", str(tiny_model)]
        assert main([*arguments, "--held-out", "0", "--development", "0"]) == 1
        assert "Give --bi-encoder, or negatives" in capsys.readouterr().err
