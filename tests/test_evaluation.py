import gzip
import json
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from rerank_plugins.errors import InvalidInputError, ScoringError
from rerank_plugins.evaluation import (
    Comparison,
    JudgedCollection,
    Report,
    ScoreFunction,
    as_markdown,
    change,
    compare,
    current_environment,
    depth_curves,
    measures,
    overall,
    read_collection,
    unmatched_ids,
)
from rerank_plugins.evaluation.curve import curve_steps
from rerank_plugins.evaluation.first_stage import (
    bm25_candidates,
    dense_candidates,
    fused_candidates,
    given_candidates,
    judged_candidates,
)
from rerank_plugins.evaluation.measures import mean_name, measure, measure_names
from rerank_plugins.evaluation.scorers import CosineScorer, TextEncoder
from rerank_plugins.evaluation.timing import timed_answer
from rerank_plugins.fine_tuning import read_training_data
from rerank_plugins.formats.qrels import read_qrels
from rerank_plugins.process.memory import peak_memory
from tests.tiny_models import save_as_the_library_does, save_tiny_encoder

PASSAGES = {
    "p1": "A fox runs along the river at night.",
    "p2": "Foxes sleep under the old tree.",
    "p3": "The moon moves the water of the sea.",
    "p4": "River water is cold.",
}
QUERIES = {"q1": "Where do foxes sleep?", "q2": "river water", "q3": "zebra"}
JUDGED = [("q1", "p2", 1), ("q1", "p1", 0), ("q2", "p1", 2), ("q2", "p4", 1), ("q3", "p3", 1)]


