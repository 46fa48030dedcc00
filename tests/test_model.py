"""Model references: what is found, what is refused, and what the refusal says to do."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.starts import cache_of_hub
from rerank_plugins import (
    CrossEncoderScorer,
    HubUnreachableError,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    NotACrossEncoderError,
    UnsafeWeightsError,
    UnsupportedOptionError,
)
from rerank_plugins.messages.commands import command, install_command
from rerank_plugins.models import damage, inspection
from rerank_plugins.models.files import code_repositories
from rerank_plugins.models.own_settings import OwnSettings, write_own_settings
from tests.architectures import SAVED
from tests.small_hub import COMMIT, TOKEN, refusing_proxy, small_hub
from tests.tiny_models import (
    edit_json,
    save_as_the_library_does,
    save_tiny_chat_model,
    save_tiny_cross_encoder,
    save_tiny_encoder,
    save_tiny_model_with_code,
)


def load_error(model: str | Path, **options: object) -> Exception:
    """The error that loading a model ends in."""
    with CrossEncoderScorer(model, **options) as scorer:
        try:
            scorer.warm_up()
        except Exception as error:
            return error
    message = f"{model} loaded"
    raise AssertionError(message)


@pytest.mark.parametrize("path", ["./nowhere", "/no/where", "~/no-such-model", "a/b/c", "a\\b"])
def test_a_missing_folder_is_an_error_that_names_it(path: str) -> None:
    error = load_error(path)
    assert isinstance(error, ModelNotFoundError)
    assert isinstance(error, FileNotFoundError)
    assert repr(path) in str(error)


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    error = load_error(file)
    assert isinstance(error, ModelNotFoundError)
    assert "Pass the directory" in str(error)


def test_an_empty_folder_is_not_a_model(tmp_path: Path) -> None:
    error = load_error(tmp_path)
    assert isinstance(error, ModelNotFoundError)
    assert "config.json" in str(error)


def refused(path: Path, *_: object) -> None:
    """What a system says to another user; root may read everything, and tests often run as it."""
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize(
    ("place", "found", "named"),
    [
        ((Path, "is_dir"), refused, "tiny"),
        ((inspection, "read_json"), refused, "config.json"),
        ((damage, "read_header"), refused, "model.safetensors"),
    ],
    ids=["the folder above", "a file", "the weights"],
)
def test_a_folder_that_may_not_be_read_is_an_error_that_says_so(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[object, str],
    found: Callable[..., object],
    named: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(*place, found)
        error = load_error(tiny_model)
    assert type(error) is ModelError
    assert re.search(rf"cannot be read: no permission for .*{re.escape(named)}", str(error))


def test_a_name_that_can_be_no_hub_id_is_not_found() -> None:
    error = load_error("no spaces/in hub ids")
    assert isinstance(error, ModelNotFoundError)
    assert "neither a directory nor a hub id" in str(error)


def test_a_model_without_a_ranking_head_is_refused(headless_model: Path) -> None:
    error = load_error(headless_model)
    assert isinstance(error, NotACrossEncoderError)
    assert "BertModel" in str(error)


def test_an_embedding_model_is_refused_as_what_it_is(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    save_tiny_encoder(tmp_path / "bert")
    model = SentenceTransformer(str(tmp_path / "bert"), device="cpu")
    save_as_the_library_does(model, tmp_path / "st")
    error = load_error(tmp_path / "st")
    assert isinstance(error, NotACrossEncoderError)
    assert "SentenceTransformer" in str(error)


def test_a_cross_encoder_saved_by_sentence_transformers_loads(
    tiny_model: Path, tmp_path: Path
) -> None:
    from sentence_transformers import CrossEncoder

    save_as_the_library_does(CrossEncoder(str(tiny_model), device="cpu"), tmp_path)
    with CrossEncoderScorer(tmp_path) as saved, CrossEncoderScorer(tiny_model) as original:
        assert saved.score("red fox", ["the fox"]) == original.score("red fox", ["the fox"])


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    error = load_error(tmp_path)
    assert isinstance(error, UnsafeWeightsError)
    assert "safetensors" in str(error)


def test_pickled_weights_of_a_later_module_are_refused_too(
    tiny_model: Path, tmp_path: Path
) -> None:
    from sentence_transformers import CrossEncoder

    save_as_the_library_does(CrossEncoder(str(tiny_model), device="cpu"), tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    dense = "sentence_transformers.base.modules.dense.Dense"
    modules.append({"idx": 1, "name": "1", "path": "1_Dense", "type": dense})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Dense").mkdir()
    (tmp_path / "1_Dense" / "config.json").write_text("{}")
    (tmp_path / "1_Dense" / "pytorch_model.bin").write_bytes(b"a pickle")
    error = load_error(tmp_path)
    assert isinstance(error, UnsafeWeightsError)
    assert "has no safetensors weights in 1_Dense. Pickled weights can run code" in str(error)


def test_weights_that_do_not_fit_their_configuration_are_an_error_of_the_model(
    tmp_path: Path,
) -> None:
    save_tiny_cross_encoder(tmp_path)
    edit_json(tmp_path / "config.json", hidden_size=64)
    for device in (None, "cpu"):
        error = load_error(tmp_path, device=device)
        assert isinstance(error, ModelError)
        assert "could not be loaded" in str(error)


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_broken_configuration_is_not_taken_for_a_missing_one(
    tmp_path: Path, content: str
) -> None:
    save_tiny_cross_encoder(tmp_path)
    (tmp_path / "config.json").write_text(content)
    error = load_error(tmp_path)
    assert type(error) is ModelError
    assert "is damaged: its config.json is not" in str(error)


def test_code_that_comes_with_a_model_needs_trust(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    edit_json(tmp_path / "config.json", auto_map={"AutoModel": "modeling_own.OwnModel"})
    error = load_error(tmp_path)
    assert isinstance(error, UnsupportedOptionError)
    assert "trust_remote_code=True" in str(error)


def test_a_revision_of_a_model_on_disk_is_refused_and_not_ignored(tiny_model: Path) -> None:
    for model in (tiny_model, "embedded"):
        error = load_error(model, revision="v2")
        assert isinstance(error, UnsupportedOptionError)
        assert "Leave revision out" in str(error)


def test_broken_weights_are_an_error_of_the_model(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    error = load_error(tmp_path)
    assert type(error) is ModelError
    assert "is damaged: its model.safetensors is not whole" in str(error)


def test_without_network_or_cache_the_hub_is_unreachable_and_embedded_is_offered(
    tmp_path: Path,
) -> None:
    error = load_error("someone/some-model", local_files_only=True, cache_folder=tmp_path)
    assert isinstance(error, HubUnreachableError)
    assert "model='embedded'" in str(error)
    assert "local_files_only=True" in str(error)


WITHOUT_TORCH = """
import sys
sys.modules['sentence_transformers'] = None
from rerank_plugins import CrossEncoderScorer
CrossEncoderScorer(sys.argv[1], cache_folder=sys.argv[2]).warm_up()
"""


def last_line_without_torch(model: str, cache: Path, **environment: str) -> str:
    """The last line of the traceback of loading a model without sentence-transformers."""
    command = [sys.executable, "-c", WITHOUT_TORCH, model, str(cache)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_a_model_for_torch_alone_says_why_and_what_brings_torch(tmp_path: Path) -> None:
    chat_model = save_tiny_chat_model(tmp_path / "chat")
    told = last_line_without_torch(str(chat_model), tmp_path)
    assert MissingExtraError.__name__ in told
    assert f"Running {str(chat_model)!r} in torch (because " in told
    assert told.endswith(install_command("sentence-transformers"))


def test_what_loading_finds_for_torch_alone_says_what_brings_torch(tmp_path: Path) -> None:
    file = save_tiny_cross_encoder(tmp_path) / "model.safetensors"
    weights = load_file(file)
    save_file({**weights, "bert.gate": torch.ones(2)}, file, metadata={"format": "pt"})
    told = last_line_without_torch(str(tmp_path), tmp_path)
    assert MissingExtraError.__name__ in told
    assert "in torch (because its weights have bert.gate, which graphs do not know) " in told
    assert told.endswith(install_command("sentence-transformers"))


def test_weights_that_only_torch_could_run_are_not_fetched_without_it(tmp_path: Path) -> None:
    chat_model = save_tiny_chat_model(tmp_path / "chat")
    with small_hub({"tiny/chat": chat_model}, gated="") as (endpoint, served):
        told = last_line_without_torch("tiny/chat", tmp_path, HF_ENDPOINT=endpoint)
    assert "Running 'tiny/chat' in torch (because " in told
    assert "config.json" in served
    assert "model.safetensors" not in served


@pytest.mark.parametrize("name", ["embeded", "Embedded", "embbeded"])
def test_a_misspelt_embedded_is_answered_with_the_name_that_was_meant(
    tmp_path: Path, name: str
) -> None:
    error = load_error(name, local_files_only=True, cache_folder=tmp_path)
    assert isinstance(error, HubUnreachableError)
    assert f"{name!r} (did you mean 'embedded'?)" in str(error)
    for other in ("bedded-model", "owner/embedded"):
        told = load_error(other, local_files_only=True, cache_folder=tmp_path)
        assert "did you mean" not in str(told)


@pytest.mark.parametrize(
    ("model", "told"),
    [("./nowhere", "There is no directory './nowhere'"), (__file__, "is a file")],
    ids=["a path", "a file"],
)
def test_without_the_extra_a_missing_folder_is_told_before_the_missing_package(
    model: str, told: str, tmp_path: Path
) -> None:
    last = last_line_without_torch(model, tmp_path)
    assert ModelNotFoundError.__name__ in last
    assert told in last


HUB_SESSION = """
import json, sys
from rerank_plugins import CrossEncoderScorer, RerankError

