"""Folders that were not copied, downloaded or saved whole: whatever reads them names the file."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.starts import cache_of_hub
from rerank_plugins import (
    BundleError,
    CrossEncoderScorer,
    HubUnreachableError,
    InvalidInputError,
    ModelError,
    ModelNotFoundError,
    RerankError,
    UnsafeWeightsError,
    compile_model,
)
from rerank_plugins.retrieval.bi_encoder import load_bi_encoder
from rerank_plugins.scorer import plan_of_small_files
from tests.architectures import SAVED
from tests.commands import Run
from tests.small_hub import small_hub
from tests.tiny_models import edit_json, save_tiny_cross_encoder, save_tiny_encoder

INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """Copies a sound model of a name of `SAVED` into a folder."""
    kept = tmp_path_factory.mktemp("sound")

    def copied(name: str, folder: Path) -> Path:
        if not (kept / name).exists():
            SAVED[name](kept / name)
        shutil.copytree(kept / name, folder)
        return folder

    return copied


Sound = Callable[[str, Path], Path]
Damage = Callable[[Path], object]


def cut(name: str, share: float) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return damage


def written(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def without_folder(name: str) -> Damage:
    return lambda folder: shutil.rmtree(folder / name)


def one_part_less(folder: Path) -> None:
    max(folder.glob("model-*.safetensors")).unlink()


def no_parts(folder: Path) -> None:
    for file in folder.glob("model-*.safetensors"):
        file.unlink()


def links_to_nothing(*names: str) -> Damage:
    """As in a snapshot of the hub's cache that was copied without its blobs."""

    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()
            (folder / name).symlink_to(folder / "blobs" / name)

    return damage


def not_weights(header: object) -> Damage:
    content = json.dumps(header).encode()
    weights = len(content).to_bytes(8, "little") + content
    return lambda folder: (folder / "model.safetensors").write_bytes(weights)


DAMAGES: dict[str, tuple[str, Damage, str]] = {
    "weights without their last bytes": (
        "bert",
        cut("model.safetensors", 0.999),
        r"is damaged: its model\.safetensors is not whole \(it has \d+ bytes, and its header",
    ),
    "half of the weights": ("bert", cut("model.safetensors", 0.5), "is damaged: its model.safe"),
    "half of a header": ("bert", cut("model.safetensors", 0.001), "is damaged: its model.safe"),
    "no bytes of weights": (
        "bert",
        written("model.safetensors", ""),
        r"is damaged: its model\.safetensors is not whole \(its 0 bytes do not hold a header",
    ),
    "a header of no tensors": (
        "bert",
        not_weights({"not": "weights"}),
        r"is damaged: its model\.safetensors is not whole \(its header is not one of safetensors",
    ),
    "a header that is a list": ("bert", not_weights([1]), "is damaged: its model.safetensors"),
    "weights of a module": (
        "modular bert",
        cut("2_Dense/model.safetensors", 0.9),
        r"is damaged: its 2_Dense.model\.safetensors is not whole",
    ),
    "one of several files": (
        "bert in several files",
        one_part_less,
        r"is incomplete: its model\.safetensors\.index\.json names model-.*, which is not there",
    ),
    "all of several files": ("bert in several files", no_parts, "is incomplete: its model.safe"),
    "no index": (
        "bert in several files",
        without(INDEX),
        rf"is incomplete: it has weights in several files, and no {INDEX}",
    ),
    "half of an index": (
        "bert in several files",
        cut(INDEX, 0.5),
        rf"is damaged: its {INDEX} does not say which file each weight is in",
    ),
    "an index of a list": (
        "bert in several files",
        written(INDEX, '{"weight_map": []}'),
        rf"is damaged: its {INDEX} does not say which file",
    ),
    "no modules": (
        "modular bert",
        written("modules.json", "[]"),
        r"is damaged: its modules\.json does not name the modules of a model",
    ),
    "modules without a type": (
        "modular bert",
        written("modules.json", '[{"path": ""}]'),
        r"is damaged: its modules\.json does not name",
    ),
    "modules that are none": (
        "modular bert",
        written("modules.json", "[1]"),
        r"is damaged: its modules\.json does not name",
    ),
    "an object of modules": (
        "modular bert",
        written("modules.json", "{}"),
        r"is damaged: its modules\.json is not a JSON list",
    ),
    "half of the modules": ("modular bert", cut("modules.json", 0.5), r"its modules\.json is not"),
    "no folder of a layer": (
        "modular bert",
        without_folder("2_Dense"),
        r"is incomplete: its modules\.json names a Dense, whose 2_Dense.config\.json is not there",
    ),
    "no folder of a pooling": (
        "modular bert",
        without_folder("1_Pooling"),
        r"is incomplete: .* a Pooling, whose 1_Pooling.config\.json is not there",
    ),
    "a module's settings": (
        "modular bert",
        written("4_Dense/config.json", "{"),
        r"is damaged: its 4_Dense.config\.json is not JSON",
    ),
    "no config of the encoder": (
        "modular bert",
        without("config.json"),
        r"is incomplete: its modules\.json names a Transformer, whose config\.json is not there",
    ),
    "the library's settings": (
        "modular bert",
        written("config_sentence_transformers.json", "{"),
        r"is damaged: its config_sentence_transformers\.json is not JSON",
    ),
    "the transformer's settings": (
        "modular bert",
        written("sentence_bert_config.json", "[]"),
        r"is damaged: its sentence_bert_config\.json is not a JSON object",
    ),
    "the tokenizer's settings": (
        "bert",
        written("tokenizer_config.json", "{"),
        r"is damaged: its tokenizer_config\.json is not JSON",
    ),
    "a config without a type": (
        "bert",
        lambda folder: edit_json(folder / "config.json", model_type=None),
        r"is incomplete: its config\.json has no 'model_type'",
    ),
    "a link to no weights": (
        "bert",
        links_to_nothing("model.safetensors"),
        r"is incomplete: model\.safetensors is a link to a file that cannot be found\. .*cp -rL",
    ),
    "a link to no part": (
        "bert in several files",
        links_to_nothing("model-00001-of-00007.safetensors"),
        "is incomplete: model-00001-of-.* is a link to a file that cannot be found",
    ),
    "links to no files": (
        "bert",
        links_to_nothing("config.json", "tokenizer.json", "model.safetensors"),
        r"is incomplete: config\.json, tokenizer\.json are links to files that cannot be found",
    ),
}