def write_collection(folder: Path, *, packed: bool = True, judged: object = None) -> Path:
    folder.mkdir(parents=True)
    corpus = "\n".join(
        json.dumps({"_id": name, "title": "", "text": text}) for name, text in PASSAGES.items()
    )
    if packed:
        (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus.encode()))
    else:
        (folder / "corpus.jsonl").write_text(corpus)
    queries = (json.dumps({"_id": name, "text": text}) for name, text in QUERIES.items())
    (folder / "queries.jsonl").write_text("\n".join(queries))
    rows = JUDGED if judged is None else judged
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in rows)]  # type: ignore[attr-defined]
    (folder / "qrels.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def collection(tmp_path: Path) -> JudgedCollection:
    return read_collection(write_collection(tmp_path / "animals"))


def by_length(query: str, passages: Sequence[str]) -> list[float]:
    return [-float(len(passage)) for passage in passages]


class TestReading:
    def test_packed_and_plain_files_read_alike(self, tmp_path: Path) -> None:
        packed = read_collection(write_collection(tmp_path / "a" / "c"))
        plain = read_collection(write_collection(tmp_path / "b" / "c", packed=False))
        assert packed == plain

    def test_the_title_stands_before_the_text(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", packed=False)
        (folder / "corpus.jsonl").write_text(
            '{"_id": "p1", "title": "Foxes", "text": "They run."}\n{"_id": "p2", "text": "Sun."}'
        )
        assert read_collection(folder).passages == {"p1": "Foxes They run.", "p2": "Sun."}

    def test_queries_without_a_relevant_passage_are_left_out(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("q1", "p1", 0), ("q2", "p1", 1)])
        assert list(read_collection(folder).queries) == ["q2"]

    def test_a_sample_is_the_same_for_the_same_seed(self, collection: JudgedCollection) -> None:
        assert collection.sample(2, seed=1) == collection.sample(2, seed=1)
        assert len(collection.sample(2, seed=1).queries) == 2

    def test_a_sample_of_more_than_all_is_all(self, collection: JudgedCollection) -> None:
        assert collection.sample(99, seed=1) is collection

    @pytest.mark.parametrize("name", ["corpus.jsonl.gz", "queries.jsonl", "qrels.tsv"])
    def test_a_missing_file_is_an_error_that_shows_the_layout(
        self, tmp_path: Path, name: str
    ) -> None:
        folder = write_collection(tmp_path / "c")
        (folder / name).unlink()
        with pytest.raises(InvalidInputError, match="a collection is a folder with"):
            read_collection(folder)

    @pytest.mark.parametrize(
        ("line", "message"),
        [("{", "not JSON"), ("1", "has no id"), ('{"_id": 1}', "needs a string under one of text")],
    )
    def test_a_broken_line_is_an_error_that_names_it(
        self, tmp_path: Path, line: str, message: str
    ) -> None:
        folder = write_collection(tmp_path / "c")
        (folder / "queries.jsonl").write_text(line)
        with pytest.raises(InvalidInputError, match=f"line 1 .*{message}"):
            read_collection(folder)

    def test_judgements_may_lie_in_a_folder_of_splits(self, tmp_path: Path) -> None:
        flat, split = (write_collection(tmp_path / place / "c") for place in ("flat", "split"))
        (split / "qrels").mkdir()
        (split / "qrels.tsv").rename(split / "qrels" / "test.tsv")
        assert read_collection(split) == read_collection(flat)

    def test_a_broken_judgement_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("q1", "p1", "yes")])
        with pytest.raises(InvalidInputError, match="line 2: expected query id"):
            read_collection(folder)

    def test_a_split_is_read_by_its_name(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "one")
        (folder / "qrels").mkdir()
        (folder / "qrels" / "dev.tsv").write_text("q3\tp1\t1\n")
        assert read_collection(folder, split="dev").judgements == {"q3": {"p1": 1}}
        assert set(read_collection(folder).judgements) == set(QUERIES)
        (folder / "qrels.tsv").unlink()
        with pytest.raises(InvalidInputError, match=r"no qrels\.tsv; .* the split dev: name one"):
            read_collection(folder)
        with pytest.raises(InvalidInputError, match=r"no qrels/train\.tsv"):
            read_collection(folder, split="train")

    @pytest.mark.parametrize("text", [None, 3])
    def test_a_text_that_is_none_is_an_error(self, text: object, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "one")
        with (folder / "queries.jsonl").open("a") as queries:
            queries.write("\n" + json.dumps({"_id": "q4", "text": text}))
        with pytest.raises(InvalidInputError, match=r"queries\.jsonl, line 4.* text"):
            read_collection(folder)

    def test_judgements_may_be_trecs(self, tmp_path: Path) -> None:
        trec, beir = (write_collection(tmp_path / place / "c") for place in ("trec", "beir"))
        lines = (f"{query} 0 {passage} {relevance}\n" for query, passage, relevance in JUDGED)
        (trec / "qrels.tsv").write_text("".join(lines))
        assert read_collection(trec) == read_collection(beir)

    def test_judgements_need_no_header(self, tmp_path: Path) -> None:
        bare, headed = (write_collection(tmp_path / place / "c") for place in ("bare", "headed"))
        rows = (bare / "qrels.tsv").read_text().partition("\n")[2]
        (bare / "qrels.tsv").write_text(rows)
        assert read_collection(bare) == read_collection(headed)

    @pytest.mark.parametrize(
        "first",
        [
            "\nquery-id\tcorpus-id\tscore\n",
            "qid\tQ0\tdocid\tlabel\n",
            "topic iteration document_no judgment\n",
            "query_id 0 doc_id relevance\n",
            "id\tpassage\tvalue\n",
            "query\tdoc\trelevance label\n",
            "q9\tp1\t1.0\n",
            "q9 \tp1\t 1\n",
        ],
    )
    def test_the_first_line_is_a_header_where_it_names_columns(
        self, tmp_path: Path, first: str
    ) -> None:
        (tmp_path / "qrels.tsv").write_text(first + "q1\tp2\t2\n")
        judged = {"q9": {"p1": 1}} if "q9" in first else {}
        assert read_qrels(tmp_path / "qrels.tsv") == {**judged, "q1": {"p2": 2}}

    @pytest.mark.parametrize("value", ["1.5", "nan", "inf", "x"])
    def test_a_relevance_that_is_no_whole_number_is_an_error(
        self, tmp_path: Path, value: str
    ) -> None:
        (tmp_path / "qrels.tsv").write_text(f"q1\tp1\t1\nq1\tp2\t{value}\n")
        with pytest.raises(InvalidInputError, match="line 2: expected query id"):
            read_qrels(tmp_path / "qrels.tsv")

    @pytest.mark.parametrize("value", ["yes", "relevant", "", "1,0", "\N{ARABIC-INDIC DIGIT ONE}x"])
    def test_a_mistyped_first_line_is_no_header(self, tmp_path: Path, value: str) -> None:
        (tmp_path / "qrels.tsv").write_text(f"q1\tp1\t{value}\nq1\tp2\t1\n")
        with pytest.raises(InvalidInputError, match=r"line 1: .*are, for example, query-id, corpu"):
            read_qrels(tmp_path / "qrels.tsv")

    @pytest.mark.parametrize("value", ["1001", "-101", "500000000", "2147483648", "1e19", "1_0"])
    def test_a_relevance_beyond_what_tools_can_keep_is_an_error_that_names_the_line(
        self, tmp_path: Path, value: str
    ) -> None:
        folder = write_collection(tmp_path / "c", judged=[("q1", "p1", 1), ("q1", "p2", value)])
        for read in (read_collection, read_training_data):
            with pytest.raises(InvalidInputError, match=r"line 3: .* from -100 to 1,000"):
                read(folder)
        (folder / "qrels.tsv").write_text(f"q1 0 p1 1\nq1 0 p2 {value}\n")
        with pytest.raises(InvalidInputError, match=r"line 2: .* from -100 to 1,000"):
            read_qrels(folder / "qrels.tsv")

    def test_every_relevance_from_minus_100_to_1000_is_read_and_measured(
        self, tmp_path: Path
    ) -> None:
        judged = [("q1", "p1", -100), ("q1", "p2", 1000), ("q2", "p1", -2), ("q2", "p4", 1)]
        collection = read_collection(write_collection(tmp_path / "c", judged=judged))
        assert collection.judgements["q1"] == {"p1": -100, "p2": 1000}
        order = {"q1": {"p2": 2.0, "p1": 1.0}, "q2": {"p1": 2.0, "p4": 1.0}}
        values = compare(collection, order, {"by length": by_length}).first_stage.values
        assert values["nDCG@10"] == {"q1": 1.0, "q2": pytest.approx(0.6309, abs=1e-4)}
        assert values["RR@10"] == {"q1": 1.0, "q2": 0.5}

    @pytest.mark.parametrize("value", [1001, 2**31, 0.5, "1", None])
    def test_a_relevance_of_ones_own_that_is_not_allowed_is_an_error(self, value: Any) -> None:
        collection = JudgedCollection("c", PASSAGES, QUERIES, {q: {"p1": value} for q in QUERIES})
        with pytest.raises(InvalidInputError, match=r"'p1' for query 'q1' as .* -100 to 1,000"):
            compare(collection, {}, {"length": by_length})

    def test_a_relevance_may_be_one_of_numpys(self) -> None:
        judged = {query: {"p1": np.int64(1)} for query in QUERIES}
        collection = JudgedCollection("c", PASSAGES, QUERIES, judged)  # type: ignore[arg-type]
        comparison = compare(collection, {"q1": {"p1": 1.0}}, {"by length": by_length})
        assert comparison.first_stage.values["RR@10"] == {"q1": 1.0, "q2": 0.0, "q3": 0.0}
        assert depth_curves(comparison, {"by length": by_length})

    def test_judgements_that_contradict_each_other_are_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "qrels.tsv").write_text("q1\tp1\t1\nq1\tp1\t1\nq1\tp1\t0\n")
        with pytest.raises(InvalidInputError, match=r"line 3 .*'p1' .* as 0, .* as 1\. Keep one"):
            read_qrels(tmp_path / "qrels.tsv")

    def test_every_file_may_be_packed(self, tmp_path: Path) -> None:
        packed, plain = (write_collection(tmp_path / place / "c") for place in ("packed", "plain"))
        for name in ("queries.jsonl", "qrels.tsv"):
            (packed / f"{name}.gz").write_bytes(gzip.compress((packed / name).read_bytes()))
            (packed / name).unlink()
        assert read_collection(packed) == read_collection(plain)
        (packed / "qrels").mkdir()
        (packed / "qrels.tsv.gz").rename(packed / "qrels" / "dev.tsv.gz")
        assert read_collection(packed, split="dev") == read_collection(plain)
        with pytest.raises(InvalidInputError, match="the split dev: name one"):
            read_collection(packed)

    @pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
    def test_an_id_with_two_texts_is_an_error(self, tmp_path: Path, name: str) -> None:
        folder = write_collection(tmp_path / "c", packed=False)
        same = (folder / name).read_text().splitlines()[0]
        id = json.loads(same)["_id"]
        (folder / name).write_text(f"{(folder / name).read_text()}\n{same}")
        read_collection(folder)  # the same line again says nothing else
        with (folder / name).open("a") as lines:
            lines.write("\n" + json.dumps({"_id": id, "text": "Something else."}))
        with pytest.raises(InvalidInputError, match=f"{name} has the id '{id}' twice"):
            read_collection(folder)

    def test_what_the_judgements_name_and_the_collection_lacks_is_told(
        self, tmp_path: Path
    ) -> None:
        judged = [("q1", "p2", 1), ("q2", "P1", 1), ("q3", "p9", 0), ("q7", "p1", 1)]
        collection = read_collection(write_collection(tmp_path / "c", judged=judged))
        passages, queries = unmatched_ids(collection)
        assert passages.startswith("1 of the 2 relevant passages of c are not in its corpus")
        assert "'P1'" in passages
        assert queries.startswith("1 of the 3 judged queries of c have no text, for example 'q7'")
        assert unmatched_ids(read_collection(write_collection(tmp_path / "whole"))) == []

    def test_judgements_of_other_passages_are_an_error(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("q1", "P1", 1), ("q2", "P2", 1)])
        with pytest.raises(InvalidInputError, match=r"none of the 2 passages .* for example 'P1'"):
            unmatched_ids(read_collection(folder))

    def test_judgements_of_other_queries_are_an_error(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("elsewhere", "p1", 1)])
        with pytest.raises(InvalidInputError, match="check that the ids match"):
            read_collection(folder)


