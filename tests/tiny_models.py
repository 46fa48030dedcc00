"""Tiny real models built in memory, saved as real checkpoints: no download, seconds to make."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    CamembertConfig,
    CamembertForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

Activation = Literal["sigmoid", "identity", "none"]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = (
    "the a an of in on and or not is was are how why what when where who does do can red green "
    "blue fox dog cat bird fish tree river sea sun moon star stone water fire wind rain snow "
    "house door window book page word fast slow big small old new good bad left right up down"
).split()


def tiny_tokenizer(max_length: int = 64) -> PreTrainedTokenizerFast:
    """A word-level BERT-style tokenizer over about 60 words."""
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def tiny_config(columns: int = 1, **overrides: Any) -> BertConfig:
    """Two layers, 32 wide."""
    values = {
        "vocab_size": len(SPECIAL) + len(WORDS),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "num_labels": columns,
    }
    return BertConfig(**{**values, **overrides})


def save_tiny_cross_encoder(
    folder: Path,
    *,
    columns: int = 1,
    activation: Activation = "none",
    names: dict[int, str] | None = None,
    spread: float = 1.0,
) -> Path:
    """A checkpoint as people publish them, with the activation saved in one of three ways."""
    with fixed_seed():
        model = BertForSequenceClassification(tiny_config(columns))
        randomize(model, std=0.2 * spread)
    if names is not None:
        model.config.id2label = names
        model.config.label2id = {name: index for index, name in names.items()}
    if activation != "none":
        module = {"sigmoid": "Sigmoid", "identity": "Identity"}[activation]
        path = f"torch.nn.modules.{'activation' if activation == 'sigmoid' else 'linear'}.{module}"
        model.config.sentence_transformers = {"activation_fn": path, "version": "6.2.0"}
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def save_tiny_model_with_code(folder: Path, *, added: float) -> Path:
    """The tiny cross-encoder with code of its own, which adds a number to every logit."""
    save_tiny_cross_encoder(folder)
    (folder / "modeling_own.py").write_text(OWN_CODE.format(added=added))
    auto_map = {
        "AutoConfig": "modeling_own.OwnConfig",
        "AutoModelForSequenceClassification": "modeling_own.OwnForSequenceClassification",
    }
    architectures = ["OwnForSequenceClassification"]
    edit_json(
        folder / "config.json", auto_map=auto_map, model_type="own", architectures=architectures
    )
    return folder


OWN_CODE = """
from transformers import BertConfig, BertForSequenceClassification

class OwnConfig(BertConfig):
    model_type = "own"

class OwnForSequenceClassification(BertForSequenceClassification):
    config_class = OwnConfig

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.logits = output.logits + {added}
        return output
"""


def save_tiny_chat_model(folder: Path) -> Path:
    """A chat model that answers yes or no, saved as a CrossEncoder."""
    vocabulary = ["<pad>", "<unk>", "yes", "no", "query", "document", *WORDS]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=128,
    )
    fast.chat_template = (
        "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}"
    )
    with fixed_seed():
        config = Qwen2Config(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            pad_token_id=0,
        )
        model = Qwen2ForCausalLM(config)
    with tempfile.TemporaryDirectory() as plain:
        fast.save_pretrained(plain)
        model.save_pretrained(plain)
        save_as_the_library_does(CrossEncoder(plain, device="cpu"), folder)
    return folder


def save_tiny_encoder(folder: Path) -> Path:
    """A BERT without a ranking head."""
    with fixed_seed():
        BertModel(tiny_config()).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def save_as_the_library_does(model: CrossEncoder | SentenceTransformer, folder: Path) -> None:
    """Saves it without a search for the base model on the hub, which would wait for the network."""
    model.model_card_data.local_files_only = True
    model.save_pretrained(str(folder))


def retrain(folder: Path, kind: Any = BertModel) -> None:
    """Gives the model in a folder other weights."""
    model = kind.from_pretrained(folder)
    with fixed_seed():
        randomize(model)
    model.save_pretrained(folder)


def edit_json(file: Path, **changes: object) -> None:
    """Changes keys of a JSON file."""
    content = json.loads(file.read_text())
    content.update(changes)
    file.write_text(json.dumps(content))


@contextmanager
def fixed_seed() -> Iterator[None]:
    """Seeds torch inside the block and leaves the caller's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        yield


ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def tiny_roberta_tokenizer(max_length: int = 64) -> PreTrainedTokenizerFast:
    """A word-level tokenizer that joins pairs as RoBERTa's and XLM-RoBERTa's do."""
    vocabulary = {token: index for index, token in enumerate([*ROBERTA_SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )


ARCHITECTURES: dict[str, tuple[type, type, dict[str, object]]] = {
    "bert": (BertConfig, BertForSequenceClassification, {}),
    "bert with another activation": (
        BertConfig,
        BertForSequenceClassification,
        {"hidden_act": "gelu_new", "num_hidden_layers": 1},
    ),
    "roberta": (RobertaConfig, RobertaForSequenceClassification, {}),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaForSequenceClassification, {}),
    "camembert": (CamembertConfig, CamembertForSequenceClassification, {}),
}
"""Encoders that become a graph: TinyBERT and MiniLM are BERT, bge-reranker is XLM-RoBERTa."""


def save_tiny_architecture(folder: Path, name: str, *, columns: int = 1) -> Path:
    """A cross-encoder of one of the `ARCHITECTURES` with random weights."""
    config_class, model_class, overrides = ARCHITECTURES[name]
    roberta_like = config_class is not BertConfig
    shape: dict[str, object] = {
        "vocab_size": 5 + len(WORDS),
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 66 if roberta_like else 64,
        "num_labels": columns,
    }
    if roberta_like:
        shape |= {"type_vocab_size": 1, "pad_token_id": 1}
    with fixed_seed():
        model = model_class(config_class(**(shape | overrides)))
        randomize(model)
    model.save_pretrained(folder)
    (tiny_roberta_tokenizer() if roberta_like else tiny_tokenizer()).save_pretrained(folder)
    return folder


def randomize(model: torch.nn.Module, std: float = 0.2) -> None:
    """Gives a model weights with which scores differ visibly between pairs, biases included."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = parameter.dim() == 1 and name.endswith("weight")  # of a layer norm: around 1
            parameter.normal_(mean=float(scale), std=std)
