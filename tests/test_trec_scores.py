"""Equal scores in TREC's files: what we write and print is what TREC's tools read."""

import json
import math
import struct
from itertools import pairwise
from pathlib import Path

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import example, given
from hypothesis import strategies as st

from rerank_plugins.cli import main
from rerank_plugins.evaluation import JudgedCollection
from rerank_plugins.evaluation.first_stage import given_candidates
from rerank_plugins.formats.runs import run_lines
from rerank_plugins.formats.trec_scores import falling, tied, trec_order
from tests.test_evaluation import JUDGED, PASSAGES, QUERIES, write_collection

SMALLEST = float(np.finfo(np.float32).smallest_normal)
LARGEST = float(np.finfo(np.float32).max)

scores = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [0.0, -0.0, 1.0, 5.9906826, 5.9906825, 16777216.0, 16777217.0, 1e300, -1e300, 5e-324]
        + [sign * value for sign in (1, -1) for value in (SMALLEST, SMALLEST / 2, LARGEST, 1e-45)]
    ),
)
chains = st.lists(st.tuples(scores, st.integers(1, 40)), max_size=12).map(
    lambda runs: sorted((score for score, count in runs for _ in range(count)), reverse=True)
)


def as_a_c_float(text: str) -> float:
    """What trec_eval keeps of a score: atof, then a cast to float."""
    value: float = struct.unpack("f", struct.pack("f", float(text)))[0]
    return value


class TestFalling:
    @given(chains)
    @example([0.0] * 300)
    @example([1e300] * 300)
    @example([-1e300] * 300)
    @example([SMALLEST] * 3 + [0.0, -0.0])
    def test_the_scores_that_are_written_fall_for_every_program(self, given: list[float]) -> None:
        texts = falling(given)
        for keep in (as_a_c_float, float):
            kept = [keep(text) for text in texts]
            assert all(above > below for above, below in pairwise(kept))
        assert len(texts) == len(given)
        numbers = [as_a_c_float(text) for text in texts]
        assert all(math.isfinite(number) for number in numbers)
        assert all(number == 0 or abs(number) >= SMALLEST for number in numbers)

    @given(st.lists(st.floats(-1e6, 1e6, width=32), unique=True))
    def test_scores_that_differ_stay_as_they_are(self, given: list[float]) -> None:
        usable = {0.0, *(score for score in given if abs(score) >= SMALLEST)}
        ordered = sorted(usable, reverse=True)
        assert [as_a_c_float(text) for text in falling(ordered)] == ordered

    @given(chains)
    def test_what_was_written_is_written_the_same_again(self, given: list[float]) -> None:
        texts = falling(given)
        assert falling([float(text) for text in texts]) == texts

    def test_a_chain_of_equal_scores_pushes_down_what_is_close_behind_it(self) -> None:
        below = [float(np.float32(1) - step * np.float32(2**-24)) for step in range(4)]
        given = [1.0, 1.0, 1.0, below[1], below[1], 0.5]
        assert [float(text) for text in falling(given)] == pytest.approx(given, abs=1e-6)
        steps = [round((1 - as_a_c_float(text)) * 2**24) for text in falling(given)[:5]]
        assert steps == [0, 1, 2, 3, 4]

    def test_usual_scores_are_written_as_usual(self) -> None:
        assert falling([9.5, 0.1, -2.0]) == ["9.5", "0.1", "-2.0"]
        assert falling([]) == []


class TestReading:
    def test_equal_scores_are_ordered_as_trec_eval_does(self) -> None:
        run = {"b": 5.9906826, "a": 5.9906825, "é": 5.9906825, "c": 7.0, "10": 1.0, "9": 1.0}
        assert list(trec_order(run)) == ["c", "é", "b", "a", "9", "10"]
        assert tied(run.values()) == 3

    @given(
        st.dictionaries(
            st.text("abcäß09", min_size=1),
            scores.filter(lambda score: abs(score) <= LARGEST),
            min_size=1,
        )
    )
    def test_the_order_is_the_one_that_pytrec_eval_sees(self, run: dict[str, float]) -> None:
        order = list(trec_order(run))
        judged = {"q": {name: place + 1 for place, name in enumerate(reversed(order))}}
        measured = pytrec_eval.RelevanceEvaluator(judged, {"ndcg"}).evaluate({"q": run})
        assert measured["q"]["ndcg"] == pytest.approx(1.0, abs=1e-12)

    def test_scores_beyond_single_precision_are_kept_finite(self) -> None:
        assert trec_order({"a": 1e300, "b": -1e300}) == {"a": LARGEST, "b": -LARGEST}