def bag_of_words(texts: list[str]) -> np.ndarray:
    """Vectors that count letters: deterministic, and near for texts alike."""
    vectors = np.array([[text.lower().count(c) for c in "abcdefghijklmno"] for text in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class TestFirstStage:
    def test_stems_so_that_plural_and_singular_meet(self, collection: JudgedCollection) -> None:
        assert list(bm25_candidates(collection)["q1"]) == ["p2", "p1"]

    def test_passages_without_a_shared_word_are_no_candidates(
        self, collection: JudgedCollection
    ) -> None:
        assert bm25_candidates(collection)["q3"] == {}

    def test_keeps_to_the_depth(self, collection: JudgedCollection) -> None:
        assert [len(found) for found in bm25_candidates(collection, depth=1).values()] == [1, 1, 0]

    def test_dense_is_by_falling_cosine(self, collection: JudgedCollection) -> None:
        found = dense_candidates(collection, bag_of_words, depth=3)
        query = bag_of_words([QUERIES["q2"]])[0]
        cosines = {name: float(bag_of_words([text])[0] @ query) for name, text in PASSAGES.items()}
        wanted = sorted(cosines, key=lambda name: -cosines[name])[:3]
        assert list(found["q2"]) == wanted
        assert list(found["q2"].values()) == pytest.approx([cosines[name] for name in wanted])

    def test_queries_may_have_an_encoder_of_their_own(self, collection: JudgedCollection) -> None:
        def turned(texts: list[str]) -> np.ndarray:
            return -bag_of_words(texts)

        near = dense_candidates(collection, bag_of_words, depth=4)["q2"]
        far = dense_candidates(collection, bag_of_words, depth=4, query_encoder=turned)["q2"]
        assert far == pytest.approx({name: -cosine for name, cosine in near.items()})

    def test_fused_is_by_the_sum_of_reciprocal_ranks(self) -> None:
        runs = [{"q": {"a": 9.0, "b": 8.0}}, {"q": {"c": 0.9, "b": 0.8, "a": 0.1}}]
        fused = fused_candidates(runs, depth=2)["q"]
        assert fused == pytest.approx({"b": 1 / 62 + 1 / 62, "a": 1 / 61 + 1 / 63})
        assert list(fused) == ["a", "b"]  # 1/61 + 1/63 is the larger by a hair

    def test_judged_are_the_judged_ones_alone(self, collection: JudgedCollection) -> None:
        assert judged_candidates(collection)["q1"] == {"p1": 0.0, "p2": 0.0}

    def test_judged_are_in_no_order_that_tells_what_is_relevant(self) -> None:
        judgements = {f"q{n}": {"a-answer": 1, "b-other": 0} for n in range(40)}
        passages = dict.fromkeys(("a-answer", "b-other"), "text")
        queries = dict.fromkeys(judgements, "what")
        collection = JudgedCollection("c", passages, queries, judgements)
        firsts = [next(iter(found)) for found in judged_candidates(collection).values()]
        assert 10 < firsts.count("a-answer") < 30
        assert judged_candidates(collection) == judged_candidates(collection)

    def test_judged_passages_that_the_corpus_lacks_are_left_out(self) -> None:
        judgements = {"q": {"p1": 1, "p9": 1, "p2": 0}}
        collection = JudgedCollection("c", PASSAGES, {"q": "fox"}, judgements)
        assert set(judged_candidates(collection)["q"]) == {"p1", "p2"}

    def test_stages_say_how_far_they_are(self, collection: JudgedCollection) -> None:
        steps: list[int] = []
        bm25_candidates(collection, on_step=steps.append)
        assert steps == [1, 1, 1]
        dense_candidates(collection, bag_of_words, on_step=steps.append)
        assert steps[3:] == [len(PASSAGES)]

    def test_judged_needs_passages_that_are_not_relevant(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("q1", "p2", 1)])
        with pytest.raises(InvalidInputError, match="judges no passage as not relevant"):
            judged_candidates(read_collection(folder))

    def test_a_given_run_is_cut_at_the_depth(self, collection: JudgedCollection) -> None:
        run = {"q1": {"p1": 1.0, "p3": 3.0, "p2": 2.0}}
        found = given_candidates(collection, run, depth=2)
        assert found == {"q1": {"p3": 3.0, "p2": 2.0}, "q2": {}, "q3": {}}

    @pytest.mark.parametrize(
        ("run", "message"),
        [({"q9": {"p1": 1.0}}, "no query of animals"), ({"q1": {"p9": 1.0}}, "passage 'p9'")],
    )
    def test_a_run_of_something_else_is_an_error(
        self, collection: JudgedCollection, run: dict[str, dict[str, float]], message: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=message):
            given_candidates(collection, run)


def judge(query: str, passages: list[str]) -> list[float]:
    best = {"q1": "p2", "q2": "p1"}
    name = next(name for name, text in QUERIES.items() if text == query)
    return [float(passage == PASSAGES[best[name]]) for passage in passages]


def compared(collection: JudgedCollection, **scorers: ScoreFunction) -> Comparison:
    return compare(collection, bm25_candidates(collection), scorers)


class TestComparison:
    def test_measures_the_first_stage_and_every_scorer(self, collection: JudgedCollection) -> None:
        result = compared(collection, judge=judge, length=by_length)
        assert result.first_stage.name == "BM25"
        best, length = result.reranked
        assert best.mean("RR@10") == pytest.approx(2 / 3)
        assert best.mean("nDCG@10") > length.mean("nDCG@10")
        assert set(best.values) == {"nDCG@10", "RR@10", "AP", "P@10", "R@100"}
        assert all(set(values) == set(QUERIES) for values in best.values.values())

    def test_recall_is_the_ceiling_that_no_order_raises(self, collection: JudgedCollection) -> None:
        result = compared(collection, judge=judge)
        assert result.reranked[0].mean("R@100") == result.first_stage.mean("R@100") < 1

    def test_a_query_without_candidates_counts_as_zero(self, collection: JudgedCollection) -> None:
        assert compared(collection, judge=judge).reranked[0].values["RR@10"]["q3"] == 0

    def test_times_each_query_that_had_candidates(self, collection: JudgedCollection) -> None:
        def slow(query: str, passages: list[str]) -> list[float]:
            time.sleep(0.01)
            return by_length(query, passages)

        order = compared(collection, slow=slow).reranked[0]
        latency = order.latency()
        pairs = sum(len(passages) for passages in order.run.values())
        assert 0.01 <= latency.p50 <= latency.p95 <= latency.p99
        assert 0 < latency.pairs_per_second <= pairs / (2 * 0.01)  # the third had no candidates

    def test_reports_each_query(self, collection: JudgedCollection) -> None:
        ticks: list[None] = []
        compare(collection, {}, {"length": by_length}, on_query=lambda: ticks.append(None))
        assert len(ticks) == 3

    def test_a_scorer_that_loses_passages_is_an_error(self, collection: JudgedCollection) -> None:
        with pytest.raises(InvalidInputError, match="one for each"):
            compared(collection, short=lambda query, passages: [])

    def test_equal_scores_keep_the_first_stages_order(self, collection: JudgedCollection) -> None:
        found = {"q1": {"p1": 3.0, "p2": 2.0}, "q2": {"p4": 2.0, "p3": 1.0}, "q3": {}}
        flat = compare(collection, found, {"flat": lambda query, passages: [0.5] * len(passages)})
        assert flat.reranked[0].values == flat.first_stage.values

    def test_measures_may_be_chosen(self, collection: JudgedCollection) -> None:
        scorers = {"judge": judge}
        result = compare(collection, bm25_candidates(collection), scorers, measures=["P@1", "AP"])
        assert result.measures == ["P@1", "AP", "R@100"]
        assert result.reranked[0].mean("P@1") == pytest.approx(2 / 3)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("best", "'best' is no measure"),
            ("alpha_nDCG@10", "package"),
            ("P@0", "'P@0' has a cutoff below 1. Give, for example"),
        ],
    )
    def test_what_is_no_measure_is_an_error(self, name: str, message: str) -> None:
        with pytest.raises(InvalidInputError, match=message):
            measure_names(10, [name])

    def test_a_query_that_is_not_judged_is_an_error(self) -> None:
        collection = JudgedCollection("c", PASSAGES, QUERIES, {"q1": {"p1": 1}})
        with pytest.raises(InvalidInputError, match=r"2 queries of c are not judged.* 'q2'"):
            compare(collection, {}, {"length": by_length})

    def test_a_candidate_that_the_collection_lacks_is_an_error(
        self, collection: JudgedCollection
    ) -> None:
        with pytest.raises(InvalidInputError, match=r"passage 'p9' for query 'q1'.*example 'p1'"):
            compare(collection, {"q1": {"p1": 1.0, "p9": 0.5}}, {"length": by_length})

    def test_a_measures_own_program_gets_ids_that_it_can_read(
        self, collection: JudgedCollection
    ) -> None:
        if not shutil.which("perl"):
            pytest.skip("ERR is computed by a Perl program")
        result = compare(
            collection, bm25_candidates(collection), {"judge": judge}, measures=["ERR@10"]
        )
        err = result.reranked[0].values["ERR@10"]
        assert list(err) == list(QUERIES)
        assert err["q1"] > 0
        assert err["q3"] == 0

    def test_a_measure_that_does_not_take_a_relevance_is_refused_before_the_work(
        self, tmp_path: Path
    ) -> None:
        if not shutil.which("perl"):
            pytest.skip("ERR is computed by a Perl program")
        folder = write_collection(tmp_path / "graded", judged=[("q1", "p2", 5), ("q2", "p4", 1)])
        graded = read_collection(folder)

        def unasked(query: str, passages: Sequence[str]) -> list[float]:
            raise AssertionError

        told = "'ERR@10' cannot be computed from a relevance of 5, which graded has. Give another"
        with pytest.raises(InvalidInputError, match=told):
            compare(graded, {}, {"unasked": unasked}, measures=["nDCG@10", "ERR@10"])

    @pytest.mark.parametrize("odd", ["a\0b", "\ud83d", "", "0", "a b"])
    def test_any_id_of_a_passage_is_measured(self, odd: str) -> None:
        names = ["nDCG@10", "RR@10", "AP", "P@1", "R@2"]
        for scores in ((1.0, 2.0, 0.0), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0)):
            found, usual = (
                measure(
                    {"q": {"lacking": 2, id: 1, "a": 0}},
                    {"q": dict(zip(("a", id, "c"), scores, strict=True))},
                    names,
                )
                for id in (odd, "b")
            )
            assert found == usual
        assert usual["RR@10"] == {"q": 0.5}  # equal scores stay in order: "a" is first

    @pytest.mark.parametrize("name", ["Judged@10", "Accuracy@5", "Success@1"])
    def test_a_query_without_candidates_counts_as_zero_in_any_measure(
        self, collection: JudgedCollection, name: str
    ) -> None:
        result = compare(collection, bm25_candidates(collection), {"judge": judge}, measures=[name])
        values = result.reranked[0].values[name]
        assert list(values) == list(QUERIES)
        assert values["q1"] > values["q3"] == 0

    def test_a_measure_that_cannot_be_computed_is_an_error_before_any_scoring(self) -> None:
        with pytest.raises(InvalidInputError, match=r"'BPM.*' cannot be computed here"):
            measure_names(10, ["BPM@10"])

    def test_each_scorer_is_asked_first_in_turn(self, collection: JudgedCollection) -> None:
        asked: list[str] = []

        def named(name: str) -> ScoreFunction:
            def score(query: str, passages: list[str]) -> list[float]:
                asked.append(name)
                return [0.0 for _ in passages]

            return score

        candidates = {query: dict.fromkeys(PASSAGES, 0.0) for query in QUERIES}
        compare(collection, candidates, {name: named(name) for name in "abc"})
        assert "".join(asked) == "abcbcacab"

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_score_without_a_place_in_an_order_is_an_error(
        self, collection: JudgedCollection, value: float
    ) -> None:
        candidates = {query: dict.fromkeys(PASSAGES, 0.0) for query in QUERIES}
        with pytest.raises(ScoringError, match=f"broken returned {value} .*precision fp32"):
            compare(collection, candidates, {"broken": lambda query, texts: [value for _ in texts]})


