"""Pairs joined and cut from the ids of their texts are those that the tokenizer itself makes."""

import random

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.tokens.beginnings import head, where_to_cut
from rerank_plugins.tokens.frame import Frame
from rerank_plugins.tokens.padding import pad
from rerank_plugins.tokens.pairs import PairTokenizer, PairTokens, kept_lengths
from tests.tiny_models import WORDS, tiny_roberta_tokenizer, tiny_tokenizer
from tests.trained_tokenizers import KINDS, across_words, random_words

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
    serialized: str, pairs: list[tuple[str, str]], max_length: int, direction: str
) -> list[tuple[list[int], list[int], bool]]:
    tokenizer = Tokenizer.from_str(serialized)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first", direction=direction)
    return [
        (encoding.ids, encoding.type_ids, bool(encoding.overflowing))
        for encoding in tokenizer.encode_batch(pairs)
    ]


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("max_length", [8, 13, 32, 512])
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_joined_pairs_are_the_tokenizers_own(kind: str, max_length: int, direction: str) -> None:
    serialized, pairs = TOKENIZERS[kind](), random_pairs(150)
    from_left = direction == "left"
    tokens = PairTokenizer(serialized, max_length=max_length, from_left=from_left).encode(pairs)
    assert [
        (pair.input_ids.tolist(), pair.type_ids.tolist(), pair.truncated) for pair in tokens
    ] == by_the_tokenizer(serialized, pairs, max_length, direction)


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
    pairs = [("a a", "b"), ("a", "b " * 20 + "a")]
    for from_left, end in ((False, 2), (True, 1)):
        tokens = PairTokenizer(serialized, max_length=8, from_left=from_left).encode(pairs)
        assert [(pair.input_ids.tolist(), pair.truncated) for pair in tokens] == [
            ([2, 1, 1], False),
            ([2, 2, 2, 2, 2, 2, end, 1], True),
        ]


@pytest.mark.parametrize(
    ("query", "passage", "kept"),
    [(3, 4, (3, 4)), (2, 30, (2, 8)), (30, 2, (8, 2)), (30, 31, (5, 5)), (9, 9, (5, 5))],
)
def test_the_longer_text_is_cut_first(query: int, passage: int, kept: tuple[int, int]) -> None:
    assert kept_lengths(query, passage, room=10) == kept


BETWEEN = [
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    ", ",
    ". ",
    "-",
    " \u0308",
    "\u0600 ",
    "\x1f",
    "\u3000",
]
BETWEEN += [" <mask> ", "[SEP] ", "▁", "\u00a0", "\u200b", " \x00", "'s "]


def long_texts(count: int, seed: int) -> list[str]:
    """Texts longer than a pair: words, long words, several scripts, all kinds of white space."""
    choice = random.Random(seed)

    def text() -> str:
        words = random_words(choice, choice.choice([5, 60, 300]))
        if choice.random() < 0.2:
            words[choice.randrange(len(words))] = "".join(random_words(choice, 80))
        between = choice.choice([BETWEEN, BETWEEN[:3], BETWEEN[4:5], ["|"], [""]])
        return "".join(word + choice.choice(between) for word in words)

    return [text() for _ in range(count)]


def made(tokenizer: PairTokenizer, pairs: list[tuple[str, str]]) -> list[tuple[object, ...]]:
    return [
        (pair.input_ids.tolist(), pair.type_ids.tolist(), pair.truncated)
        for pair in tokenizer.encode(pairs)
    ]


def reading_all(serialized: str, max_length: int) -> PairTokenizer:
    """One that reads every text to its end; the tokenizer's own cutting takes minutes for these."""
    tokenizer = PairTokenizer(serialized, max_length=max_length)
    tokenizer._cut = None
    return tokenizer