def load(backend: str) -> Callable[[Path], None]:
    def loaded(folder: Path) -> None:
        with CrossEncoderScorer(folder, backend=backend) as scorer:
            scorer.warm_up()

    return loaded


WAYS: dict[str, Callable[[Path], object]] = {
    "auto": load("auto"),
    "torch": load("torch"),
    "onnx": load("onnx"),
    "openvino": load("openvino"),
    "jax": load("jax"),
    "a bundle": lambda folder: compile_model(folder, folder.parent / "out", backend="onnx"),
    "int8": lambda folder: compile_model(folder, folder.parent / "out", precision="int8"),
    "JavaScript": lambda folder: compile_model(
        folder, folder.parent / "out", layout="transformers.js"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_by_every_backend_and_by_compiling(
    sound: Sound, tmp_path: Path, damage: str
) -> None:
    model, change, told = DAMAGES[damage]
    change(sound(model, tmp_path / "model"))
    for use in WAYS.values():
        with pytest.raises(ModelError, match=told) as caught:
            use(tmp_path / "model")
        assert type(caught.value) is ModelError
        assert "backend" not in str(caught.value)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_without_torch_and_by_the_plan(
    sound: Sound, tmp_path: Path, damage: str, rerank: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, change, told = DAMAGES[damage]
    change(sound(model, tmp_path / "model"))
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if it were not installed
    with pytest.raises(ModelError, match=told):
        load("auto")(tmp_path / "model")
    if damage == "all of several files":
        return  # a plan needs no weights
    for options in ((), ("--backend", "onnx")):
        code, out, err = rerank("plan", tmp_path / "model", *options)
        assert (code, out) == (1, "")
        assert re.search(told, err)


def refusal(model: object, **options: object) -> RerankError:
    with CrossEncoderScorer(model, **options) as scorer, pytest.raises(RerankError) as caught:
        scorer.warm_up()
    return caught.value


def test_an_index_beside_whole_weights_is_not_read(sound: Sound, tmp_path: Path) -> None:
    folder = sound("bert", tmp_path / "model")
    (folder / INDEX).write_text('{"weight_map": {"classifier.bias": "model-1.safetensors"}}')
    for use in (WAYS["auto"], WAYS["torch"]):
        use(folder)
    with CrossEncoderScorer(folder) as scorer:
        assert plan_of_small_files(scorer) is None  # all weights are there


def test_a_module_that_has_no_settings_may_have_no_folder(sound: Sound, tmp_path: Path) -> None:
    folder = sound("modular bert", tmp_path / "model")
    modules = json.loads((folder / "modules.json").read_text())
    kind = "sentence_transformers.models.Normalize"
    modules.insert(2, {"idx": 9, "name": "9", "path": "9_Normalize", "type": kind})
    (folder / "modules.json").write_text(json.dumps(modules))
    load("torch")(folder)  # git keeps no empty folders


def test_a_link_to_no_folder_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(tmp_path / "nowhere")
    error = refusal(tmp_path / "model")
    assert isinstance(error, ModelNotFoundError)
    assert f"is a link to {tmp_path / 'nowhere'}, which is not there" in str(error)


def test_links_to_nothing_in_the_cache_are_named_where_the_hub_is_not_asked(
    sound: Sound, tmp_path: Path
) -> None:
    cache_of_hub("tiny/ranker", sound("bert", tmp_path / "model"), tmp_path / "cache")
    next((tmp_path / "cache").rglob("model.safetensors")).resolve().unlink()
    error = refusal("tiny/ranker", cache_folder=tmp_path / "cache", local_files_only=True)
    assert "model.safetensors is a link to a file that cannot be found" in str(error)


def test_links_to_nothing_in_the_cache_are_downloaded_again(sound: Sound, tmp_path: Path) -> None:
    folder, cache = sound("bert", tmp_path / "model"), tmp_path / "cache"
    code = "import rerank_plugins as r; r.CrossEncoderScorer('tiny/ranker').warm_up()"
    with small_hub({"tiny/ranker": folder}, gated="") as (endpoint, served):
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(cache)}
        for times in (1, 2):
            subprocess.run([sys.executable, "-c", code], env=environment, check=True)
            assert served.count("model.safetensors") == times
            next(cache.rglob("model.safetensors")).resolve().unlink()


def test_a_revision_that_the_cache_lacks_is_named(sound: Sound, tmp_path: Path) -> None:
    cache_of_hub("tiny/ranker", sound("bert", tmp_path / "model"), tmp_path / "cache")
    offline = {"cache_folder": tmp_path / "cache", "local_files_only": True}
    error = refusal("tiny/ranker", revision="v2", **offline)
    assert isinstance(error, HubUnreachableError)
    assert "revision 'v2' of the hub model of that name is not in the local cache" in str(error)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_bundle_without_its_manifest_or_with_a_config_is_told_as_one(
    sound: Sound, tmp_path: Path, backend: str
) -> None:
    folder = sound("bert", tmp_path / "model")
    bundle = compile_model(folder, tmp_path / "bundle", backend=backend)
    shutil.copyfile(folder / "config.json", bundle / "config.json")
    error = refusal(bundle)
    assert isinstance(error, BundleError)
    assert "counts as a model" in str(error)
    assert "Delete the config.json to run the bundle" in str(error)
    (bundle / "config.json").unlink()
    load("auto")(bundle)
    (bundle / "manifest.json").unlink()
    error = refusal(bundle)
    assert isinstance(error, BundleError)
    assert "neither a bundle's manifest.json nor a model's config.json" in str(error)
    assert "compile MODEL --output FOLDER" in str(error)


def test_a_graph_of_openvino_is_not_told_as_pickled_weights(tmp_path: Path) -> None:
    folder = save_tiny_cross_encoder(tmp_path)
    (folder / "model.safetensors").rename(folder / "openvino_model.bin")
    (folder / "openvino_model.xml").write_text("<net/>")
    error = refusal(folder)
    assert isinstance(error, UnsafeWeightsError)
    assert "only a graph of OpenVINO (openvino_model.bin)" in str(error)


@pytest.mark.parametrize("architectures", [None, []])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_of_modules_is_compiled_without_its_architecture_in_words(
    sound: Sound, tmp_path: Path, precision: str, architectures: object
) -> None:
    folder = sound("modular bert", tmp_path / "model")
    edit_json(folder / "config.json", architectures=architectures)
    bundle = compile_model(folder, tmp_path / "bundle", precision=precision)
    assert json.loads((bundle / "manifest.json").read_text())["architecture"] == "bert"
    load("auto")(bundle)


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_a_bi_encoder_whose_weights_are_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    save_tiny_encoder(tmp_path)
    cut("model.safetensors", share)(tmp_path)
    with pytest.raises(InvalidInputError, match=r"bi_encoder=.* could not be loaded .*header"):
        load_bi_encoder(str(tmp_path))