class TestCosine:
    def test_a_query_is_encoded_each_time_and_passages_before_the_clock_starts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoder = TextEncoder(str(save_tiny_encoder(tmp_path / "bi")), device="cpu")
        encode, encoded = SentenceTransformer.encode, []

        def watched(model: SentenceTransformer, inputs: list[str], **options: Any) -> np.ndarray:
            encoded.append(inputs)
            return np.asarray(encode(model, inputs, **options))

        monkeypatch.setattr(SentenceTransformer, "encode", watched)
        scorer, passages = CosineScorer(encoder), ["fox", "sea", "fox"]
        answers = [timed_answer("cosine", scorer, "sea", passages) for _ in range(2)]
        assert encoded == [["fox", "sea"], ["sea"], ["sea"]]
        expected = encoder.passages(passages) @ encoder.queries(["sea"])[0]
        for answer in answers:
            np.testing.assert_allclose(answer.scores, expected, atol=1e-6)

    def test_queries_and_passages_have_the_prompts_that_the_model_was_saved_with(
        self, tmp_path: Path
    ) -> None:
        folder = save_tiny_encoder(tmp_path / "bi")
        plain = TextEncoder(str(folder), device="cpu")
        model = SentenceTransformer(str(folder), device="cpu")
        model.prompts = {"query": "where river ", "document": "the "}
        save_as_the_library_does(model, tmp_path / "prompted")
        prompted = TextEncoder(str(tmp_path / "prompted"), device="cpu")
        for made, expected in (
            (prompted.queries(["fox"]), plain.queries(["where river fox"])),
            (prompted.passages(["fox"]), plain.passages(["the fox"])),
        ):
            np.testing.assert_allclose(made, expected, atol=1e-6)
        assert prompted.identity() != plain.identity()


