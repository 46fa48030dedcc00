"""Models whose files do not fit or are not there: each is told by its own cause and remedy."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2ForSequenceClassification

from rerank_plugins import (
    CrossEncoderScorer,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    RerankError,
    ScoringError,
    UnsafeWeightsError,
    compile_model,
)
from rerank_plugins.backends.architectures import NoGraphError
from tests.forked import run_forked
from tests.tiny_models import (
    WORDS,
    fixed_seed,
    save_as_the_library_does,
    save_tiny_architecture,
    save_tiny_cross_encoder,
    tiny_roberta_tokenizer,
    tiny_tokenizer,
)

PAIRS = [("what is a red fox", "the red fox is a small dog"), ("sea", "the river")]
BACKENDS = ["torch", "onnx", "openvino"]
Weights = dict[str, torch.Tensor]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound cross-encoder, to be damaged."""
    return save_tiny_cross_encoder(tmp_path / "model")


def change_weights(folder: Path, change: Callable[[Weights], Weights]) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def refusal(folder: Path, **options: object) -> RerankError:
    """The error that loading ends in; what is no error of ours is a failure of the test."""
    with CrossEncoderScorer(folder, **options) as scorer, pytest.raises(RerankError) as caught:
        scorer.warm_up()
    return caught.value


def without_head(weights: Weights) -> Weights:
    return {key: value for key, value in weights.items() if not key.startswith("classifier")}


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_weights_that_are_missing_are_named_and_never_made_up(folder: Path, backend: str) -> None:
    change_weights(folder, without_head)
    error = refusal(folder, backend=backend)
    assert isinstance(error, ModelError)
    assert not isinstance(error, NoGraphError)
    assert "its files have no classifier.bias, classifier.weight" in str(error)
    assert "save_pretrained" in str(error)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_no_bundle_is_made_of_weights_that_are_missing(folder: Path, precision: str) -> None:
    change_weights(folder, without_head)
    with pytest.raises(ModelError, match=r"no classifier\.bias"):
        compile_model(folder, folder.parent / "bundle", precision=precision)
    assert not (folder.parent / "bundle").exists()


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "model."])
def test_keys_behind_a_prefix_come_with_the_command_that_mends_the_file(
    folder: Path, prefix: str
) -> None:
    with CrossEncoderScorer(folder, backend="torch") as scorer:
        wanted = scorer.score_pairs(PAIRS)
    change_weights(folder, lambda weights: {prefix + key: weights[key] for key in weights})
    error = refusal(folder)
    assert f"with {prefix!r} in front" in str(error)
    command = re.search(r'python -c "(.*)"$', str(error))
    assert command is not None
    done = run_forked(command.group(1))
    assert done.returncode == 0, done.stderr
    with CrossEncoderScorer(folder, backend="torch") as scorer:
        np.testing.assert_array_equal(scorer.score_pairs(PAIRS), wanted)


def test_weights_of_another_shape_are_named_with_both_shapes(folder: Path) -> None:
    change_weights(folder, lambda weights: {**weights, "classifier.weight": torch.zeros(3, 32)})
    for device in (None, "cpu"):
        error = refusal(folder, device=device)
        assert "classifier.weight has the shape [3, 32] and must have [1, 32]" in str(error)


def test_weights_in_several_files_are_looked_at_too(tmp_path: Path) -> None:
    from transformers import BertForSequenceClassification

    save_tiny_cross_encoder(tmp_path / "whole")
    model = BertForSequenceClassification.from_pretrained(tmp_path / "whole")
    parts = tmp_path / "parts"
    model.save_pretrained(parts, max_shard_size="20KB")
    tiny_tokenizer().save_pretrained(parts)
    with CrossEncoderScorer(parts) as scorer, CrossEncoderScorer(tmp_path / "whole") as whole:
        np.testing.assert_array_equal(scorer.score_pairs(PAIRS), whole.score_pairs(PAIRS))
    index = json.loads((parts / "model.safetensors.index.json").read_text())
    file = parts / index["weight_map"]["classifier.weight"]
    save_file(without_head(load_file(file)), file, metadata={"format": "pt"})
    for key in ("classifier.weight", "classifier.bias"):
        index["weight_map"].pop(key)
    (parts / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "its files have no classifier" in str(refusal(parts))


def test_keys_that_only_the_file_has_and_names_of_old_are_fine(folder: Path) -> None:
    with CrossEncoderScorer(folder, backend="torch") as scorer:
        wanted = scorer.score_pairs(PAIRS)

    def as_of_old(weights: Weights) -> Weights:
        renamed = {
            key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): value
            for key, value in weights.items()
        }
        return {**renamed, "bert.embeddings.position_ids": torch.arange(64)[None]}

    change_weights(folder, as_of_old)
    for backend in BACKENDS:
        with CrossEncoderScorer(folder, backend=backend) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)


