"""Pages whose answer is known: where the right paragraph stands, and what is ranked beside it."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from benchmarks import pages
from embedded_model.recipe.config import TrainingConfig
from rerank_plugins.evaluation import read_collection
from rerank_plugins.formats.lines import json_rows, read_lines
from rerank_plugins.formats.runs import read_run
from rerank_plugins.models.references import EMBEDDED_FOLDER

RECIPE = TrainingConfig.from_toml(pages.RECIPE)


def paragraph(title: str, number: int) -> str:
    return f"{title} {number}: " + " ".join(f"{title} word {place}" for place in range(30))


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [row for _, row in json_rows(read_lines(file), file.name)]


@pytest.fixture(scope="module")
def source() -> pages.Source:
    titles = {
        title: [paragraph(title, number) for number in range(40)] for title in ("sea", "fire")
    }
    titles["short"] = [paragraph("short", number) for number in range(2)]
    asked = {f"which {title}?": [titles[title][1]] for title in titles}
    return pages.Source(titles, asked | {"both seas?": titles["sea"][7:9]})


def test_the_places_of_a_pages_paragraphs_are_characters_of_its_text() -> None:
    page = pages.Page.of("sea", ["one", "the second", "3"])
    assert {part: page.text[start:end] for part, (start, end) in page.places.items()} == {
        part: part for part in ("one", "the second", "3")
    }


def test_pages_hold_each_paragraph_of_the_long_titles_once(source: pages.Source) -> None:
    built = pages.joined_pages(source, random.Random(0))
    joined = [part for page in built.pages.values() for part in page.places]
    assert sorted(joined) == sorted(source.titles["sea"] + source.titles["fire"])
    assert all(len(page.text.split()) >= pages.WORDS[0] for page in built.pages.values())
    assert all(part in built.pages[id].places for part, id in built.page_of.items())
    assert len(built.pages) > len(source.titles)


def test_the_right_paragraph_of_a_far_page_is_behind_as_many_tokens_as_models_read(
    source: pages.Source,
) -> None:
    far, alone = pages.far_pages(source, random.Random(0))
    tokenizer = Tokenizer.from_file(str(EMBEDDED_FOLDER / "tokenizer.json"))
    tokenizer.no_truncation()
    for part, id in far.page_of.items():
        page = far.pages[id]
        before = page.text[: page.places[part][0]]
        assert len(tokenizer.encode(before, add_special_tokens=False)) >= pages.FAR
        assert alone.pages[id].text == part


def test_far_pages_of_a_title_differ_in_one_paragraph_that_can_be_asked_for(
    source: pages.Source,
) -> None:
    far, _ = pages.far_pages(source, random.Random(0))
    for title in ("sea", "fire"):
        same = [set(page.places) for page in far.pages.values() if page.title == title]
        assert {len(each) for each in same} == {1 + len(set.intersection(*same))}


def test_the_candidates_of_a_far_page_are_pages_of_its_title(source: pages.Source) -> None:
    far, alone = pages.far_pages(source, random.Random(0))
    assert alone.candidates == far.candidates
    assert list(far.candidates) == ["which sea?", "which fire?", "both seas?"]
    for question, found in far.candidates.items():
        right = {far.page_of[part] for part in source.questions[question]}
        assert right <= set(found)
        assert len(set(found)) == len(found) == pages.CANDIDATES[1]
        assert len({far.pages[id].title for id in found}) == 1


def test_the_same_seed_gives_the_same_pages(source: pages.Source) -> None:
    once, again, other = (pages.joined_pages(source, random.Random(seed)) for seed in (1, 1, 2))
    assert once == again != other


def test_written_pages_are_collections_that_ask_about_held_out_paragraphs(tmp_path: Path) -> None:
    rows = [
        {"query": f"{title} {number}?", "positive": paragraph(title, number), "title": title}
        for title in ("sea", "fire")
        for number in range(60)
    ]
    (tmp_path / "data" / "own").mkdir(parents=True)
    (tmp_path / "data" / "own" / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = pages.read_source(tmp_path / "data", "own", RECIPE)
    far, _ = pages.far_pages(source, random.Random(0))
    pages.write(tmp_path / "own-far", far, source.questions)

    read = read_collection(tmp_path / "own-far")
    run = read_run(tmp_path / "own-far" / "candidates.trec")
    answers = rows_of(tmp_path / "own-far" / "answers.jsonl")
    texts = {row["_id"]: row["text"] for row in rows_of(tmp_path / "own-far" / "corpus.jsonl")}

    assert 0 < len(read.queries) < len(rows) / 5
    assert {answer["query"] for answer in answers} == set(read.queries) == set(run)
    for answer in answers:
        title, number = read.queries[answer["query"]].rstrip("?").split()
        text = texts[answer["passage"]]
        assert text[answer["start"] : answer["end"]] == paragraph(title, int(number))
        assert read.judgements[answer["query"]][answer["passage"]] == 1
        assert answer["passage"] in run[answer["query"]]


def test_nothing_is_asked_about_paragraphs_that_were_trained_on_later(tmp_path: Path) -> None:
    rows = [
        {"query": f"{word} sea {number}?", "positive": paragraph("sea", number), "title": "sea"}
        for number in range(200)
        for word in ("which", "what")
    ]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = pages.read_source(tmp_path, "own", RECIPE).questions
    trained = next(query for query in asked if query.startswith("which"))

    left = pages.read_source(tmp_path, "own", RECIPE, {trained}).questions

    assert set(asked) - set(left) == {trained, trained.replace("which", "what")}
    assert left