class TestChange:
    def test_counts_what_rose_fell_and_stayed(self) -> None:
        found = change({"a": 0.5, "b": 0.5, "c": 0.5}, {"a": 1.0, "b": 0.25, "c": 0.5})
        assert (found.queries, found.better, found.worse, found.unchanged) == (3, 1, 1, 1)
        assert found.mean == pytest.approx(0.25 / 3)

    def test_p_of_a_few_equal_rises_is_exact(self) -> None:
        before = {str(n): 0.0 for n in range(5)}
        after = dict.fromkeys(before, 1.0)
        assert change(before, after).p_value == pytest.approx(2 / 2**5)

    def test_p_is_small_for_many_rises_and_large_for_noise(self) -> None:
        before = {str(n): 0.0 for n in range(60)}
        assert change(before, dict.fromkeys(before, 0.1)).p_value < 0.001
        noise = {name: (-1.0) ** int(name) for name in before}
        assert change(before, noise).p_value > 0.5

    def test_many_queries_are_tested_in_little_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(measures, "RESAMPLES", 999)  # several batches, as large as ever
        before = {str(n): 0.0 for n in range(7000)}
        after = {name: (1.0 if int(name) % 2 else -1.0) for name in before}
        tracemalloc.start()
        try:
            assert change(before, after).p_value > 0.9
            assert tracemalloc.get_traced_memory()[1] < 200e6
        finally:
            tracemalloc.stop()

    def test_means_have_the_names_that_the_field_uses(self) -> None:
        names = ["nDCG@10", "RR@10", "AP", "P@5", "R@100"]
        assert [mean_name(name) for name in names] == ["nDCG@10", "MRR@10", "MAP", "P@5", "R@100"]

    def test_p_is_1_where_nothing_moved(self) -> None:
        assert change({"a": 0.5, "b": 1.0}, {"a": 0.5, "b": 1.0}).p_value == 1


