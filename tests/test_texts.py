"""Headers of passages, and the places of sentences."""

import copy
import pickle
import random

import pytest
from sentencex import segment

from rerank_plugins import CrossEncoderScorer, Passage
from rerank_plugins.texts.sentences import sentence_spans
from tests.pages import PAGES


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def test_a_passage_is_the_string_of_header_and_text() -> None:
    passage = Passage("It opens at nine.", header="Museum\n")
    assert passage == "Museum\nIt opens at nine."
    assert hash(passage) == hash("Museum\nIt opens at nine.")
    assert (passage.header, passage.text) == ("Museum\n", "It opens at nine.")
    assert Passage("alone").header == ""
    assert Passage("alone").text == "alone"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_passage_that_was_pickled_keeps_its_header(protocol: int) -> None:
    read = pickle.loads(pickle.dumps(Passage("text", header="header "), protocol=protocol))
    assert (type(read), read, read.header) == (Passage, "header text", "header ")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_passage_keeps_its_header(copied: type[Passage]) -> None:
    passage = copied(Passage("text", header="header "))
    assert (passage, passage.header, passage.text) == ("header text", "header ", "text")


def test_a_passage_is_scored_like_its_string(tiny_model: str) -> None:
    with CrossEncoderScorer(tiny_model) as scorer:
        passages = ["Museum\nIt opens at nine.", Passage("It opens at nine.", header="Museum\n")]
        first, second = scorer.score("When does the museum open?", passages)
    assert first == second


def test_sentences_are_found_without_the_white_space_around_them() -> None:
    text = "  Dr. Smith left in 2020.\nHe came back, e.g. for work! \n\n“Really?” she asked. Yes "
    assert sentences(text) == [
        "Dr. Smith left in 2020.",
        "He came back, e.g. for work!",
        "“Really?” she asked.",
        "Yes",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("東京は日本の首都です。人口は多い。そうですか。はい", 4),
        ("这是第一句。这是第二句。", 2),
        ("यह एक वाक्य है। दूसरा वाक्य।", 2),
        ("هذا سؤال؟ نعم.", 2),
        ("Это первое. Это второе?", 2),
        ("Happy 😀 start. Then 🎉 more.", 2),
        ("- a list\n- with items\n\nA heading\n\nA line", 4),
    ],
)
def test_sentences_of_any_script_are_found(text: str, found: int) -> None:
    assert len(sentences(text)) == found
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_a_text_without_an_end_of_a_sentence_is_one() -> None:
    text = "word " * 5_000
    assert list(sentence_spans(text)) == [(0, len(text) - 1)]


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\n" * 30_001])
def test_white_space_has_no_sentences(text: str) -> None:
    assert list(sentence_spans(text)) == []


@pytest.mark.parametrize("space", ["\xa0", "\u2009", "\u202f", "\u2028", "\u3000", "\x85"])
def test_a_space_of_several_bytes_before_a_point_is_read(space: str) -> None:
    first = f"Carrots contain vitamin A{space}."
    assert sentences(f"{first} It helps the eyes.") == [first, "It helps the eyes."]


def test_sentences_of_any_characters_are_found() -> None:
    choice = random.Random(3)
    parts = ["A", "b ", ".", ". ", "?", "\xa0", "\u2009", "\u3000", "é", "Dr.", "\n\n", "😀", "3.5"]
    for _ in range(3_000):
        text = "".join(choice.choices(parts, k=choice.randint(2, 12)))
        assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_half_a_surrogate_pair_moves_no_place() -> None:
    assert sentences("Broken \ud83d here. And \udc00 there.") == [
        "Broken \ud83d here.",
        "And \udc00 there.",
    ]


def test_a_long_text_has_the_sentences_of_its_parts() -> None:
    choice = random.Random(5)
    paragraphs = [
        " ".join(
            " ".join(choice.choices(["cat", "Über", "e.g.", "犬", "3.5"], k=choice.randint(2, 40)))
            + choice.choice([". So", "!", "?", ". Then"])
            for _ in range(choice.randint(1, 30))
        )
        for _ in range(60)
    ]
    expected = [s.strip() for p in paragraphs for s in segment("en", p)]
    assert sentences("\n\n".join(paragraphs)) == expected


def test_sentences_of_pages_are_the_librarys_whatever_is_given_to_it_at_once() -> None:
    expected, same = 0, 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        whole = {sentence.strip() for sentence in segment("en", text)} - {""}
        expected, same = expected + len(whole), same + len(whole & set(sentences(text)))
    assert same >= 0.99 * expected
