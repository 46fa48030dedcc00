"""Question-passage pairs: read, and split."""

from pathlib import Path

import pytest

from embedded_model.sources.pairs import Pair, read_pairs, split_pairs
from examples.embedded_model.tests.tiny_runs import run, tiny_config, tiny_rows, write_source
from rerank_plugins.errors import InvalidInputError


class TestPairs:
    def test_reads_plain_and_packed_files_alike(self, tmp_path: Path) -> None:
        write_source(tmp_path / "plain", tiny_rows(), packed=False)
        write_source(tmp_path / "packed", tiny_rows())
        assert read_pairs(tmp_path, "plain") == read_pairs(tmp_path, "packed")

    def test_blank_lines_and_empty_texts_are_passed_over(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [{"query": " ", "positive": "sun"}, *tiny_rows()[:2]])
        assert len(read_pairs(tmp_path, "a")) == 2

    def test_a_list_of_answers_is_a_pair_for_each(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [{"query": " q ", "positive": ["a", " ", "b"]}])
        assert read_pairs(tmp_path, "a") == [Pair("q", "a"), Pair("q", "b")]

    def test_half_a_character_becomes_a_question_mark_and_does_not_end_the_run(
        self, base: Path, tmp_path: Path
    ) -> None:
        rows = tiny_rows()
        for row in rows:  # as extractors leave them that cut an emoji in two
            row["query"] += "\ud83d"
            row["positive"] = f"\ude00 {row['positive']}"
        write_source(tmp_path / "data" / "animals", rows)
        first = read_pairs(tmp_path / "data", "animals")[0]
        assert first.query == "Where is the red fox??"
        assert first.passage.startswith("? The red fox")
        assert run(tiny_config(base, steps=4), tmp_path / "data", tmp_path / "out").steps == 4

    def test_a_missing_source_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"'animals' has no pairs\.jsonl"):
            read_pairs(tmp_path, "animals")

    def test_an_empty_source_is_an_error(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [])
        with pytest.raises(InvalidInputError, match="holds no pairs"):
            read_pairs(tmp_path, "a")

    @pytest.mark.parametrize(
        "line",
        [
            "not json",
            '{"query": "a"}',
            "[1]",
            '{"query": 1, "positive": 2}',
            '{"query": "q", "positive": {"docid": "1", "text": "a"}}',
        ],
    )
    def test_a_broken_line_is_an_error_that_names_it(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "pairs.jsonl").write_text('{"query": "q", "positive": "p"}\n' + line)
        with pytest.raises(InvalidInputError, match="line 2"):
            read_pairs(tmp_path, "a")

    def test_no_passage_is_on_both_sides_of_the_split(self) -> None:
        pairs = [Pair(f"question {i}", f"passage {i // 3}") for i in range(900)]
        training, held_out = split_pairs(pairs, 0.2, 1)
        assert not {pair.passage for pair in training} & {pair.passage for pair in held_out}
        assert len(training) + len(held_out) == 900
        assert 90 < len(held_out) < 270

    def test_the_split_depends_on_the_seed_and_on_nothing_else(self) -> None:
        pairs = [Pair(f"question {i}", f"passage {i}") for i in range(200)]
        _, held_out = split_pairs(pairs, 0.2, 1)
        _, again = split_pairs(reversed(pairs), 0.2, 1)
        _, other = split_pairs(pairs, 0.2, 2)
        assert set(held_out) == set(again)
        assert set(held_out) != set(other)
