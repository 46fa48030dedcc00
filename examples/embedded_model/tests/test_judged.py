"""Sources as judged collections."""

from pathlib import Path

from embedded_model.questions.judged import judged_source
from embedded_model.sources.pairs import read_pairs, split_pairs
from examples.embedded_model.tests.tiny_runs import tiny_config, tiny_rows, write_source


def test_a_source_of_the_recipe_is_asked_held_out_questions_alone(base: Path, data: Path) -> None:
    recipe = tiny_config(base)
    pairs = read_pairs(data, "animals")
    training, held_out = split_pairs(pairs, recipe.development_share, recipe.seed)
    collection = judged_source(data, "animals", recipe, questions=1000, pool=1000)
    assert set(collection.queries.values()) == {pair.query for pair in held_out}
    assert training
    assert set(collection.passages.values()) == {pair.passage for pair in pairs}


def test_another_source_is_asked_all_questions_and_its_answers_are_always_there(
    base: Path, tmp_path: Path
) -> None:
    rows = tiny_rows()
    rows.append({**rows[0], "positive": "A second answer is in the old house."})
    write_source(tmp_path / "others", rows)
    collection = judged_source(tmp_path, "others", tiny_config(base), questions=1000, pool=1)
    answers = {
        (collection.queries[query], collection.passages[passage])
        for query, found in collection.judgements.items()
        for passage in found
    }
    assert answers == {(row["query"], row["positive"]) for row in rows}


def test_a_pool_is_filled_up_with_other_passages_and_is_the_same_each_time(
    base: Path, tmp_path: Path
) -> None:
    write_source(tmp_path / "others", tiny_rows())
    collection = judged_source(tmp_path, "others", tiny_config(base), questions=3, pool=7)
    assert len(collection.queries) == 3
    assert len(set(collection.passages.values())) == 7
    assert judged_source(tmp_path, "others", tiny_config(base), questions=3, pool=7) == collection
