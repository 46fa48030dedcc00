"""Fine-tuning: reading pairs, splitting them, and mining negatives."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.fine_tuning import LabelledQuestion, TrainingData, read_training_data
from rerank_plugins.fine_tuning.mining import (
    Bm25Encoder,
    TrainingRow,
    mine_rows,
    near_passages,
)
from rerank_plugins.fine_tuning.split import split_questions
from rerank_plugins.retrieval.bm25 import Bm25Search
from tests.domain import domain_rows, write_pairs

SHARED = Path(__file__).parents[2] / "shared" / "data" / "train" / "skeptics_se"


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    return read_training_data(write_pairs(tmp_path / "pairs.jsonl"))


def read(tmp_path: Path, *rows: dict[str, object]) -> TrainingData:
    return read_training_data(write_pairs(tmp_path / "pairs.jsonl", list(rows)))


class TestReading:
    def test_a_question_that_comes_twice_has_two_answers(self, tmp_path: Path) -> None:
        data = read(
            tmp_path,
            {"query": "Where is it?", "positive": "Here."},
            {"query": "where  is it?", "positive": ["There.", "here."]},
        )
        assert data.questions == [LabelledQuestion("Where is it?", ("Here.", "There."))]
        assert data.passages == ["Here.", "There."]

    def test_negatives_are_kept_unless_they_answer(self, tmp_path: Path) -> None:
        data = read(
            tmp_path,
            {"query": "q", "positive": "yes", "negatives": ["no", "Yes", " "]},
            {"query": "r", "positive": "no", "negatives": None, "negative": "never"},
        )
        assert [question.negatives for question in data.questions] == [("no",), ("never",)]
        assert data.passages == ["yes", "no", "never"]

    def test_blank_questions_and_answers_are_left_out(self, tmp_path: Path) -> None:
        blank = ({"query": " ", "positive": "p"}, {"query": "q", "positive": ""})
        assert read(tmp_path, *blank).questions == []

    def test_a_folder_with_packed_pairs_reads_like_the_file(self, tmp_path: Path) -> None:
        file = write_pairs(tmp_path / "animals.jsonl")
        (tmp_path / "animals").mkdir()
        packed = tmp_path / "animals" / "pairs.jsonl.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        assert read_training_data(tmp_path / "animals") == read_training_data(file)

    @pytest.mark.parametrize(("given", "place"), [(".", "animals"), ("..", "animals/inside")])
    def test_the_working_folder_and_the_one_above_are_called_by_their_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, place: str
    ) -> None:
        (tmp_path / "animals" / "inside").mkdir(parents=True)
        write_pairs(tmp_path / "animals" / "pairs.jsonl")
        monkeypatch.chdir(tmp_path / place)
        assert read_training_data(Path(given)).name == "animals"

    def test_of_a_beir_folder_the_training_judgements_are_read(self, tmp_path: Path) -> None:
        corpus = ({"_id": name, "title": "", "text": f"text {name}"} for name in "abc")
        queries = ({"_id": name, "text": f"query {name}"} for name in ("q", "r"))
        (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
        (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
        (tmp_path / "qrels").mkdir()
        head = "query-id\tcorpus-id\tscore\n"
        (tmp_path / "qrels" / "train.tsv").write_text(f"{head}q\ta\t2\nq\tb\t0\nq\tgone\t1\n")
        (tmp_path / "qrels" / "test.tsv").write_text(f"{head}r\tc\t1\n")
        (tmp_path / "qrels.tsv").write_text(f"{head}r\tc\t1\n")
        data = read_training_data(tmp_path)
        assert data.questions == [LabelledQuestion("query q", ("text a",), ("text b",))]
        assert sorted(data.passages) == ["text a", "text b", "text c"]

    def test_packed_training_judgements_are_read_and_those_to_measure_by_are_not(
        self, tmp_path: Path
    ) -> None:
        head = "query-id\tcorpus-id\tscore\n"
        corpus = [{"_id": name, "text": f"text {name}"} for name in "abc"]
        queries = [{"_id": name, "text": f"query {name}"} for name in "qr"]
        for name, rows in (("corpus", corpus), ("queries", queries)):
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / f"{name}.jsonl").write_text(text)
        (tmp_path / "qrels").mkdir()
        with gzip.open(tmp_path / "qrels" / "test.tsv.gz", "wt") as lines:
            lines.write(f"{head}r\tc\t1\n")
        with pytest.raises(InvalidInputError, match=r"neither qrels/train\.tsv nor qrels\.tsv"):
            read_training_data(tmp_path)
        with gzip.open(tmp_path / "qrels" / "train.tsv.gz", "wt") as lines:
            lines.write(f"{head}q\ta\t1\n")
        assert [one.query for one in read_training_data(tmp_path).questions] == ["query q"]

    def test_half_a_character_becomes_a_question_mark_in_pairs_and_in_a_beir_folder(
        self, tmp_path: Path
    ) -> None:
        text = "p \ud83d"
        row = {"query": "q\ude00", "positive": [text], "negatives": ["n\ud83d"]}
        assert read(tmp_path, row).questions == [LabelledQuestion("q?", ("p ?",), ("n?",))]
        folder = tmp_path / "beir"
        folder.mkdir()
        (folder / "corpus.jsonl").write_text(json.dumps({"_id": "a", "title": "", "text": text}))
        (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "q\ude00"}))
        (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n")
        data = read_training_data(folder)
        assert data.questions == [LabelledQuestion("q?", ("p ?",))]
        assert data.passages == ["p ?"]

    @pytest.mark.parametrize(
        "line", ['{"query": "q"}', '{"query": 1, "positive": "p"}', '{"query": "q", "positive": 1}']
    )
    def test_a_line_without_a_pair_is_an_error_that_shows_one(
        self, tmp_path: Path, line: str
    ) -> None:
        (tmp_path / "pairs.jsonl").write_text(line)
        with pytest.raises(InvalidInputError, match=r'line 1: expected \{"query"'):
            read_training_data(tmp_path / "pairs.jsonl")

    @pytest.mark.parametrize("name", ["none.jsonl", "."])
    def test_what_is_not_there_is_an_error_that_says_what_can_be_given(
        self, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(
            InvalidInputError, match=r"holds no training data\. Give a file of JSON"
        ):
            read_training_data(tmp_path / name)


class TestSplitting:
    def test_no_question_and_no_answer_is_in_two_parts(self, data: TrainingData) -> None:
        split = split_questions(data.questions, development=0.1, held_out=0.2, seed=1)
        parts = [split.train, split.development, split.held_out]
        assert [len(part) for part in parts] == [21, 3, 6]
        for texts in (
            [{question.query for question in part} for part in parts],
            [{answer for question in part for answer in question.answers} for part in parts],
        ):
            assert len(set.union(*texts)) == sum(map(len, texts))

    def test_the_seed_decides(self, data: TrainingData) -> None:
        first, again, other = (
            split_questions(data.questions, development=0.1, held_out=0.2, seed=seed)
            for seed in (1, 1, 2)
        )
        assert first == again != other

    def test_questions_that_share_an_answer_stay_together(self) -> None:
        questions = [LabelledQuestion(f"q{n}", (f"p{n}", f"p{n + n % 2}")) for n in range(40)]
        split = split_questions(questions, development=0.25, held_out=0.25, seed=3)
        for part in (split.train, split.development, split.held_out):
            numbers = {int(question.query[1:]) for question in part}
            assert {n + 1 if n % 2 else n - 1 for n in numbers - {0, 39}} <= numbers

    def test_where_all_hang_together_all_is_trained_on(self) -> None:
        questions = [LabelledQuestion(f"q{n}", (f"p{n}", f"p{n + 1}")) for n in range(20)]
        split = split_questions(questions, development=0.2, held_out=0.2, seed=3)
        assert len(split.train) == 20
        assert not split.development
        assert not split.held_out

    def test_a_real_source_is_read_and_split_without_a_leak(self) -> None:
        if not SHARED.is_dir():
            pytest.skip("the training sources are not beside this checkout (../shared/data/train)")
        data = read_training_data(SHARED)
        split = split_questions(data.questions, development=0.1, held_out=0.2, seed=1)
        seen = {answer for question in split.train for answer in question.answers}
        assert len(split.held_out) == round(0.2 * len(data.questions))
        assert all(seen.isdisjoint(question.answers) for question in split.held_out)


def mined(
    data: TrainingData, negatives: int = 3, bi_encoder: SentenceTransformer | None = None
) -> list[TrainingRow]:
    return mine_rows(
        data.questions,
        data.passages,
        negatives=negatives,
        bi_encoder=bi_encoder,
        seed=1,
        progress=False,
    )


class TestMining:
    def test_bm25_answers_like_a_bi_encoder(self, data: TrainingData) -> None:
        encoder, search = Bm25Encoder(), Bm25Search(data.passages, stem=True)
        documents = encoder.encode_document(data.passages)
        queries = encoder.encode_query(["the red fox", "the blue dog"])
        scores = encoder.similarity(queries, documents)
        expected = np.stack([search.scores("the red fox"), search.scores("the blue dog")])
        assert scores.numpy() == pytest.approx(expected)

    def test_every_answer_stands_beside_wrong_passages_alone(self, data: TrainingData) -> None:
        rows = mined(data)
        assert [(row.query, row.answer) for row in rows] == [
            (row["query"], row["positive"]) for row in domain_rows()
        ]
        for row in rows:
            assert len(set(row.negatives)) == 3
            assert row.answer not in row.negatives
            assert set(row.negatives) <= set(data.passages)
        assert mined(data) == rows

    def test_most_negatives_share_a_word_with_the_question(self, data: TrainingData) -> None:
        shared = [
            bool(set(row.query.split()[3:]) & set(text.split()))
            for row in mined(data)
            for text in row.negatives
        ]
        assert sum(shared) > 0.6 * len(shared)

    def test_own_negatives_come_first_and_are_enough(self, tmp_path: Path) -> None:
        own = ["no one", "no two", "no three"]
        data = read(
            tmp_path,
            {"query": "q one", "positive": "answer one", "negatives": own},
            {"query": "q two", "positive": "answer two", "negatives": own[:1]},
        )
        rows = mined(data, negatives=2)
        assert rows[0].negatives == ("no one", "no two")
        assert rows[1].negatives[0] == "no one"
        assert len(rows[1].negatives) == 2

    def test_near_copies_of_an_answer_are_no_negatives(self, tmp_path: Path) -> None:
        answer = "the big old dog sleeps in the red house by the river"
        data = read(
            tmp_path,
            {"query": "where does the dog sleep", "positive": answer},
            {"query": "where is the river", "positive": f"{answer} now"},
            {"query": "where is the dog", "positive": "the dog is in the tree"},
        )
        assert mined(data)[0].negatives == ("the dog is in the tree",)

    def test_a_bi_encoder_adds_what_bm25_does_not_find(
        self, data: TrainingData, headless_model: Path
    ) -> None:
        encoder = SentenceTransformer(str(headless_model), device="cpu", local_files_only=True)
        rows = mined(data, bi_encoder=encoder)
        assert len(rows) == 30
        assert rows != mined(data)
        assert all(row.answer not in row.negatives for row in rows)

    def test_what_is_said_while_negatives_are_mined_is_heard_and_no_bar_is_drawn(
        self, data: TrainingData, headless_model: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        encoder = SentenceTransformer(str(headless_model), device="cpu", local_files_only=True)
        capfd.readouterr()

        def says(text: str) -> None:
            sys.stderr.write(text)

        handle = encoder[0].register_forward_pre_hook(lambda *_: says("hot!\n"))
        mined(data, bi_encoder=encoder)
        handle.remove()
        said = capfd.readouterr()
        assert said.out == ""
        assert set(said.err.splitlines()) == {"hot!"}

    def test_mining_shows_its_bars_where_they_are_wanted(
        self, data: TrainingData, capfd: pytest.CaptureFixture[str]
    ) -> None:
        options = {"negatives": 3, "bi_encoder": None, "seed": 1}
        mine_rows(data.questions, data.passages, progress=True, **options)  # type: ignore[arg-type]
        assert "mining negatives" in capfd.readouterr().err

    def test_negatives_are_those_of_the_librarys_own_miner(
        self, data: TrainingData, headless_model: Path
    ) -> None:
        encoder = SentenceTransformer(str(headless_model), device="cpu", local_files_only=True)
        found = near_passages(data.questions, data.passages, encoder, 2, False, 0.05)
        pairs = [(q.query, answer) for q in data.questions for answer in q.answers]
        wanted = mine_hard_negatives(
            Dataset.from_dict({"query": [q for q, _ in pairs], "answer": [a for _, a in pairs]}),
            encoder,
            corpus=data.passages,
            num_negatives=8,
            relative_margin=0.05,
            output_format="labeled-list",
            verbose=False,
        )
        assert len(wanted) > 5
        for row in wanted:
            assert found[row["query"]] == row["answer"][1:]

    def test_a_single_passage_leaves_nothing_to_learn(self, tmp_path: Path) -> None:
        assert mined(read(tmp_path, {"query": "q", "positive": "only this"})) == []