class TestCurve:
    def test_quality_rises_from_the_first_stages_to_the_scorers(
        self, collection: JudgedCollection
    ) -> None:
        found = {"q1": {"p3": 3.0, "p1": 2.0, "p2": 1.0}, "q2": {"p1": 1.0}, "q3": {}}
        result = compare(collection, found, {"judge": judge}, depth=3)
        order = result.reranked[0]
        curve = depth_curves(result, {"judge": judge}, depths=(1, 2, 3, 4))["judge"]
        assert [point.depth for point in curve] == [0, 1, 2, 3]
        assert curve[0].quality == pytest.approx(result.first_stage.mean("nDCG@10"))
        assert curve[2].quality == curve[1].quality == curve[0].quality  # p2 is third
        assert curve[3].quality > curve[2].quality
        assert curve[3].quality == pytest.approx(order.mean("nDCG@10"))
        # q1 has one relevant passage, q2 two, q3 one that nobody found
        assert [point.recall for point in curve] == pytest.approx([0, 0.5 / 3, 0.5 / 3, 1.5 / 3])

    @pytest.mark.parametrize(("depth", "shown"), [(3, [0, 3]), (15, [0, 10, 15])])
    def test_the_depth_of_the_comparison_is_always_among_them(
        self, collection: JudgedCollection, depth: int, shown: list[int]
    ) -> None:
        found = {"q1": {"p3": 3.0, "p1": 2.0, "p2": 1.0}, "q2": {"p1": 1.0}, "q3": {}}
        result = compare(collection, found, {"judge": judge}, depth=depth)
        curve = depth_curves(result, {"judge": judge})["judge"]
        assert [point.depth for point in curve] == shown

    def test_scorers_take_turns_at_each_depth(self, collection: JudgedCollection) -> None:
        asked: list[tuple[str, int]] = []

        def watched(name: str) -> ScoreFunction:
            def score(query: str, passages: list[str]) -> list[float]:
                asked.append((name, len(passages)))
                return by_length(query, passages)

            return score

        found = {"q1": {"p3": 3.0, "p1": 2.0, "p2": 1.0}, "q2": {"p1": 1.0}, "q3": {}}
        result = compare(collection, found, {"a": by_length, "b": by_length}, depth=3)
        ticks: list[None] = []
        curves = depth_curves(
            result,
            {"a": watched("a"), "b": watched("b")},
            depths=(1, 3),
            on_query=lambda: ticks.append(None),
        )
        assert asked == [(name, size) for size in (1, 3, 1, 1) for name in ("a", "b")]
        assert len(ticks) == curve_steps(result, depths=(1, 3)) == 8
        assert curves["a"][0].seconds == 0
        assert all(point.seconds > 0 for points in curves.values() for point in points[1:])


