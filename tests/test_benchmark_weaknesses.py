"""The benchmark of weaknesses: the texts that it makes."""

from benchmarks.weaknesses import buried, code_of


def test_a_sentence_stands_in_the_middle_of_a_passage_about_something_else() -> None:
    passage = "Bees dance. Tea is a leaf. Ice floats. Iron rusts."
    assert buried("Owls hunt.", passage) == (
        "Bees dance. Tea is a leaf. Owls hunt. Ice floats. Iron rusts."
    )


def test_code_has_every_word_of_the_query() -> None:
    code = code_of("who made tea?")
    assert code.splitlines()[0] == "def who_made_tea(who, made, tea):"
