"""Open collections turned into sources, on small files of the collections' own forms."""

import gzip
from pathlib import Path

import pytest

from embedded_model.sources.open_dictionaries import dictionary_pairs
from embedded_model.sources.open_manuals import manual_pairs
from embedded_model.sources.open_texts import debian_pairs, main, wordnet_pairs
from embedded_model.sources.pairs import Pair, read_pairs
from rerank_plugins.errors import InvalidInputError

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


@pytest.mark.parametrize("arguments", [[], ["wordnet"], ["encyclopedia", "a", "b"]])
def test_a_command_that_is_not_understood_says_what_to_type(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"wordnet\|debian\|dictionary\|manual FROM TO_FOLDER"):
        main(arguments)


def test_a_command_on_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unpacked"):
        main(["debian", str(tmp_path / "none"), str(tmp_path / "out")])


ENTRIES = {
    "00-database-info": "00-database-info\n   A dictionary of a few English words, for tests.\n",
    "bank": """Bank \\Bank\\ (b[a^][ng]k), n. [OE. banke; cf. Icel. bakki. See {Bench}.]
   1. A mound of earth, raised above the surrounding level; as,
      a bank of snow.
      [1913 Webster]

   2. (A["e]ronautics) The incline of an a["e]roplane; as, a bank of 45[deg].
      [PJC] Banker
""",
    "cash": "Cash \\Cash\\, v. t.\n   See {Money}, and {Ready money}. [Obs.]\n",
    "clam": "Clam\n   A shell.\n",
    "actors": """Actors

   <theory> A model for {concurrency}, by {Carl Hewitt}, in which autonomous
   objects execute at once. {(http://example.org/)}.

   ["Actors", C. Hewitt, 1977].

   (1994-11-08)
""",
}
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def base64(number: int) -> str:
    return (base64(number // 64) if number >= 64 else "") + DIGITS[number % 64]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    lines, text = [], ""
    for word, entry in ENTRIES.items():
        lines.append(f"{word}\t{base64(len(text))}\t{base64(len(entry))}")
        if word == "bank":
            lines.append(f"sandbank\t{base64(len(text))}\t{base64(len(entry))}")
        text += entry
    (tmp_path / "small.index").write_text("\n".join(lines) + "\n")
    (tmp_path / "small.dict.dz").write_bytes(gzip.compress(text.encode()))
    return tmp_path / "small"


def test_a_dictionary_gives_a_pair_an_entry_without_its_marks(database: Path) -> None:
    bank = (
        "1. A mound of earth, raised above the surrounding level; as, a bank of snow. "
        "2. (Aeronautics) The incline of an aeroplane; as, a bank of 45 degrees."
    )
    actors = "A model for concurrency, by Carl Hewitt, in which autonomous objects execute at once."
    assert list(dictionary_pairs(database)) == [
        Pair("Bank", bank),
        Pair("Actors", f"Actors: {actors}"),
    ]


def test_a_dictionary_may_be_unpacked(database: Path) -> None:
    pairs = list(dictionary_pairs(database))
    packed = database.with_name("small.dict.dz")
    database.with_name("small.dict").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert list(dictionary_pairs(database)) == pairs


def test_a_dictionary_of_another_form_is_an_error(database: Path) -> None:
    with pytest.raises(InvalidInputError, match="package dict-gcide"):
        list(dictionary_pairs(database.with_name("none")))
    packed, index = database.with_name("small.dict.dz"), database.with_name("small.index")
    packed.write_bytes(b"not packed")
    with pytest.raises(InvalidInputError, match="is a gzip file"):
        list(dictionary_pairs(database))
    packed.write_bytes(gzip.compress(b"Clam\n A shell."))
    index.write_text("clam\tA\tP\n")
    with pytest.raises(InvalidInputError, match="holds no definition"):
        list(dictionary_pairs(database))
    index.write_text("clam\tA\t-\n")
    with pytest.raises(InvalidInputError, match="no dictd index: 'clam"):
        list(dictionary_pairs(database))
    packed.unlink()
    with pytest.raises(InvalidInputError, match=r"no file .*small\.dict\.dz"):
        list(dictionary_pairs(database))


LOANS = (
    "A loan is money that a bank lends to a customer for a time, and that the customer pays back "
    "with interest, in parts that the contract lists."
)
RATES = "The rate of a loan says how much of it is due in a year, on top of what was lent."
PAGE = f"""<html><head><title>Loans - The Book of Banks</title><style>p {{}}</style></head><body>
<nav><p>This is the menu of the book, and it is on each of the pages.</p></nav>
<h1>1.2. Loans<a class="headerlink" href="#x">#</a></h1>
<p>{LOANS.replace("bank", "<b>bank</b>")}
<p><a href="a">The list of all the pages in the book</a> and <a href="b">of the tables in it</a>
<pre>for each loan in the list of loans: print the rate</pre>
<h2><a class="toc-backref" href="#r">Rates</a></h2>
<div class="programlisting"><div>if the rate is in the list</div> then print it to the page</div>
<ul><li>{RATES}<li>{RATES}</ul>
<h2>See also</h2><p>{LOANS.replace("loan", "mortgage")}</p>
</body></html>"""


def test_a_manual_gives_a_pair_a_passage_of_a_section(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "loans.html").write_text(PAGE)
    (tmp_path / "other.htm").write_bytes(
        f"<h2>Loans in the caf\xe9</h2><p>{LOANS}</p><p>{LOANS.upper()}</p>".encode("latin-1")
    )
    (tmp_path / "genindex.html").write_text(PAGE.replace("loan", "index"))
    (tmp_path / "gpl-3.html").write_text(
        f"<title>GNU General Public License - Loans</title><h1>Terms of it</h1>{LOANS}{LOANS}"
    )
    (tmp_path / "gone.html").symlink_to("nowhere")
    assert list(manual_pairs(tmp_path)) == [
        Pair("Loans", LOANS),
        Pair("Loans: Rates", RATES),
        Pair("Loans in the caf\xe9", LOANS.upper()),
    ]


def test_a_long_section_is_cut_into_a_few_passages(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {number} of the text. {LOANS} {RATES}" for number in range(30)]
    text = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    (tmp_path / "page.html").write_text(f"<title>Of loans</title>{text}<p>{'of loans ' * 200}</p>")
    pairs = list(manual_pairs(tmp_path))
    assert [pair.query for pair in pairs] == ["Of loans"] * 3
    assert pairs[0].passage == paragraphs[0]
    (tmp_path / "page.html").write_text(f"<title>Of loans</title><p>{'of loans ' * 200}</p>")
    assert [len(pair.passage.split()) for pair in manual_pairs(tmp_path)] == [180]


def test_a_folder_that_is_no_manual_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no folder"):
        list(manual_pairs(tmp_path / "none"))
    (tmp_path / "page.html").write_text("<p>Ein Kredit ist Geld, das eine Bank verleiht.</p>")
    with pytest.raises(InvalidInputError, match="no HTML page with English text"):
        list(manual_pairs(tmp_path))
