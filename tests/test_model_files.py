"""The one list of the files that a model is made of."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import transformers
from sentence_transformers import CrossEncoder
from torch import nn

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.models.files import is_part, model_files
from rerank_plugins.models.identity import model_digest
from tests.forked import run_forked
from tests.tiny_models import (
    edit_json,
    save_as_the_library_does,
    save_tiny_architecture,
    save_tiny_chat_model,
    save_tiny_cross_encoder,
    save_tiny_model_with_code,
)

PAIRS = [("what is a red fox", "the red fox is a small dog"), ("sea", "the sea is water")]
READS = """
import json, sys
from pathlib import Path

opened = set()

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        name = arguments[0] if isinstance(arguments[0], str) else arguments[0].decode()
        opened.add(Path(name))

sys.addaudithook(watch)
from sentence_transformers import CrossEncoder
from torch import nn

pairs, results = [tuple(pair) for pair in json.loads(sys.argv[1])], []
for folder in map(Path, sys.argv[2:]):
    model = CrossEncoder(
        str(folder), device="cpu", local_files_only=True, trust_remote_code=True,
        model_kwargs={"use_safetensors": True},
    )
    scores = model.predict(pairs, activation_fn=nn.Identity()).tolist()
    names = {path.relative_to(folder).as_posix() for path in opened if path.is_relative_to(folder)}
    results.append([sorted(names), scores])
print(json.dumps(results))
"""


def save_in_modules(folder: Path) -> Path:
    """As sentence-transformers saves it, with a second chat template beside the first."""
    save_tiny_chat_model(folder)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "terse.jinja").write_text("{{ messages }}")
    return folder


def save_in_shards(folder: Path) -> Path:
    save_tiny_cross_encoder(folder / "whole")
    model = CrossEncoder(str(folder / "whole"), device="cpu")
    model[0].model.save_pretrained(folder / "shards", max_shard_size="20KB")
    model.tokenizer.save_pretrained(folder / "shards")
    assert len(list((folder / "shards").glob("*.safetensors"))) > 1
    return folder / "shards"


def save_by_the_library(folder: Path) -> Path:
    save_tiny_cross_encoder(folder / "plain")
    save_as_the_library_does(CrossEncoder(str(folder / "plain"), device="cpu"), folder / "saved")
    return folder / "saved"


def save_with_code(folder: Path) -> Path:
    return save_tiny_model_with_code(folder, added=1.0)


def save_roberta(folder: Path) -> Path:
    return save_tiny_architecture(folder, "roberta")


def read_by_the_library(*folders: Path) -> list[tuple[list[str], list[float]]]:
    """What `CrossEncoder` opens of each folder to load a model and to score with it; the scores."""
    done = run_forked(READS, json.dumps(PAIRS), *folders)
    assert done.returncode == 0, done.stderr
    return [(opened, scores) for opened, scores in json.loads(done.stdout)]


def with_listed_files_alone(folder: Path) -> Path:
    listed = folder.with_name(f"{folder.name}-listed")
    for file in model_files(folder):
        copy = listed / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return listed


def test_every_file_that_the_library_reads_of_a_model_is_in_the_list(tmp_path: Path) -> None:
    saves = (
        save_tiny_cross_encoder,
        save_roberta,
        save_in_modules,
        save_in_shards,
        save_by_the_library,
        save_with_code,
    )
    folders = [save(tmp_path / save.__name__) for save in saves]
    listed = [with_listed_files_alone(folder) for folder in folders]
    read = read_by_the_library(*folders, *listed)
    for (opened, wanted), (_, scores) in zip(read[: len(saves)], read[len(saves) :], strict=True):
        assert "tokenizer_config.json" in opened
        # The card is kept to be saved again with the model; nothing is scored by it.
        assert {name for name in opened if not is_part(Path(name).name)} <= {"README.md"}
        # What code that is not Python's opens (weights, tokenizers) shows in the scores alone.
        np.testing.assert_array_equal(scores, wanted)
    assert {"chat_template.jinja", "additional_chat_templates/terse.jinja"} <= set(read[2][0])


def test_every_tokenizer_file_that_transformers_knows_is_in_the_list() -> None:
    sources = (Path(transformers.__file__).parent / "models").glob("*/tokenization_*.py")
    tables = re.findall(
        r"^VOCAB_FILES_NAMES = (\{.*?\})",
        "\n".join(source.read_text(encoding="utf-8") for source in sources),
        flags=re.MULTILINE | re.DOTALL,
    )
    names = {name for table in tables for name in re.findall(r': "([\w.-]+)"', table)}
    assert len(names) > 15
    assert not {name for name in names if not is_part(name)}


@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "additional_chat_templates/a.jinja", "spm.model", "own.py"]
)
def test_a_file_of_the_model_that_appears_makes_it_another_model(name: str, tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    digest, first = model_digest(tmp_path), CrossEncoderScorer(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("new")
    assert model_digest(tmp_path) != digest
    assert CrossEncoderScorer(tmp_path)._shared is not first._shared


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_a_chat_template_that_appears_beside_a_model_is_scored_with(
    backend: str, tmp_path: Path
) -> None:
    save_tiny_cross_encoder(tmp_path)
    with CrossEncoderScorer(tmp_path, backend=backend) as scorer:
        before = scorer.score_pairs(PAIRS)
    template = "{% for message in messages %}{{ message.content }} red {% endfor %}"
    (tmp_path / "chat_template.jinja").write_text(template)
    model = CrossEncoder(str(tmp_path), device="cpu", local_files_only=True)
    wanted = model.predict(PAIRS, activation_fn=nn.Identity(), batch_size=1)
    with CrossEncoderScorer(tmp_path, backend=backend) as scorer:
        scores = scorer.score_pairs(PAIRS)
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    assert np.abs(scores - before).max() > 1e-3


def test_a_configuration_that_changes_is_another_model(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    before = model_digest(tmp_path)
    edit_json(tmp_path / "config.json", hidden_act="relu")
    assert model_digest(tmp_path) != before
