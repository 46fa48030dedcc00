"""Pairs joined and cut from the ids of their texts are those that the tokenizer itself makes."""

import random

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from rerank_plugins._frame import Frame
from rerank_plugins._model import EMBEDDED_FOLDER
from rerank_plugins._pairs import PairTokenizer, longest_first
from tests.tiny_models import WORDS, tiny_roberta_tokenizer, tiny_tokenizer

TOKENIZERS = {
    "bert": lambda: tiny_tokenizer().backend_tokenizer.to_str(),
    "roberta": lambda: tiny_roberta_tokenizer().backend_tokenizer.to_str(),
    "embedded": lambda: (EMBEDDED_FOLDER / "tokenizer.json").read_text(encoding="utf-8"),
}
ODD = [
    "",
    " ",
    "Füchse & 狐狸",
    "https://example.org/a?b=c",
    "word" * 200,
    "\x00",
    "[SEP] [CLS] <s>",
]


def random_pairs(count: int) -> list[tuple[str, str]]:
    choice = random.Random(7)

    def text(most: int) -> str:
        return " ".join(choice.choices(WORDS, k=choice.randint(0, most)))

    pairs = [(text(choice.choice([4, 40])), text(choice.choice([4, 40]))) for _ in range(count)]
    return pairs + [(first, second) for first in ODD for second in ODD]


def by_the_tokenizer(
    serialized: str, pairs: list[tuple[str, str]], max_length: int
) -> list[tuple[list[int], list[int], bool]]:
    tokenizer = Tokenizer.from_str(serialized)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    return [
        (encoding.ids, encoding.type_ids, bool(encoding.overflowing))
        for encoding in tokenizer.encode_batch(pairs)
    ]


@pytest.mark.parametrize("max_length", [8, 13, 32, 512])
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_joined_pairs_are_the_tokenizers_own(kind: str, max_length: int) -> None:
    serialized, pairs = TOKENIZERS[kind](), random_pairs(150)
    tokens = PairTokenizer(serialized, max_length=max_length).encode(pairs)
    assert [
        (pair.input_ids.tolist(), pair.type_ids.tolist(), pair.truncated) for pair in tokens
    ] == by_the_tokenizer(serialized, pairs, max_length)


def test_passages_that_were_met_before_give_the_same_pairs() -> None:
    serialized, pairs = TOKENIZERS["embedded"](), random_pairs(60)
    tokenizer = PairTokenizer(serialized, max_length=24)
    first = tokenizer.encode(pairs)
    again = tokenizer.encode([(query, passage) for query, passage in pairs])
    assert [pair.input_ids.tolist() for pair in again] == [
        pair.input_ids.tolist() for pair in first
    ]


def test_long_texts_count_with_their_length() -> None:
    tokenizer = PairTokenizer(TOKENIZERS["bert"](), max_length=16, kept_bytes=100_000)
    for number in range(5):
        tokenizer.encode([("sea", f"{number} " + "dog " * 10_000)])
    assert [text[0] for text in tokenizer._passages] == ["3", "4"]


def test_no_more_is_kept_than_allowed_and_the_last_used_stay() -> None:
    tokenizer = PairTokenizer(TOKENIZERS["bert"](), max_length=64, kept_bytes=1000)
    passages = [" ".join([word] * 3) for word in WORDS[:5]]
    for passage in [*passages[:3], passages[0], *passages[3:]]:
        tokenizer.encode([("sea", passage)])
    assert set(tokenizer._passages) == {passages[0], passages[3], passages[4]}


def test_a_passage_longer_than_a_pair_is_kept_as_far_as_a_pair_can_hold_it() -> None:
    tokenizer = PairTokenizer(TOKENIZERS["bert"](), max_length=16)
    for _ in range(2):
        tokenizer.encode([("sea", "dog " * 5000)])
    assert [len(text.ids) for text in tokenizer._passages.values()] == [16]


def test_a_tokenizer_without_a_fixed_frame_makes_its_pairs_itself() -> None:
    class_of_words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    class_of_words.pre_tokenizer = pre_tokenizers.Whitespace()
    # The passage comes first: texts joined in their order would be another pair.
    class_of_words.post_processor = processors.TemplateProcessing(
        single="$A", pair="$B $A", special_tokens=[]
    )
    assert Frame.of(class_of_words) is None
    serialized = class_of_words.to_str()
    tokens = PairTokenizer(serialized, max_length=8).encode([("a a", "b"), ("a", "b " * 20)])
    assert [(pair.input_ids.tolist(), pair.truncated) for pair in tokens] == [
        ([2, 1, 1], False),
        ([2, 2, 2, 2, 2, 2, 2, 1], True),
    ]


@pytest.mark.parametrize(
    ("query", "passage", "kept"),
    [(3, 4, (3, 4)), (2, 30, (2, 8)), (30, 2, (8, 2)), (30, 31, (5, 5)), (9, 9, (5, 5))],
)
def test_the_longer_text_is_cut_first(query: int, passage: int, kept: tuple[int, int]) -> None:
    assert longest_first(query, passage, room=10) == kept
