"""Tokenizers of the kinds that cross-encoders come with, trained on a few sentences each."""

import random
from collections.abc import Callable

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tests.tiny_models import WORDS

SYLLABLES = (
    "ba ke li mo nu ra se ti vo zu ä é œ ñ ж да ми शब द 中 文 字 東 京 が ー ﬁ İ Σ ς".split()
)


def random_words(choice: random.Random, count: int) -> list[str]:
    """Words of a vocabulary, and of syllables of several scripts that are in none."""
    made = ("".join(choice.choices(SYLLABLES, k=choice.randint(1, 6))) for _ in range(count))
    return [choice.choice([word, *choice.choices(WORDS, k=2)]) for word in made]


def word_piece() -> Tokenizer:
    """As BERT's, uncased."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _trained(tokenizer, trainers.WordPieceTrainer, "[CLS]", "[PAD]", "[SEP]", "[UNK]")


def byte_level() -> Tokenizer:
    """As RoBERTa's, whose `<mask>` takes the white space before it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = _trained(tokenizer, trainers.BpeTrainer, "<s>", "<pad>", "</s>", "<unk>")
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return tokenizer


def sentence_piece() -> Tokenizer:
    """As XLM-RoBERTa's, with its rules in place of the table that SentencePiece makes of them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), "▁"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return _trained(tokenizer, trainers.UnigramTrainer, "<s>", "<pad>", "</s>", "<unk>")


def sentence_piece_of_words() -> Tokenizer:
    """The same as transformers 5 writes it: split at all white space first."""
    tokenizer = sentence_piece()
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    return tokenizer


def across_words() -> Tokenizer:
    """As Llama's: its tokens may hold blanks."""
    tokenizer = sentence_piece()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    return _trained(tokenizer, trainers.UnigramTrainer, "<s>", "<pad>", "</s>", "<unk>")


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "WordPiece": word_piece,
    "byte-level BPE": byte_level,
    "SentencePiece": sentence_piece,
    "SentencePiece of words": sentence_piece_of_words,
}


def _trained(tokenizer: Tokenizer, trainer: type, *special: str) -> Tokenizer:
    start, _, end, unknown = special
    choice = random.Random(5)
    sentences = [" ".join(random_words(choice, 12)) for _ in range(300)]
    options = {"unk_token": unknown} if trainer is trainers.UnigramTrainer else {}
    tokenizer.train_from_iterator(
        sentences,
        trainer(vocab_size=400, special_tokens=list(special), show_progress=False, **options),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)],
    )
    return tokenizer