def outcome(model, **options):
    try:
        with CrossEncoderScorer(model, cache_folder=CACHE, **options) as scorer:
            return float(scorer.score("red fox", ["the fox"])[0])
    except RerankError as error:
        return type(error).__name__ + ": " + str(error)

def named_weight():
    return CrossEncoderScorer("tiny/ranker", cache_folder=CACHE).first_stage_weight

CACHE, TOKEN, COMMIT, FOLDER = sys.argv[1:5]
print(json.dumps({
    "weight before": named_weight(),
    "missing": outcome("tiny/none"),
    "bad revision": outcome("tiny/ranker", revision="v9"),
    "gated": outcome("tiny/gated"),
    "embedder": outcome("tiny/embedder"),
    "not cached": outcome("tiny/ranker", local_files_only=True),
    "downloaded": outcome("tiny/ranker"),
    "cached": outcome("tiny/ranker", local_files_only=True),
    "pinned": outcome("tiny/ranker", revision=COMMIT, local_files_only=True),
    "broken": outcome("tiny/broken"),
    "token": outcome("tiny/gated", token=lambda: TOKEN),
    "blank token": outcome("tiny/ranker", token=" "),
    "blank token of a function": outcome("tiny/ranker", token=lambda: ""),
    "token of a file": outcome("tiny/gated", token=TOKEN + chr(10)),
    "untrusted code": outcome("tiny/own"),
    "trusted code": outcome("tiny/own", trust_remote_code=True),
    "modules": outcome("tiny/modules"),
    "shards": outcome("tiny/shards"),
    "shards in the cache": outcome("tiny/shards", local_files_only=True),
    "untrusted code of another": outcome("tiny/borrowed"),
    "code of another": outcome("tiny/borrowed", trust_remote_code=True),
    "code of another here": outcome(FOLDER, trust_remote_code=True),
    "weight": named_weight(),
}))
"""


TWINS = (
    "pytorch_model.bin",
    "tf_model.h5",
    "rust_model.ot",
    "model.fp16.safetensors",
    "onnx/config.json",
    "onnx/model.onnx",
    "onnx/model_qint8_avx512.onnx",
    "openvino/openvino_model.bin",
    "openvino/openvino_model.xml",
    "original/model.safetensors",
)
"""Files that repositories have beside a model for other libraries."""


@pytest.fixture(scope="module")
def hub(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, headless_model: Path
) -> tuple[dict[str, object], list[str]]:
    """Outcomes of a process that talks to a hub, and the files that the hub handed out."""
    pickled = tmp_path_factory.mktemp("pickled")
    for file in tiny_model.iterdir():
        (pickled / file.name).write_bytes(file.read_bytes())
    for name in TWINS:
        (pickled / name).parent.mkdir(exist_ok=True)
        (pickled / name).write_bytes(b"{}")
    write_own_settings(pickled, OwnSettings(0.75))
    own = save_tiny_model_with_code(tmp_path_factory.mktemp("own"), added=100)
    borrowed = shutil.copytree(own, tmp_path_factory.mktemp("borrowed") / "model")
    (borrowed / "modeling_own.py").unlink()
    auto_map = json.loads((own / "config.json").read_text())["auto_map"]
    named = {kind: f"tiny/own--{name}" for kind, name in auto_map.items()}
    edit_json(borrowed / "config.json", auto_map=named)
    models = {
        "tiny/borrowed": borrowed,
        "tiny/ranker": pickled,
        "tiny/gated": tiny_model,
        "tiny/broken": tiny_model,
        "tiny/embedder": headless_model,
        "tiny/own": own,
        "tiny/modules": SAVED["ettin"](tmp_path_factory.mktemp("modules")),
        "tiny/shards": SAVED["bert in several files"](tmp_path_factory.mktemp("shards")),
    }
    with small_hub(models, gated="tiny/gated", broken="tiny/broken") as (endpoint, served):
        arguments = [str(tmp_path_factory.mktemp("cache")), TOKEN, COMMIT, str(borrowed)]
        done = subprocess.run(
            [sys.executable, "-c", HUB_SESSION, *arguments],
            env={
                **os.environ,
                "HF_ENDPOINT": endpoint,
                "HF_TOKEN": "",
                "HF_HUB_CACHE": str(tmp_path_factory.mktemp("of the user")),
                "HF_MODULES_CACHE": str(tmp_path_factory.mktemp("modules")),
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout), served


def test_a_hub_model_is_downloaded_once_and_scores_as_the_local_one(
    hub: tuple[dict[str, object], list[str]], tiny_model: Path
) -> None:
    outcomes, served = hub
    with CrossEncoderScorer(tiny_model) as scorer:
        wanted = pytest.approx(float(scorer.score("red fox", ["the fox"])[0]), abs=1e-6)
    tokens = ("token", "blank token", "blank token of a function", "token of a file")
    for case in ("downloaded", "cached", "pinned", *tokens):
        assert outcomes[case] == wanted, case
    assert served.count("model.safetensors") == 5  # once for each model that was allowed


def test_a_hub_models_own_settings_come_with_it_and_are_not_asked_for_before(
    hub: tuple[dict[str, object], list[str]],
) -> None:
    outcomes, served = hub
    assert outcomes["weight before"] is None
    assert outcomes["weight"] == 0.75
    assert served.count("rerank_plugins.json") == 1


def test_code_of_a_hub_model_is_fetched_and_run_with_trust_only(
    hub: tuple[dict[str, object], list[str]],
) -> None:
    outcomes, served = hub
    assert str(outcomes["untrusted code"]).startswith("UnsupportedOptionError")
    plain = float(str(outcomes["downloaded"]))  # the same weights, without the code that adds 100
    assert outcomes["trusted code"] == pytest.approx(plain + 100, abs=1e-4)
    assert served.count("modeling_own.py") == 2  # once into each of two caches


def test_code_that_a_model_has_in_another_repository_is_fetched_with_trust_only(
    hub: tuple[dict[str, object], list[str]],
) -> None:
    outcomes, _ = hub
    assert str(outcomes["untrusted code of another"]).startswith("UnsupportedOptionError")
    for case in ("code of another", "code of another here"):
        assert outcomes[case] == pytest.approx(outcomes["trusted code"], abs=1e-5), case


@pytest.mark.parametrize(
    ("auto_map", "repositories"),
    [
        ({"AutoConfig": "c/d--own.C", "AutoTokenizer": ["a/b-e--t.T", None]}, ["a/b-e", "c/d"]),
        (["a/b-e--t.T", None], ["a/b-e"]),
        (None, []),
        ({"AutoModel": "own.M"}, []),
    ],
    ids=["kinds", "an old tokenizer", "null", "its own"],
)
def test_the_repositories_of_code_are_found_in_every_form(
    tmp_path: Path, auto_map: object, repositories: list[str]
) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(json.dumps({"auto_map": auto_map}))
    assert code_repositories(tmp_path) == repositories


def test_weights_are_not_fetched_for_what_is_refused(
    hub: tuple[dict[str, object], list[str]],
) -> None:
    outcomes, _ = hub
    assert str(outcomes["embedder"]).startswith("NotACrossEncoderError")


def test_weights_in_several_files_are_fetched_once(
    hub: tuple[dict[str, object], list[str]],
) -> None:
    outcomes, served = hub
    assert isinstance(outcomes["shards"], float), outcomes["shards"]
    assert outcomes["shards in the cache"] == outcomes["shards"]
    files = [name for name in served if re.fullmatch(r"model-\d+-of-\d+\.safetensors", name)]
    assert len(files) == len(set(files)) > 2


def test_the_weights_of_all_modules_are_fetched(hub: tuple[dict[str, object], list[str]]) -> None:
    outcomes, served = hub
    assert isinstance(outcomes["modules"], float), outcomes["modules"]
    heads = {name for name in served if name.endswith("/model.safetensors")}
    assert heads == {
        f"{module}/model.safetensors" for module in ("2_Dense", "3_LayerNorm", "4_Dense")
    }


def test_the_same_model_in_other_forms_is_not_fetched(
    hub: tuple[dict[str, object], list[str]],
) -> None:
    assert not set(TWINS) & set(hub[1])


@pytest.mark.parametrize(
    ("case", "error", "hint"),
    [
        ("missing", "ModelNotFoundError", "Check the spelling"),
        ("missing", "ModelNotFoundError", "There is no directory 'tiny/none'"),
        ("bad revision", "ModelNotFoundError", "no revision 'v9'"),
        ("gated", "ModelAccessError", f"{command('hf')} auth login"),
        ("not cached", "HubUnreachableError", "model='embedded'"),
        ("not cached", "HubUnreachableError", "There is no directory 'tiny/ranker'"),
        ("broken", "HubUnreachableError", "'tiny/broken' could not be downloaded"),
        ("broken", "HubUnreachableError", "model='embedded'"),
    ],
)
def test_what_the_hub_refuses_says_what_to_do(
    hub: tuple[dict[str, object], list[str]], case: str, error: str, hint: str
) -> None:
    assert str(hub[0][case]).startswith(error)
    assert hint in str(hub[0][case])


@pytest.mark.parametrize("offline", ["local_files_only", "HF_HUB_OFFLINE"])
def test_a_model_in_the_cache_is_found_without_the_hubs_client(
    tmp_path: Path, tiny_model: Path, offline: str
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    cache_of_hub("tiny/ranker", tmp_path / "model", tmp_path / "cache")
    code = (
        "import sys\n"
        "from rerank_plugins import CrossEncoderScorer\n"
        "options = {'cache_folder': sys.argv[1], 'local_files_only': sys.argv[2] == 'True'}\n"
        "CrossEncoderScorer('tiny/ranker', **options).score('red fox', ['the fox'])\n"
        "sys.exit('huggingface_hub.hf_api' in sys.modules)\n"
    )
    alone = str(offline == "local_files_only")
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache"), alone],
        env={**os.environ, "HF_HUB_OFFLINE": str(offline == "HF_HUB_OFFLINE")},
        check=True,
    )


def error_in_a_process(cache: Path, **environment: str) -> str:
    """What a process prints as it fails to load a hub model."""
    code = (
        "import sys\n"
        "from rerank_plugins import CrossEncoderScorer\n"
        "CrossEncoderScorer('tiny/ranker', cache_folder=sys.argv[1]).warm_up()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(cache)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_a_hub_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    told = error_in_a_process(tmp_path, HF_ENDPOINT="http://127.0.0.1:1")
    assert "HubUnreachableError" in told
    assert "the hub did not answer" in told
    assert "model='embedded'" in told


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "its offline mode forbids asking it"),
        ({"HF_ENDPOINT": "http://127.0.0.1:1"}, "it did not answer (ConnectError"),
    ],
    ids=["offline", "unreachable"],
)
def test_a_download_that_broke_off_before_the_weights_is_no_fault_of_the_model(
    tmp_path: Path, tiny_model: Path, environment: dict[str, str], reason: str
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    cache_of_hub("tiny/ranker", tmp_path / "model", tmp_path / "cache")
    told = error_in_a_process(tmp_path / "cache", **environment)
    assert "HubUnreachableError: The weights of the hub model 'tiny/ranker' are not in the" in told
    assert reason in told


def test_the_hubs_offline_mode_is_named_and_not_taken_for_a_failure(tmp_path: Path) -> None:
    told = error_in_a_process(tmp_path, HF_HUB_OFFLINE="1")
    assert "HubUnreachableError" in told
    assert "offline mode forbids asking the hub" in told


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTPS_PROXY", "foo:bar"),
        ("SSL_CERT_FILE", "/no/such/file"),
    ],
)
def test_a_hub_behind_settings_that_cannot_be_used_is_unreachable(
    tmp_path: Path, variable: str, value: str
) -> None:
    told = error_in_a_process(tmp_path, HF_ENDPOINT="https://hub.invalid", **{variable: value})
    assert "HubUnreachableError: " in told.splitlines()[-1]


def test_a_hub_behind_a_proxy_that_refuses_is_unreachable(tmp_path: Path) -> None:
    with refusing_proxy() as proxy:
        names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
        behind = {**dict.fromkeys(names, proxy), "NO_PROXY": "", "no_proxy": ""}
        told = error_in_a_process(tmp_path, HF_ENDPOINT="https://hub.invalid", **behind)
    last = told.splitlines()[-1]
    assert "HubUnreachableError: The hub model 'tiny/ranker' could not be downloaded" in last
    assert "403" in last
    assert "local_files_only=True" in last
    assert "model='embedded'" in last
