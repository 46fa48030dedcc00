"""The layout for transformers.js: what is written, for which models, and what is refused.

`make test-edge` runs what is written here in Node and in a browser.
"""

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sentence_transformers import CrossEncoder

from rerank_plugins import InvalidInputError, ModelError, compile_model
from rerank_plugins.backends.folders.description import describe_folder
from rerank_plugins.cli import main
from rerank_plugins.tokens.padding import pad
from rerank_plugins.tokens.pairs import PairTokenizer
from tests.architectures import SAVED
from tests.test_folders import NO_RULES
from tests.test_folders import save as save_as_transformers
from tests.tiny_models import edit_json
from tests.wide_weights import PAIRS, reference

LAYOUT = "transformers.js"
FILES = {
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "onnx/model.onnx",
    "onnx/model_fp16.onnx",
}


def files_of(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "bert",
        "bert, three columns",
        "bert in bf16",
        "bert in several files",
        "xlm-roberta in fp16",
        "camembert",
        "distilbert",
        "electra",
        "mpnet",
        "modernbert",
        "deberta-v3",
        "ettin",
        "modular bert, mean",
    ],
)
def test_both_graphs_score_as_the_model_does(tmp_path: Path, name: str) -> None:
    folder = SAVED[name](tmp_path / "model")
    written = compile_model(folder, tmp_path / "written", layout=LAYOUT)
    description = describe_folder(folder, name)
    tokenizer = PairTokenizer(description.tokenizer, max_length=description.default_length)
    tokens = pad(tokenizer.encode(PAIRS), description.pad_id)
    wanted = reference(folder)
    for graph, allowed in (("model.onnx", 1e-4), ("model_fp16.onnx", 2e-2)):
        session = onnxruntime.InferenceSession(written / "onnx" / graph)
        inputs = {each.name: getattr(tokens, each.name) for each in session.get_inputs()}
        assert {array.dtype for array in inputs.values()} == {np.dtype(np.int64)}
        (logits,) = session.run(["logits"], inputs)
        np.testing.assert_allclose(logits, wanted, rtol=0, atol=allowed)


def test_the_embedded_model_is_written_in_two_sizes(tmp_path: Path) -> None:
    written = compile_model("embedded", tmp_path / "written", layout=LAYOUT)
    assert files_of(written) == FILES
    sizes = [(written / "onnx" / name).stat().st_size for name in ("model.onnx", "model_fp16.onnx")]
    assert sizes[0] == pytest.approx(76.5e6, rel=0.01)
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.01)
    config = json.loads((written / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["transformers.js_config"] == {"dtype": "fp16"}
    assert config["rerank_plugins"]["model"] == "embedded"
    assert json.loads((written / "tokenizer_config.json").read_text()) == {
        "tokenizer_class": "BertTokenizer",
        "model_max_length": 384,
        "pad_token": "[PAD]",
        "padding_side": "right",
    }


def test_the_prompt_of_a_model_is_in_its_config(tmp_path: Path) -> None:
    folder = SAVED["bert"](tmp_path / "model")
    prompts = {"query": "a fox: "}
    model = CrossEncoder(str(folder), prompts=prompts, default_prompt_name="query", device="cpu")
    model.save_pretrained(str(tmp_path / "prompted"))
    written = compile_model(tmp_path / "prompted", tmp_path / "written", layout=LAYOUT)
    config = json.loads((written / "config.json").read_text())
    assert config["rerank_plugins"]["default_prompt"] == "a fox: "


def test_the_command_says_where_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = SAVED["distilbert"](tmp_path / "model")
    written = tmp_path / "written"
    assert main(["compile", str(folder), "--layout", LAYOUT, "-o", str(written)]) == 0
    err = capsys.readouterr().err
    assert re.search(rf"[\d.]+ MB written to {written}\n", err)
    assert "it needs the npm package @huggingface/transformers, or onnxruntime-node" in err
    assert main(["compile", str(folder), "--layout", "onnx", "-o", str(written)]) == 2
    assert "'onnx' is not one of 'bundle', 'transformers.js'" in capsys.readouterr().err


def test_what_was_written_is_replaced_and_nothing_else_is_deleted(tmp_path: Path) -> None:
    written, other = tmp_path / "written", SAVED["distilbert"](tmp_path / "distilbert")
    compile_model("embedded", written, layout=LAYOUT)
    compile_model(other, written, layout=LAYOUT)
    assert json.loads((written / "config.json").read_text())["model_type"] == "distilbert"
    compile_model("embedded", written, backend="onnx")
    assert (written / "manifest.json").is_file()
    assert files_of(written).isdisjoint(FILES - {"tokenizer.json"})
    compile_model(other, written, layout=LAYOUT)
    (written / "onnx" / "model_q4.onnx").touch()
    with pytest.raises(InvalidInputError, match=r"would delete 'onnx/model_q4\.onnx'"):
        compile_model(other, written, layout=LAYOUT)
    assert files_of(written) == {*FILES, "onnx/model_q4.onnx"}


def test_int8_is_refused_because_its_scores_depend_on_the_batch(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"holds fp32 and fp16.*another score in each batch.*Leave"
    ):
        compile_model("embedded", tmp_path / "written", layout=LAYOUT, precision="int8")
    with pytest.raises(InvalidInputError, match=r"one of 'bundle', 'transformers\.js', but got"):
        compile_model("embedded", tmp_path / "written", layout="onnx")


def test_a_model_that_is_not_described_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = SAVED["bert"](tmp_path / "model")
    edit_json(folder / "config.json", hidden_act="mish")
    with pytest.raises(ModelError, match=r"for transformers\.js: its config.*mish.*Export it"):
        compile_model(folder, tmp_path / "written", layout=LAYOUT)
    assert not (tmp_path / "written").exists()


def test_a_tokenizer_with_compiled_rules_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = save_as_transformers("xlm-roberta", tmp_path / "model")
    normalizer = {"type": "Precompiled", "precompiled_charsmap": NO_RULES}
    edit_json(folder / "tokenizer.json", normalizer=normalizer)
    with pytest.raises(ModelError, match=r"other tokens: the rules.*not those of NFKC.*another"):
        compile_model(folder, tmp_path / "written", layout=LAYOUT)


def test_weights_that_no_file_of_onnx_can_hold_are_refused_before_they_are_read(
    tmp_path: Path,
) -> None:
    folder = SAVED["bert"](tmp_path / "model")
    file = folder / "model.safetensors"
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    rows, table = 20_000_000, header["bert.embeddings.word_embeddings.weight"]
    start = len(content) - 8 - size
    table.update(shape=[rows, 32], data_offsets=[start, start + 4 * 32 * rows])
    written = json.dumps(header).encode()
    with file.open("wb") as stream:  # the table is a hole in the file
        stream.write(len(written).to_bytes(8, "little") + written + content[8 + size :])
        stream.truncate(8 + len(written) + start + 4 * 32 * rows)
    edit_json(folder / "config.json", vocab_size=rows)
    with pytest.raises(ModelError, match=r"take 2\.6 GB in fp32.*holds 2 GB.*Take a smaller"):
        compile_model(folder, tmp_path / "written", layout=LAYOUT)