@pytest.mark.parametrize("max_length", [8, 9, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_long_texts_read_in_part_give_the_pairs_of_whole_ones(kind: str, max_length: int) -> None:
    serialized = KINDS[kind]().to_str()
    texts = long_texts(120, max_length)
    short_queries = [("sea", text) for text in texts[60:]]
    pairs = [*zip(texts[:60], texts[60:], strict=True), *short_queries]
    pairs += [(text, text) for text in texts[:5]] + [(text, f"{text} sea") for text in texts[:5]]
    tokenizer = PairTokenizer(serialized, max_length=max_length)
    all_read = reading_all(serialized, max_length)
    assert made(tokenizer, short_queries) == made(all_read, short_queries)
    assert sum(not text.whole for text in tokenizer._passages.values()) > 10
    assert made(tokenizer, pairs) == made(all_read, pairs)  # for long queries some are read on


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_of_a_head_are_the_first_of_the_texts(kind: str) -> None:
    tokenizer = KINDS[kind]()
    where, choice = where_to_cut(tokenizer), random.Random(3)
    cut = 0
    for text in long_texts(300, 11):
        part = head(text, choice.randint(0, len(text)), where)
        cut += part not in ("", text)
        assert text.startswith(part)
        ids, wanted = (tokenizer.encode(t, add_special_tokens=False).ids for t in (part, text))
        assert ids == wanted[: len(ids)], (part, text)
    assert cut > 100


def test_no_more_of_a_long_text_is_read_than_a_pair_needs() -> None:
    tokenizer = PairTokenizer(KINDS["WordPiece"]().to_str(), max_length=16)
    given: list[int] = []
    encode = tokenizer._encodings
    tokenizer._encodings = lambda inputs, **options: (
        given.extend(len(text) for texts in inputs for text in texts),
        encode(inputs, **options),
    )[1]
    long = "a\nblue\nfish\n" * 100_000
    assert all(
        pair.truncated for pair in tokenizer.encode([("red sea", long), (long, "red " * 50)])
    )
    assert max(given) < 1000


def test_a_query_longer_than_a_pair_is_read_once_for_all_long_passages() -> None:
    tokenizer = PairTokenizer(KINDS["WordPiece"]().to_str(), max_length=16)
    assert tokenizer._room % 2  # one token more is left of the longer text, whichever that is
    given: list[str] = []
    encode = tokenizer._encodings
    tokenizer._encodings = lambda inputs, **options: (
        given.extend(text for texts in inputs for text in texts),
        encode(inputs, **options),
    )[1]
    query = "red sea " * 100
    pairs = [(query, f"dog {'blue fish ' * (80 + number)}") for number in range(40)]
    first = made(tokenizer, pairs)
    assert sum(text.startswith("red") for text in given) < 10
    given.clear()
    assert made(tokenizer, pairs) == first
    assert not any(text.startswith("dog") for text in given)
    assert tokenizer._now_kept == sum(text.size for text in tokenizer._passages.values())


def test_tokenizers_whose_tokens_may_cross_white_space_are_given_the_whole_text() -> None:
    crossing = KINDS["WordPiece"]()
    crossing.add_tokens(["red fox"])
    by_pattern = KINDS["byte-level BPE"]()
    by_pattern.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\w+ \w+|."), "isolated"),
            pre_tokenizers.ByteLevel(use_regex=False),
        ]
    )
    replacing = KINDS["WordPiece"]()
    replacing.normalizer = normalizers.Replace(" ", "_")
    for tokenizer in (across_words(), crossing, by_pattern, replacing):
        assert where_to_cut(tokenizer) is None


def test_passages_of_other_scripts_met_again_are_counted_once() -> None:
    tokenizer = PairTokenizer(TOKENIZERS["bert"](), max_length=64)
    for _ in range(50):  # a new string each time, without the UTF-8 form that the last one has
        tokenizer.encode([("sea", "".join(["狐狸", " мор" * 20]))])
    (kept,) = tokenizer._passages.values()
    assert tokenizer._now_kept == kept.size


def test_passages_are_still_kept_after_one_that_could_not_be_tokenized() -> None:
    tokenizer = PairTokenizer(TOKENIZERS["bert"](), max_length=64)
    tokenizer.encode([("sea", "dog")])
    with pytest.raises(TypeError):
        tokenizer.encode([("sea", "dog"), ("sea", 7)])
    assert list(tokenizer._passages) == ["dog"]
    assert tokenizer._now_kept == tokenizer._passages["dog"].size


@pytest.mark.parametrize(("limit", "width"), [(None, 16), (512, 16), (15, 15), (13, 13)])
def test_batches_are_padded_to_a_multiple_within_what_the_model_reads(
    limit: int | None, width: int
) -> None:
    pairs = [
        PairTokens(np.arange(1, n + 1), np.ones(n, np.int32), truncated=False) for n in (13, 9)
    ]
    tokens = pad(pairs, 77, multiple=8, limit=limit)
    assert tokens.attention_mask.tolist() == [[1] * n + [0] * (width - n) for n in (13, 9)]
    assert tokens.token_type_ids.tolist() == tokens.attention_mask.tolist()
    assert tokens.input_ids[1].tolist() == [*range(1, 10), *[77] * (width - 9)]
