"""The classes of tokenizers that transformers makes anew, whatever tokenizer.json says of them.

For these, transformers 5 takes from tokenizer.json the vocabulary, and how texts are cut; all else
follows from the class and from tokenizer_config.json. If tokenizer.json lower-cases and
tokenizer_config.json does not, the tokenizer does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from rerank_plugins.backends.folders.added_tokens import ROLES, Token

Options: TypeAlias = Mapping[str, Any]
"""tokenizer_config.json."""

Roles: TypeAlias = Mapping[str, Token | None]
"""The special token of each role."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the classes read of tokenizer.json.

    Attributes:
        tokens: Ids by token, or, of a SentencePiece model, pairs of piece and score.
        merges: The merges of a byte-pair encoding.
        normalizer: The rules that SentencePiece compiled into the model.
    """

    tokens: Any
    merges: list[tuple[str, str]] = field(default_factory=list)
    normalizer: bytes | None = None


@dataclass(frozen=True, slots=True)
class TokenizerClass:
    """How transformers makes the tokenizers of a class.

    Attributes:
        make: Makes one without special tokens.
        frame: The special tokens around a pair, once they are added.
        roles: The special tokens of its roles unless the files name others.
        forms: How tokens of some roles meet the text around them, if the files only name them.
        extra: Special tokens without a role, likewise.
        types: Whether the model is given the types of the tokens.
        files: The files of its vocabulary in a folder without tokenizer.json; empty if it was a
            SentencePiece model.
    """

    make: Callable[[Vocabulary, Options, Roles], Tokenizer]
    frame: Callable[[Tokenizer, Options, Roles], processors.PostProcessor]
    roles: Mapping[str, str]
    forms: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    types: bool = False
    files: tuple[str, ...] = ()

    def roles_of(self, named: Roles) -> dict[str, Token | None]:
        """The special token of each role if the files name these."""
        roles = {**self.roles, **named}
        return {
            role: AddedToken(token, **self.forms[role])
            if isinstance(token, str) and role in self.forms
            else token
            for role, token in roles.items()
        }


def _word_pieces(vocabulary: Vocabulary, options: Options, roles: Roles) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary.tokens, unk_token=str(roles["unk_token"])))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=options.get("tokenize_chinese_chars", True),
        strip_accents=options.get("strip_accents"),
        lowercase=options.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _bytes(vocabulary: Vocabulary, options: Options, roles: Roles) -> Tokenizer:
    tokenizer = Tokenizer(
        models.BPE(
            vocabulary.tokens,
            vocabulary.merges,
            continuing_subword_prefix="",
            end_of_word_suffix="",
            fuse_unk=False,
        )
    )
    prefix = options.get("add_prefix_space", False)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    return tokenizer


def _words_of_pieces(vocabulary: Vocabulary, options: Options, unknown: int) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(vocabulary.tokens, unk_id=unknown, byte_fallback=False))
    if vocabulary.normalizer is not None:
        tokenizer.normalizer = normalizers.Precompiled(vocabulary.normalizer)
    scheme = "always" if options.get("add_prefix_space", True) else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme),
        ]
    )
    return tokenizer


def _xlm_roberta(vocabulary: Vocabulary, options: Options, roles: Roles) -> Tokenizer:
    return _words_of_pieces(vocabulary, options, unknown=3)


def _camembert(vocabulary: Vocabulary, options: Options, roles: Roles) -> Tokenizer:
    pieces = [piece for piece, _ in vocabulary.tokens]
    unknown = str(roles["unk_token"])
    return _words_of_pieces(
        vocabulary, options, unknown=pieces.index(unknown) if unknown in pieces else 0
    )


def _deberta(vocabulary: Vocabulary, options: Options, roles: Roles) -> Tokenizer:
    unknown = (str(roles["unk_token"]), 0.0)
    index = options.get("unk_id", 1)
    if unknown in vocabulary.tokens:
        index = vocabulary.tokens.index(unknown)
    tokenizer = Tokenizer(models.Unigram(vocabulary.tokens, unk_id=index, byte_fallback=False))
    rules = [normalizers.Lowercase()] if options.get("do_lower_case", False) else []
    tokenizer.normalizer = normalizers.Sequence(
        [
            *rules,
            normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "),
            normalizers.NFC(),
            normalizers.Strip(left=False, right=True),
        ]
    )
    scheme = "always" if options.get("add_prefix_space", True) else "first"
    splits = (
        [pre_tokenizers.Punctuation("isolated")] if options.get("split_by_punct", False) else []
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)]
    )
    return tokenizer


def _typed_frame(tokenizer: Tokenizer, options: Options, roles: Roles) -> processors.PostProcessor:
    start, end = str(roles["cls_token"]), str(roles["sep_token"])
    single = f"{start}:0 $A:0 {end}:0"
    return _template(tokenizer, single, f"{single} $B:1 {end}:1", start, end)


def _untyped_frame(
    tokenizer: Tokenizer, options: Options, roles: Roles
) -> processors.PostProcessor:
    start, end = str(roles["bos_token"]), str(roles["eos_token"])
    single = f"{start} $A {end}"
    return _template(tokenizer, single, f"{single} {end} $B {end}", start, end)


def _template(
    tokenizer: Tokenizer, single: str, pair: str, *tokens: str
) -> processors.PostProcessor:
    return processors.TemplateProcessing(
        single=single,
        pair=pair,
        special_tokens=[_with_id(tokenizer, token) for token in tokens],
    )


def _roberta_frame(
    tokenizer: Tokenizer, options: Options, roles: Roles
) -> processors.PostProcessor:
    start, end = str(roles["cls_token"]), str(roles["sep_token"])
    return processors.RobertaProcessing(
        _with_id(tokenizer, end),
        _with_id(tokenizer, start),
        options.get("trim_offsets", True),
        options.get("add_prefix_space", False),
    )


def _mpnet_frame(tokenizer: Tokenizer, options: Options, roles: Roles) -> processors.PostProcessor:
    return _roberta_frame(tokenizer, {}, roles)


def _with_id(tokenizer: Tokenizer, token: str) -> tuple[str, int]:
    """A token that was added before, and its id."""
    number: Any = tokenizer.token_to_id(token)
    return token, number


_BERT_ROLES = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_ROBERTA_ROLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
_BERT = TokenizerClass(_word_pieces, _typed_frame, _BERT_ROLES, types=True, files=("vocab.txt",))

CLASSES = {
    "BertTokenizer": _BERT,
    "ElectraTokenizer": _BERT,
    "DistilBertTokenizer": TokenizerClass(
        _word_pieces, _typed_frame, _BERT_ROLES, files=("vocab.txt",)
    ),
    "MPNetTokenizer": TokenizerClass(
        _word_pieces,
        _mpnet_frame,
        {**_ROBERTA_ROLES, "unk_token": "[UNK]"},
        forms={**{role: {} for role in ROLES}, "mask_token": {"lstrip": True}},
        files=("vocab.txt",),
    ),
    "RobertaTokenizer": TokenizerClass(
        _bytes, _roberta_frame, _ROBERTA_ROLES, files=("vocab.json", "merges.txt")
    ),
    "XLMRobertaTokenizer": TokenizerClass(_xlm_roberta, _untyped_frame, _ROBERTA_ROLES),
    "CamembertTokenizer": TokenizerClass(
        _camembert,
        _untyped_frame,
        _ROBERTA_ROLES,
        forms={"mask_token": {"lstrip": True, "special": True}},
        extra=("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"),
    ),
    "DebertaV2Tokenizer": TokenizerClass(
        _deberta,
        _typed_frame,
        {**_BERT_ROLES, "bos_token": "[CLS]", "eos_token": "[SEP]"},
        types=True,
    ),
}
"""By the name of the class."""

OF_MODEL_TYPE = {
    "bert": "BertTokenizer",
    "camembert": "CamembertTokenizer",
    "deberta-v2": "DebertaV2Tokenizer",
    "distilbert": "BertTokenizer",
    "electra": "BertTokenizer",
    "mpnet": "MPNetTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}
"""The class of a model's tokenizer if no file names one, by the `model_type` of the model."""