def remeasured(runs: Path, name: str, judged: dict[str, dict[str, int]]) -> dict[str, list[object]]:
    """Our own file's figures by query, from ir-measures and from pytrec_eval."""
    path = runs / name
    names = [ir_measures.parse_measure(each) for each in ("nDCG@10", "RR@10", "AP", "P@1")]
    found: dict[str, dict[str, float]] = {}
    for metric in ir_measures.iter_calc(names, judged, ir_measures.read_trec_run(str(path))):
        found.setdefault(str(metric.measure), {})[metric.query_id] = metric.value
    with path.open() as lines:
        run = pytrec_eval.parse_run(lines)
    values = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut_10", "map", "P_1"}).evaluate(run)
    return {
        "nDCG@10": [found["nDCG@10"], {q: v["ndcg_cut_10"] for q, v in values.items()}],
        "AP": [found["AP"], {q: v["map"] for q, v in values.items()}],
        "P@1": [found["P@1"], {q: v["P_1"] for q, v in values.items()}],
        "RR@10": [found["RR@10"]],
    }


@pytest.mark.parametrize("stage", ["bm25", "judged"])
def test_what_eval_prints_is_what_other_tools_get_from_its_files(
    tmp_path: Path, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "same"
    folder.mkdir()
    texts = {f"d{number}": f"a fox of {number % 2} rivers" for number in range(40)}
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in texts.items())
    )
    queries = {"1": "fox", "2": "rivers", "3": "fox rivers"}
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in queries.items())
    )
    judged = {
        query: {f"d{number}": int(number % 7 == place) for number in range(30)}
        for place, query in enumerate(queries)
    }
    (folder / "qrels.tsv").write_text(
        "".join(f"{q}\t{d}\t{value}\n" for q, found in judged.items() for d, value in found.items())
    )
    runs = tmp_path / "runs"
    arguments = ["eval", str(folder), "--json", "--runs", str(runs)]
    arguments += ["--first-stage", stage, "--measure", "nDCG@10", "--measure", "RR@10"]
    assert main([*arguments, "--measure", "AP", "--measure", "P@1"]) == 0
    value = json.loads(capsys.readouterr().out)["collections"][0]
    for order in (value["first_stage"], *value["reranked"]):
        assert order["equal_scores"] > 30
        for name, others in remeasured(runs, f"same.{order['name']}.run", judged).items():
            for other in others:
                assert order["by_query"][name] == pytest.approx(other, abs=1e-12), name


def test_reciprocal_ranks_of_a_tied_run_differ_with_and_without_a_cut_off() -> None:
    """As docs/evaluation.md says of ir-measures; when they no longer do, it has to say so."""
    names = [ir_measures.parse_measure(name) for name in ("RR@10", "RR")]
    tied_run = {"q": {"a": 1.0, "b": 1.0}}
    found = ir_measures.iter_calc(names, {"q": {"a": 1}}, tied_run)
    assert {str(metric.measure): metric.value for metric in found} == {"RR@10": 1.0, "RR": 0.5}


def test_identical_passages_are_written_in_the_order_that_they_have() -> None:
    run = run_lines({"q": {"a": 1.0, "c": 1.0, "b": 1.0}})
    assert [line.split()[2] for line in run.splitlines()] == ["a", "c", "b"]
    found = {line.split()[2]: float(line.split()[4]) for line in run.splitlines()}
    for answer, first in (("a", 1.0), ("c", 0.0)):
        evaluator = pytrec_eval.RelevanceEvaluator({"q": {answer: 1}}, {"P_1"})
        assert evaluator.evaluate({"q": found})["q"]["P_1"] == first


def test_a_tied_run_given_to_eval_is_read_as_trec_eval_reads_it_and_its_ties_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_collection(tmp_path / "one")
    tied_run = {"q1": {"p1": 2.0, "p2": 2.0, "p4": 2.00000001}, "q2": {"p1": 1.0, "p4": 0.5}}
    run = tmp_path / "mine.run"
    run.write_text(
        "".join(
            f"{query} Q0 {passage} {rank} {score!r} x\n"
            for query, found in tied_run.items()
            for rank, (passage, score) in enumerate(found.items(), start=1)
        )
    )
    assert main(["eval", str(folder), "--run", str(run), "--json"]) == 0
    captured = capsys.readouterr()
    said = " ".join(captured.err.split())
    assert f"note: {run}: 2 of 5 scores are equal to a score before them" in said
    assert "ordered as trec_eval does" in said
    first = json.loads(captured.out)["collections"][0]["first_stage"]
    assert first["equal_scores"] == 2
    judged: dict[str, dict[str, int]] = {}
    for query, passage, relevance in JUDGED:
        judged.setdefault(query, {})[passage] = relevance
    measured = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut_10"}).evaluate(tied_run)
    wanted = {query: values["ndcg_cut_10"] for query, values in measured.items()}
    assert first["by_query"]["nDCG@10"] == pytest.approx({**wanted, "q3": 0.0}, abs=1e-12)
    collection = JudgedCollection("one", PASSAGES, QUERIES, judged)
    assert list(given_candidates(collection, tied_run)["q1"]) == ["p4", "p2", "p1"]
