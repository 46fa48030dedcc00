"""Models are called by names that a reader can tell apart."""

from pathlib import Path

import pytest

from rerank_plugins.messages.names import model_names


def folders(place: Path, *names: str) -> list[str]:
    for name in names:
        (place / name).mkdir(parents=True)
    return [str(place / name) for name in names]


@pytest.mark.parametrize(
    ("references", "names"),
    [
        (["org/small", "embedded"], ["small", "embedded"]),
        (["org/model"], ["org/model"]),
        (["a/small", "b/small", "c"], ["a/small", "b/small", "c"]),
        (["final"], ["final"]),
    ],
)
def test_hub_ids_have_their_last_part_and_more_where_it_tells_nothing(
    references: list[str], names: list[str]
) -> None:
    assert list(model_names(references).values()) == names


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (["run/model"], ["run/model"]),
        (["run/checkpoint-100", "run/final"], ["run/checkpoint-100", "run/final"]),
        (["a/model", "b/model"], ["a/model", "b/model"]),
        (["a/one/model", "b/one/model"], ["a/one/model", "b/one/model"]),
        (["a/mine", "b/mine", "b/other"], ["a/mine", "b/mine", "other"]),
    ],
)
def test_folders_have_as_many_parts_of_their_path_as_tell_them_apart(
    tmp_path: Path, places: list[str], names: list[str]
) -> None:
    assert list(model_names(folders(tmp_path, *places)).values()) == names


@pytest.mark.parametrize("typed", ["model", "./model", "../run/model"])
def test_a_folder_has_the_same_name_however_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    folders(tmp_path, "run/model")
    monkeypatch.chdir(tmp_path / "run")
    assert model_names([typed]) == {typed: "run/model"}


def test_one_folder_typed_in_two_ways_is_called_as_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders(tmp_path, "mine")
    monkeypatch.chdir(tmp_path)
    assert model_names(["mine", "./mine"]) == {"mine": "mine", "./mine": "./mine"}