def report_of(*comparisons: Comparison) -> Report:
    return Report(comparisons, current_environment("rerank eval"))


class TestMarkdown:
    def test_the_table_has_one_row_per_collection_and_a_mean(
        self, collection: JudgedCollection
    ) -> None:
        result = compared(collection, length=by_length)
        _, table, *_ = as_markdown(report_of(result, result)).split("\n\n")
        rows = table.splitlines()
        assert rows[0] == "| set | queries | BM25 | length |"
        assert rows[2].startswith("| animals | 3 | ")
        assert rows[4].startswith("| **mean** |")
        _, table, *_ = as_markdown(report_of(result)).split("\n\n")
        assert len(table.splitlines()) == 3

    def test_the_verdict_stands_above_the_table_and_notes_below(
        self, collection: JudgedCollection
    ) -> None:
        result = compared(collection, constant=lambda query, passages: [0.0] * len(passages))
        assert result.notes
        verdict_text, _, notes = as_markdown(report_of(result)).split("\n\n")
        assert verdict_text == overall([result]).text
        assert notes == "\n".join(f"- {note}" for note in result.notes)
        *_, notes = as_markdown(report_of(result, result)).split("\n\n")
        assert notes.splitlines()[0] == f"- animals: {result.notes[0]}"

    def test_times_of_an_earlier_run_are_the_last_note(self, collection: JudgedCollection) -> None:
        report = replace(report_of(compared(collection, length=by_length)), reused={"length": 3})
        assert report.about_times is not None
        assert as_markdown(report).splitlines()[-1] == f"- {report.about_times}"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_of_this_process_and_not_of_its_parent() -> None:
    held = np.ones(60_000_000)  # 480 MB that a child must not be charged with
    assert peak_memory() > 450  # type: ignore[operator]
    code = "from rerank_plugins.process.memory import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 10 < float(done.stdout) < 400
    assert held.sum() == len(held)
