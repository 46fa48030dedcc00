"""A model's folder is described as the `CrossEncoder` that transformers loads from it.

The folders are saved by the libraries, and then changed as people and older versions change them.
"""

import base64
import json
import random
import re
import shutil
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertTokenizer,
    CamembertTokenizer,
    DebertaV2Tokenizer,
    DistilBertTokenizer,
    MPNetTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.choice import choose
from rerank_plugins.backends.cross_encoder import describe, takes_token_ids
from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.folders.description import describe_folder
from rerank_plugins.backends.folders.modules import read_modules
from rerank_plugins.backends.tables import check_ids
from rerank_plugins.errors import ModelError, UnsupportedOptionError
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.tokens.pairs import PairTokenizer
from tests.architectures import DESIGNS, SAVED
from tests.tiny_models import edit_json, fixed_seed, save_as_the_library_does
from tests.trained_tokenizers import byte_level, random_words, sentence_piece, word_piece

LIMIT = 48
"""Tokens that each of the models reads at most."""

SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": LIMIT,
    "pad_token_id": 1,
}
BEHIND_PADDING = {"max_position_embeddings": LIMIT + 2, "type_vocab_size": 1}
NAMED = {"cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


WITHOUT_TABLE = ("modernbert", "deberta-v2")
"""Types of models that have no table of positions."""


def pieces() -> dict[str, Any]:
    return {"vocab": json.loads(word_piece().to_str())["model"]["vocab"]}


def merged() -> dict[str, Any]:
    model = json.loads(byte_level().to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(merge) for merge in model["merges"]]}


def scored(*start: str) -> dict[str, Any]:
    found = [tuple(pair) for pair in json.loads(sentence_piece().to_str())["model"]["vocab"]]
    known = {piece for piece, _ in found}
    return {"vocab": [*((token, 0.0) for token in start if token not in known), *found]}