@pytest.mark.parametrize("field", ["num_attention_heads", "num_hidden_layers", "model_type"])
def test_a_configuration_that_lacks_what_no_weight_shows_is_refused(
    folder: Path, field: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.pop(field)
    (folder / "config.json").write_text(json.dumps(config))
    error = refusal(folder)
    assert isinstance(error, ModelError)
    assert f"its config.json has no {field!r}" in str(error)


@pytest.mark.parametrize("field", ["hidden_size", "vocab_size", "id2label"])
def test_a_configuration_that_weights_contradict_is_refused(folder: Path, field: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.pop(field)
    (folder / "config.json").write_text(json.dumps(config))
    assert "because its weights do not fit" in str(refusal(folder))


def other_tokenizer(folder: Path, more: int) -> None:
    """Puts a tokenizer there whose vocabulary has more words."""
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    for number in range(more):
        vocabulary[f"word{number}"] = len(vocabulary)
    (folder / "tokenizer.json").write_text(json.dumps(content))


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_another_models_tokenizer_is_refused_at_load(folder: Path, backend: str) -> None:
    other_tokenizer(folder, more=30)
    error = refusal(folder, backend=backend)
    assert isinstance(error, ModelError)
    assert not isinstance(error, NoGraphError)
    assert "gives 'word29' the id 93, and the model has embeddings for 64 tokens" in str(error)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_token_behind_the_table_that_no_plain_text_has_fails_where_it_is_met(
    folder: Path, backend: str
) -> None:
    with CrossEncoderScorer(folder, backend="torch") as scorer:
        wanted = scorer.score_pairs(PAIRS)
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<new>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    with CrossEncoderScorer(folder, backend=backend) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
        with pytest.raises(ScoringError, match="gives a text the token id 64"):
            scorer.score_pairs([*PAIRS, ("sea", "a <new> river")])
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_types_behind_their_table_are_refused_at_load(tmp_path: Path, backend: str) -> None:
    save_tiny_architecture(tmp_path, "roberta")  # it has one type
    tokenizer = tiny_roberta_tokenizer()
    encoding = json.loads(tokenizer.backend_tokenizer.to_str())
    for part in encoding["post_processor"]["pair"][-2:]:
        next(iter(part.values()))["type_id"] = 1
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(encoding))
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer.save_pretrained(tmp_path)
    error = refusal(tmp_path, backend=backend)
    assert isinstance(error, ModelError)
    assert "gives passages the type 1, and the model has embeddings for 1" in str(error)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_a_model_without_tokenizer_files_is_refused(folder: Path, backend: str) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    error = refusal(folder, backend=backend)
    assert type(error) is ModelError
    assert "has no tokenizer" in str(error)
    assert "tokenizer.save_pretrained(folder)" in str(error)


def test_a_vocabulary_without_its_merges_is_refused(tmp_path: Path) -> None:
    words = ["<|endoftext|>", *WORDS]
    config = GPT2Config(
        vocab_size=len(words), n_embd=32, n_layer=1, n_head=2, n_positions=64, num_labels=1
    )
    config.bos_token_id = config.eos_token_id = config.pad_token_id = 0
    with fixed_seed():
        GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    settings = {"tokenizer_class": "GPT2Tokenizer", "pad_token": "<|endoftext|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    error = refusal(tmp_path)
    assert type(error) is ModelError
    assert re.search(r"The tokenizer of .* could not be loaded: .*merges", str(error))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_truncated_file_is_named(folder: Path, name: str) -> None:
    text = (folder / name).read_text()
    (folder / name).write_text(text[: len(text) // 2])
    error = refusal(folder)
    assert type(error) is ModelError
    assert f"its {name} is not JSON" in str(error)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_that_is_nested_too_deeply_is_named(folder: Path, name: str, backend: str) -> None:
    (folder / name).write_text("[" * 9000)
    assert f"is damaged: its {name} is not" in str(refusal(folder, backend=backend))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_a_pointer_of_git_lfs_is_told_as_what_it_is(folder: Path, name: str, backend: str) -> None:
    (folder / name).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 90868376\n"
    )
    error = refusal(folder, backend=backend)
    assert type(error) is ModelError
    assert f"{name} is a pointer of Git LFS" in str(error)
    assert str(error).endswith(f"git -C {folder} lfs pull")


def as_adapter(folder: Path, base: str) -> None:
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": base, "peft_type": "LORA", "task_type": "SEQ_CLS"})
    )


@pytest.mark.parametrize("with_config", [False, True])
def test_an_adapter_alone_says_which_model_to_merge_it_into(
    folder: Path, with_config: bool
) -> None:
    as_adapter(folder, "owner/base")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    if not with_config:
        (folder / "config.json").unlink()
    error = refusal(folder)
    assert isinstance(error, ModelNotFoundError)
    assert re.search(r"an adapter only.*\(owner/base\).*merge_and_unload", str(error))


def test_an_adapter_beside_a_model_says_what_applies_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_adapter(folder, str(folder))
    monkeypatch.setitem(sys.modules, "peft", None)  # as if it were not installed
    error = refusal(folder)
    assert isinstance(error, MissingExtraError)
    assert "pip install peft" in str(error)
    assert "merge_and_unload" in str(error)


def test_a_model_whose_files_lie_in_a_modules_folder_is_looked_at_there(
    folder: Path, tmp_path: Path
) -> None:
    from sentence_transformers import CrossEncoder

    saved = tmp_path / "saved"
    save_as_the_library_does(CrossEncoder(str(folder), device="cpu"), saved)
    place = saved / "0_Transformer"
    place.mkdir()
    for pattern in ("config.json", "model.safetensors", "token*", "sentence_bert_config.json"):
        for file in saved.glob(pattern):
            file.rename(place / file.name)
    modules = json.loads((saved / "modules.json").read_text())
    modules[0]["path"] = place.name
    (saved / "modules.json").write_text(json.dumps(modules))
    with CrossEncoderScorer(saved) as scorer, CrossEncoderScorer(folder) as plain:
        wanted = plain.score_pairs(PAIRS)
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
    change_weights(place, without_head)
    assert "its files have no classifier.bias" in str(refusal(saved))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft itself
def test_an_adapter_and_the_model_below_it_are_both_looked_at(folder: Path) -> None:
    peft = pytest.importorskip("peft")
    from sentence_transformers import CrossEncoder
    from transformers import BertForSequenceClassification

    options = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query"])
    with fixed_seed():
        model = peft.get_peft_model(BertForSequenceClassification.from_pretrained(folder), options)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter)
    model.save_pretrained(folder)
    wanted = CrossEncoder(str(folder), device="cpu").predict(
        PAIRS, activation_fn=torch.nn.Identity(), batch_size=1
    )
    change_weights(folder, without_head)  # the adapter has a head of its own
    with CrossEncoderScorer(folder) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
    key = "bert.encoder.layer.1.attention.self.query.weight"
    change_weights(folder, lambda weights: {k: v for k, v in weights.items() if k != key})
    assert f"its files have no {key}" in str(refusal(folder))


def test_a_folder_without_any_weights_says_so_and_speaks_of_no_pickles(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    error = refusal(folder)
    assert isinstance(error, ModelNotFoundError)
    assert "has no weights: no model.safetensors is in its folder. Copy it there" in str(error)
    assert "ickle" not in str(error)


@pytest.mark.parametrize("name", ["model.onnx", "onnx/model_quantized.onnx"])
def test_a_folder_with_a_graph_of_onnx_only_says_so(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"a graph")
    error = refusal(folder)
    assert isinstance(error, UnsafeWeightsError)
    assert f"only a graph of ONNX ({name})" in str(error)
    assert "--backend onnx" in str(error)


def test_a_module_whose_folder_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    saved = tmp_path / "saved"
    save_as_the_library_does(CrossEncoder(str(folder), device="cpu"), saved)
    modules = json.loads((saved / "modules.json").read_text())
    modules.append(
        {
            "idx": 1,
            "name": "1",
            "path": "1_LSTM",
            "type": "sentence_transformers.sentence_transformer.modules.lstm.LSTM",
        }
    )
    (saved / "modules.json").write_text(json.dumps(modules))
    error = refusal(saved)
    assert type(error) is ModelError
    assert "names the folder 1_LSTM, which is not there" in str(error)


def test_no_training_starts_from_weights_that_are_missing(folder: Path, tmp_path: Path) -> None:
    from rerank_plugins.fine_tuning.options import FineTuningOptions
    from rerank_plugins.fine_tuning.start_model import starting_scorer

    change_weights(folder, without_head)
    with pytest.raises(ModelError, match=r"its files have no classifier\.bias"):
        starting_scorer(FineTuningOptions(model=str(folder)))
