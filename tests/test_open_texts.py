"""Open collections turned into sources, on small files of the collections' own forms."""

from pathlib import Path

import pytest

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.training.open_texts import debian_pairs, main, wordnet_pairs
from rerank_plugins.training.pairs import Pair, read_pairs

NOUNS = """  1 This is the licence, which every file begins with.
00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that which has its own existence
00002098 03 n 02 sea_dog 0 jack_tar 1 001 @ 00001740 n 0000 | a man who serves as a sailor; "the \
sea dog told tales"
"""
ADJECTIVES = """00001740 00 a 01 able(p) 0 001 = 05200169 n 0000 | having the means to do \
something; "able to swim"; "was able to sell"
"""
DESCRIPTIONS = """Package: one
Description-md5: 0
Description-en: Game of ancient warfare (data files)
 A game in which armies of old meet on land and sea,
 for one player or several.
 .
 This package contains the data files that the game needs.

Package: two
Description-md5: 1
Description-en: Game of ancient warfare
 A game in which armies of old meet on land and sea,
 for one player or several.
 .
 It has maps of every coast of the old world.
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    for part, text in {"noun": NOUNS, "verb": "", "adj": ADJECTIVES, "adv": ""}.items():
        (tmp_path / f"data.{part}").write_text(text, encoding="latin-1")
    return tmp_path


def test_wordnet_gives_a_pair_a_meaning(wordnet: Path) -> None:
    assert list(wordnet_pairs(wordnet)) == [
        Pair("entity", "that which has its own existence"),
        Pair("sea dog", "sea dog: a man who serves as a sailor"),
        Pair("able", "able - having the means to do something"),
    ]


def test_a_missing_part_of_wordnet_is_an_error(wordnet: Path) -> None:
    (wordnet / "data.verb").unlink()
    with pytest.raises(InvalidInputError, match="wordnet-base"):
        list(wordnet_pairs(wordnet))


def test_debian_gives_each_paragraph_once_and_no_boilerplate(tmp_path: Path) -> None:
    path = tmp_path / "Translation-en"
    path.write_text(DESCRIPTIONS)
    game = "A game in which armies of old meet on land and sea, for one player or several."
    assert list(debian_pairs(path)) == [
        Pair("Game of ancient warfare", game),
        Pair("Game of ancient warfare", "It has maps of every coast of the old world."),
    ]


def test_a_file_that_is_no_list_of_descriptions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="Translation-en, unpacked"):
        list(debian_pairs(tmp_path / "none"))
    (tmp_path / "other").write_text("Package: one\n")
    with pytest.raises(InvalidInputError, match="no Description-en"):
        list(debian_pairs(tmp_path / "other"))


def test_the_command_writes_a_source_that_a_recipe_reads(
    wordnet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["wordnet", str(wordnet), str(tmp_path / "data" / "wordnet")])
    assert capsys.readouterr().out.startswith("3 pairs in ")
    assert read_pairs(tmp_path / "data", "wordnet") == list(wordnet_pairs(wordnet))


@pytest.mark.parametrize("arguments", [[], ["wordnet"], ["dictionary", "a", "b"]])
def test_a_command_that_is_not_understood_says_what_to_type(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"wordnet\|debian FROM TO_FOLDER"):
        main(arguments)


def test_a_command_on_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unpacked"):
        main(["debian", str(tmp_path / "none"), str(tmp_path / "out")])