FAST = {"tokenizer_object": byte_level(), **NAMED}
TOKENIZERS: dict[str, tuple[dict[str, Any], type, dict[str, Any]]] = {
    "bert": ({"type_vocab_size": 2}, BertTokenizer, pieces()),
    "electra": ({"embedding_size": 8}, BertTokenizer, pieces()),
    "distilbert": (
        {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},
        DistilBertTokenizer,
        pieces(),
    ),
    "mpnet": ({"max_position_embeddings": LIMIT + 2}, MPNetTokenizer, pieces()),
    "roberta": (BEHIND_PADDING, RobertaTokenizer, merged()),
    "xlm-roberta": (BEHIND_PADDING, XLMRobertaTokenizer, scored()),
    "camembert": (BEHIND_PADDING, CamembertTokenizer, scored()),
    "deberta-v2": (
        {
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_biased_input": False,
            "share_att_key": True,
            "pos_att_type": "c2p",
        },
        DebertaV2Tokenizer,
        scored("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    ),
    "modernbert": ({}, PreTrainedTokenizerFast, FAST),
    "bert as saved": ({"type_vocab_size": 2}, PreTrainedTokenizerFast, FAST),
}
"""Configuration, tokenizer's class and its arguments, by the model's type."""


Saved = Callable[[str, Path], Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Copies a folder that the library saved."""
    made = tmp_path_factory.mktemp("saved")

    def copy(name: str, folder: Path) -> Path:
        if not (made / name).exists():
            save(name, made / name)
        return Path(shutil.copytree(made / name, folder))

    return copy


def save(name: str, folder: Path, **options: Any) -> Path:
    values, kind, arguments = TOKENIZERS[name]
    tokenizer = kind(**arguments, model_max_length=LIMIT, **options)
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(
        name.partition(" ")[0], **{**SHAPE, "vocab_size": len(tokenizer), "num_labels": 1, **values}
    )
    with fixed_seed():
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


@cache
def pairs() -> list[tuple[str, str]]:
    """Pairs of words in several scripts, of all lengths, with special tokens and odd blanks."""
    choice = random.Random(3)
    texts = [" ".join(random_words(choice, choice.randint(0, 30))) for _ in range(60)]
    texts += ["THE Fox, the dog!", "É e\u0301 İ", "the\u2003fox \n\t dog", "a[MASK]b <mask> c</s>"]
    return [(choice.choice(texts), text) for text in texts]


def assert_described(folder: Path) -> ModelDescription | None:
    """Compares the folder's description with that of the loaded model, and tokens of pairs."""
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    assert takes_token_ids(model) or len(model) > 1
    try:
        check_ids(model, "it")
    except ModelError as error:
        with pytest.raises(ModelError, match=re.escape(str(error))):
            describe_folder(folder, "it")
        return None
    model.tokenizer.backend_tokenizer.no_padding()
    model.tokenizer.backend_tokenizer.no_truncation()
    ours, theirs = describe_folder(folder, "it"), describe(model)
    assert ours.settings() == theirs.settings()
    assert parts(ours) == parts(theirs)
    tokenizer = PairTokenizer(ours.tokenizer, max_length=ours.default_length)
    wanted = model.tokenizer(
        [list(pair) for pair in pairs()], truncation=True, max_length=ours.default_length
    )
    for pair, found, ids in zip(pairs(), tokenizer.encode(pairs()), wanted.input_ids, strict=True):
        assert found.input_ids.tolist() == ids, pair
    return ours


def parts(description: ModelDescription) -> dict[str, Any]:
    """The tokenizer without what only reads tokens back."""
    content: dict[str, Any] = json.loads(description.tokenizer)
    return {name: part for name, part in content.items() if name != "decoder"}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_folder_that_the_library_saved(name: str, saved: Saved, tmp_path: Path) -> None:
    description = assert_described(saved(name, tmp_path / "folder"))
    assert description is not None
    assert description.default_length == LIMIT
    assert description.limit == (None if name in WITHOUT_TABLE else LIMIT)


def in_config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "tokenizer_config.json", **values)


def without(*keys: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = folder / "tokenizer_config.json"
        content = {k: v for k, v in json.loads(file.read_text()).items() if k not in keys}
        file.write_text(json.dumps(content))

    return edit


def in_model(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", **values)


def in_tokenizer(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "tokenizer.json", **values)


def several(*edits: Callable[[Path], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for each in edits:
            each(folder)

    return edit


def written(name: str, content: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / name).write_text(json.dumps(content))

    return edit


def old_files(folder: Path) -> None:
    """As transformers saved tokenizers for years: three files, and no list of added tokens."""
    config = json.loads((folder / "tokenizer_config.json").read_text())
    special = {key: value for key, value in config.items() if key.endswith("_token")}
    special = {key: value for key, value in special.items() if isinstance(value, str)}
    if "mask_token" in special:
        mask = {"content": special["mask_token"], "lstrip": True, "normalized": False}
        special["mask_token"] = {**mask, "rstrip": False, "single_word": False}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    without("added_tokens_decoder", "extra_special_tokens", *special)(folder)


def added(*contents: str, **flags: bool) -> Callable[[Path], None]:
    """Adds tokens to the tokenizer as a user does, and saves it."""

    def edit(folder: Path) -> None:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        first = tokenizer.get_vocab_size()
        listed = {
            str(first + place): {
                "content": content,
                "lstrip": False,
                "rstrip": False,
                "normalized": True,
                "single_word": False,
                "special": False,
                **flags,
            }
            for place, content in enumerate(contents)
        }
        config = json.loads((folder / "tokenizer_config.json").read_text())
        before = config.get("added_tokens_decoder", {})
        edit_json(folder / "tokenizer_config.json", added_tokens_decoder={**before, **listed})

    return edit


def old_name(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    edit_json(file, tokenizer_class=json.loads(file.read_text())["tokenizer_class"] + "Fast")


HOLE = {
    "__type": "AddedToken",
    "content": "<hole>",
    "lstrip": True,
    "rstrip": False,
    "normalized": True,
    "single_word": False,
}
PADDING = {
    "strategy": "BatchLongest",
    "direction": "Left",
    "pad_to_multiple_of": None,
    "pad_id": 1,
    "pad_type_id": 0,
    "pad_token": "<pad>",
}
CUTTING = {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}

ALL = tuple(TOKENIZERS)
WORD_PIECES = ("bert", "distilbert", "mpnet")
OTHERS = ("roberta", "xlm-roberta", "camembert", "deberta-v2")
CLASSES = (*WORD_PIECES, *OTHERS)

Edit = Callable[[Path], None]
TRAPS: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "no length": (without("model_max_length"), ("roberta", "modernbert", "deberta-v2")),
    "a length of null": (in_config(model_max_length=None), ("roberta",)),
    "a huge length": (in_config(model_max_length=int(1e30)), ("mpnet", "modernbert")),
    "a short length": (in_config(model_max_length=20), ("bert", "modernbert")),
    "a length under its old name": (
        several(without("model_max_length"), in_config(max_len=30)),
        ("bert",),
    ),
    "padding on the left": (in_config(padding_side="left"), ("bert", "roberta")),
    "an added token": (added("fox"), ALL),
    "added tokens with properties": (
        added("zz top", "fox dog", lstrip=True, normalized=False),
        ("bert", "roberta", "xlm-roberta", "bert as saved"),
    ),
    "special tokens without a role": (
        in_config(additional_special_tokens=["<q>", "the"]),
        ("bert", "camembert", "modernbert"),
    ),
    "special tokens under a new name": (
        in_config(extra_special_tokens=["<q>"]),
        ("bert", "camembert", "modernbert"),
    ),
    "files of old": (old_files, ALL),
    "files of old and an added token": (
        several(old_files, written("added_tokens.json", {"fox": 999})),
        ("bert", "mpnet", "camembert", "modernbert"),
    ),
    "no tokenizer_config.json": (lambda file: (file / "tokenizer_config.json").unlink(), ALL),
    "a class with its old name": (old_name, CLASSES),
    "as saved": (in_config(tokenizer_class="PreTrainedTokenizerFast"), CLASSES),
    "as a class of Python": (in_config(tokenizer_class="PreTrainedTokenizer"), ("bert",)),
    "a class in config.json": (
        several(without("tokenizer_class"), in_model(tokenizer_class="MPNetTokenizer")),
        ("distilbert",),
    ),
    "not lower-cased": (in_config(do_lower_case=False), WORD_PIECES),
    "accents kept": (in_config(strip_accents=False), ("bert",)),
    "accents stripped": (in_config(strip_accents=True, do_lower_case=False), WORD_PIECES),
    "scripts kept": (in_config(tokenize_chinese_chars=False), ("bert", "mpnet")),
    "a blank in front": (in_config(add_prefix_space=True), (*OTHERS, "modernbert")),
    "no blank in front": (in_config(add_prefix_space=False), OTHERS),
    "offsets not trimmed": (in_config(trim_offsets=False), ("roberta",)),
    "punctuation apart": (in_config(split_by_punct=True, do_lower_case=True), ("deberta-v2",)),
    "no template": (in_tokenizer(post_processor=None), ALL),
    "another normalizer": (in_tokenizer(normalizer={"type": "Lowercase"}), ALL),
    "padding and cutting of its own": (
        in_tokenizer(padding=PADDING, truncation=CUTTING),
        ("bert", "roberta", "modernbert"),
    ),
    "padding of its own alone": (
        several(without("pad_token"), in_tokenizer(padding=PADDING)),
        ("bert", "modernbert"),
    ),
    "another mask": (in_config(mask_token="<hole>"), CLASSES),
    "a mask with properties": (in_config(mask_token=HOLE), ("bert", "camembert", "modernbert")),
    "no padding token": (in_config(pad_token=None), ("bert", "roberta", "modernbert")),
    "a padding token of its own": (in_config(pad_token="<p>"), ("bert", "modernbert")),
    "marks of beginning and end": (
        in_config(add_bos_token=True, add_eos_token=True),
        ("bert", "roberta", "modernbert"),
    ),
    "another beginning": (in_config(bos_token="<q>", cls_token="<q>"), CLASSES),
    "a name for its column": (in_model(id2label={"0": "relevant"}), ("bert",)),
}
"""What is changed in a folder, and in which of the `TOKENIZERS`."""

CASES = [(trap, base) for trap, (_, bases) in TRAPS.items() for base in bases]


@pytest.mark.parametrize(("trap", "base"), CASES)
def test_a_folder_with_a_trap(trap: str, base: str, saved: Saved, tmp_path: Path) -> None:
    folder = saved(base, tmp_path / "folder")
    TRAPS[trap][0](folder)
    assert_described(folder)


def saved_by_sentence_transformers(saved: Saved, base: str, folder: Path) -> Path:
    model = CrossEncoder(str(saved(base, folder / "plain")), device="cpu")
    save_as_the_library_does(model, folder / "modules")
    return folder / "modules"


def in_transformer(**values: Any) -> Edit:
    return lambda folder: edit_json(folder / "sentence_bert_config.json", **values)


def in_library(**values: Any) -> Edit:
    return lambda folder: edit_json(folder / "config_sentence_transformers.json", **values)


def of_old(folder: Path) -> None:
    """As sentence-transformers wrote it before version 5."""
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 30, "do_lower_case": True})
    )


MODULES: dict[str, tuple[Edit, str]] = {
    "saved": (lambda folder: None, "roberta"),
    "a length": (in_transformer(max_seq_length=20), "bert"),
    "a length beyond the limit": (in_transformer(max_seq_length=500), "roberta"),
    "an option of the tokenizer": (in_transformer(tokenizer_args={"model_max_length": 25}), "bert"),
    "lower-casing": (in_transformer(do_lower_case=True), "roberta"),
    "lower-casing beside rules": (in_transformer(do_lower_case=True), "deberta-v2"),
    "no length": (without("model_max_length"), "roberta"),
    "a prompt": (in_library(prompts={"q": "search: "}, default_prompt_name="q"), "bert"),
    "a prompt without use": (in_library(prompts={"q": "search: "}), "bert"),
    "a chat template that is not used": (in_config(chat_template="{{ messages }}"), "bert"),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_folder_of_modules(name: str, saved: Saved, tmp_path: Path) -> None:
    edit, base = MODULES[name]
    folder = saved_by_sentence_transformers(saved, base, tmp_path)
    edit(folder)
    assert_described(folder)


@pytest.mark.parametrize("name", [name for name, design in DESIGNS.items() if design.head])
def test_a_folder_with_modules_for_a_head(name: str, tmp_path: Path) -> None:
    assert_described(SAVED[name](tmp_path))


@pytest.mark.parametrize("name", CLASSES)
def test_a_folder_with_the_vocabulary_alone(name: str, saved: Saved, tmp_path: Path) -> None:
    folder = saved(name, tmp_path / "folder")
    model = Tokenizer.from_file(str(folder / "tokenizer.json")).model
    if name not in (*WORD_PIECES, "roberta"):
        (folder / "tokenizer.json").rename(folder / "sentencepiece.bpe.model")
        with pytest.raises(NoGraphError, match="a SentencePiece model"):
            describe_folder(folder, "it")
        return
    model.save(str(folder))
    (folder / "tokenizer.json").unlink()
    assert_described(folder)
    next(folder.glob("vocab.*")).unlink()
    with pytest.raises((NoGraphError, ModelError), match=r"no tokenizer"):
        describe_folder(folder, "it")


TRIE = [(byte + 1) % 256 for byte in range(256)]  # it leads nowhere
NO_RULES = base64.b64encode(struct.pack("<I256I", 4 * 256, *TRIE)).decode()


def test_rules_that_sentencepiece_compiled_are_kept(saved: Saved, tmp_path: Path) -> None:
    folder = saved("xlm-roberta", tmp_path / "folder")
    compiled = {"type": "Precompiled", "precompiled_charsmap": NO_RULES}
    replaced = {"type": "Replace", "pattern": {"String": "fox"}, "content": "dog"}
    normalizer = {"type": "Sequence", "normalizers": [replaced, compiled]}
    edit_json(folder / "tokenizer.json", normalizer=normalizer)
    description = assert_described(folder)
    assert description is not None
    assert json.loads(description.tokenizer)["normalizer"] == compiled


REFUSED: dict[str, tuple[Edit, str]] = {
    "cut on the left": (in_config(truncation_side="left"), "at their beginning"),
    "cut on the left by tokenizer.json": (
        in_tokenizer(truncation={**CUTTING, "direction": "Left"}),
        "at their beginning",
    ),
    "another class": (in_config(tokenizer_class="LlamaTokenizer"), "is a LlamaTokenizer"),
    "code of its own": (in_config(auto_map={"AutoTokenizer": ["a.B", None]}), "auto_map="),
    "special tokens that are split": (in_config(split_special_tokens=True), "split_special"),
    "files by version": (in_config(fast_tokenizer_files=["tokenizer.json"]), "fast_tokenizer"),
    "a chat template": (in_config(chat_template="{{ messages }}"), "reads chats"),
    "a processor": (written("processor_config.json", {}), "more than text"),
    "an adapter": (written("adapter_config.json", {}), "an adapter"),
    "a special token of its own": (in_config(image_token="<image>"), "'image_token'"),
    "no separator": (in_config(sep_token=None), "there is no sep_token"),
    "a vocabulary of another class": (
        in_config(tokenizer_class="XLMRobertaTokenizer"),
        "not of the class",
    ),
    "no size of the vocabulary": (in_model(vocab_size=None), "no 'vocab_size'"),
    "files with other values": (in_model(id2label=[1]), "not as expected"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_torch_must_read_says_why(name: str, saved: Saved, tmp_path: Path) -> None:
    folder = saved("bert", tmp_path / "folder")
    edit, told = REFUSED[name]
    edit(folder)
    with pytest.raises(NoGraphError, match=told):
        describe_folder(folder, "it")


@pytest.mark.parametrize("name", ["another class", "code of its own", "a chat template"])
def test_a_plan_says_it_before_anything_is_loaded(name: str, saved: Saved, tmp_path: Path) -> None:
    folder = saved("bert", tmp_path / "folder")
    edit, told = REFUSED[name]
    edit(folder)
    plan = choose(ModelSettings(str(folder), device="cpu"), folder)
    assert plan.backend == "torch"
    assert told in plan.reason
    with pytest.raises(UnsupportedOptionError, match=f"does not become a graph: .*{told}"):
        choose(ModelSettings(str(folder), backend="onnx"), folder)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (in_transformer(processing_kwargs={"text": {"max_length": 9}}), "set processing_kwargs="),
        (in_transformer(tokenizer_args={"do_lower_case": False}), "set do_lower_case"),
        (in_transformer(modality_config={"text": {}, "message": {}}), "reads chats"),
        (written("modules.json", [{"type": "own.Module", "path": ""}]), "code of its own"),
        (
            written("modules.json", [{"type": "sentence_transformers.models.CNN", "path": ""}]),
            "is a CNN",
        ),
    ],
    ids=["processing", "the tokenizer's options", "chats", "own code", "another module"],
)
def test_a_folder_of_modules_that_torch_must_read_says_why(
    edit: Edit, told: str, saved: Saved, tmp_path: Path
) -> None:
    folder = saved_by_sentence_transformers(saved, "bert", tmp_path)
    edit(folder)
    with pytest.raises(NoGraphError, match=told):
        describe_folder(folder, "it")


def test_a_damaged_file_is_named(saved: Saved, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        folder = saved("bert", tmp_path / name)
        (folder / name).write_text("{")
        with pytest.raises(ModelError, match=f"'it' is damaged: its {name}"):
            describe_folder(folder, "it")


def test_modules_that_cannot_be_read_are_left_to_torch(saved: Saved, tmp_path: Path) -> None:
    for number, content in enumerate(("{", "[]", "[{}]", "[1]")):
        folder = saved("bert", tmp_path / str(number))
        (folder / "modules.json").write_text(content)
        with pytest.raises(NoGraphError, match=r"its modules\.json is not as expected"):
            read_modules(folder)
