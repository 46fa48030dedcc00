"""The embedded model in the layouts that peers load: the same fp32 weights in each."""

import hashlib
import json
import shutil
from pathlib import Path

from rerank_plugins.models.references import EMBEDDED_FOLDER

WEIGHTS = ("embedded", "huggingface", "onnx", "flashrank-fp32", "flashrank-int8")
"""Names of folders; "embedded" is the model inside the package and needs none."""

FLASHRANK_NAME = "ms-marco-MiniLM-L-12-v2"
FLASHRANK_FILE = "flashrank-MiniLM-L-12-v2_Q.onnx"
"""FlashRank loads models of its own list alone; ours takes the name of one of them."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_SPECIAL_TOKENS = ("cls_token", "mask_token", "pad_token", "sep_token", "unk_token")


def export(folder: Path) -> None:
    """Writes every layout under the folder, unless they are there; needs torch and onnx.

    Raises:
        FileExistsError: The folder holds something else.
    """
    marker = folder / "complete.txt"
    digest = _digest()
    if marker.is_file() and marker.read_text(encoding="utf-8") == digest:
        return
    if folder.exists() and not marker.is_file():
        message = f"{folder} holds something else; give another folder for environments"
        raise FileExistsError(message)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marker.touch()  # from now on the folder may be removed
    _huggingface(folder / "huggingface")
    _onnx(folder / "huggingface", folder / "onnx")
    for precision in ("fp32", "int8"):
        _flashrank(folder / "onnx", folder / f"flashrank-{precision}", precision)
    marker.write_text(digest, encoding="utf-8")


def _digest() -> str:
    """Of the weights, and of how they are written."""
    files = (EMBEDDED_FOLDER / "model.safetensors", EMBEDDED_FOLDER / "config.json", Path(__file__))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _huggingface(folder: Path) -> None:
    """As `save_pretrained` writes it, and the files that older versions wrote too."""
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", model_kwargs={"dtype": torch.float32})
    model.save_pretrained(str(folder))
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    special = {name: settings[name] for name in _SPECIAL_TOKENS}
    (folder / "special_tokens_map.json").write_text(json.dumps(special), encoding="utf-8")
    vocabulary = model.tokenizer.get_vocab()
    words = "".join(f"{word}\n" for word in sorted(vocabulary, key=vocabulary.__getitem__))
    (folder / "vocab.txt").write_text(words, encoding="utf-8")


def _onnx(source: Path, folder: Path) -> None:
    """The whole graph, without this project's shortcut in the last layer."""
    import torch
    from transformers import AutoModelForSequenceClassification

    _copy_tokenizer(source, folder)
    model = AutoModelForSequenceClassification.from_pretrained(source, attn_implementation="eager")
    model.eval()
    model.config.return_dict = False
    torch.onnx.export(
        model,
        # Not one tensor for all: the export would take them for one input.
        kwargs={name: torch.ones((2, 16), dtype=torch.int64) for name in _INPUTS},
        f=str(folder / "model.onnx"),
        input_names=list(_INPUTS),
        output_names=["logits"],
        dynamic_shapes={name: {0: "batch", 1: "tokens"} for name in _INPUTS},
        external_data=False,
        dynamo=True,
    )


def _flashrank(source: Path, folder: Path, precision: str) -> None:
    inner = folder / FLASHRANK_NAME
    _copy_tokenizer(source, inner)
    if precision == "fp32":
        shutil.copyfile(source / "model.onnx", inner / FLASHRANK_FILE)
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source / "model.onnx", inner / FLASHRANK_FILE, weight_type=QuantType.QInt8)


def _copy_tokenizer(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in (*source.glob("*.json"), source / "vocab.txt"):
        shutil.copyfile(file, folder / file.name)
