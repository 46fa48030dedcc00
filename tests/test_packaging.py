"""What the four wheels contain, and that none of them hides another package's namespace."""

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.forked import run_forked

ROOT = Path(__file__).parent.parent
DISTRIBUTIONS = {
    "rerank_plugins": ROOT,
    "rerank_plugins_haystack": ROOT / "integrations" / "haystack",
    "llama_index_postprocessor_rerank_plugins": ROOT / "integrations" / "llama_index",
    "langchain_rerank_plugins": ROOT / "integrations" / "langchain",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """Each wheel, by the name of its distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", str(folder)]
    subprocess.run([*command, *map(str, DISTRIBUTIONS.values())], check=True)
    return {path.name.partition("-")[0]: zipfile.ZipFile(path) for path in folder.glob("*.whl")}


@pytest.fixture
def wheels(built: dict[str, zipfile.ZipFile]) -> dict[str, list[str]]:
    """The file names in each wheel."""
    return {name: wheel.namelist() for name, wheel in built.items()}


@pytest.fixture
def requirements(built: dict[str, zipfile.ZipFile]) -> dict[str, list[Requirement]]:
    """What each wheel requires."""
    found = {}
    for name, wheel in built.items():
        (about,) = (file for file in wheel.namelist() if file.endswith(".dist-info/METADATA"))
        lines = message_from_bytes(wheel.read(about)).get_all("Requires-Dist", [])
        found[name] = [Requirement(line) for line in lines]
    return found


def test_each_distribution_builds_a_wheel(wheels: dict[str, list[str]]) -> None:
    assert set(wheels) == set(DISTRIBUTIONS)


def test_wheels_hold_their_package_a_licence_and_nothing_else(
    wheels: dict[str, list[str]],
) -> None:
    tops = {
        "rerank_plugins": "rerank_plugins/",
        "rerank_plugins_haystack": "haystack_integrations/components/rankers/",
        "llama_index_postprocessor_rerank_plugins": "llama_index/postprocessor/rerank_plugins/",
        "langchain_rerank_plugins": "langchain_rerank_plugins/",
    }
    for name, files in wheels.items():
        rest = [file for file in files if not file.startswith(tops[name])]
        assert all(".dist-info/" in file for file in rest), rest
        assert any(file.endswith("licenses/LICENSE") for file in rest)
        assert any(file.endswith("py.typed") for file in files)
    # The marker above it belongs to every ranker's package, and goes when one of them does.
    ours = "haystack_integrations/components/rankers/rerank_plugins/py.typed"
    assert ours in wheels["rerank_plugins_haystack"]


def test_no_wheel_hides_a_namespace_it_shares(wheels: dict[str, list[str]]) -> None:
    shared = (
        "haystack_integrations/__init__.py",
        "haystack_integrations/components/__init__.py",
        "haystack_integrations/components/rankers/__init__.py",
        "llama_index/__init__.py",
        "llama_index/postprocessor/__init__.py",
    )
    for files in wheels.values():
        assert not set(shared) & set(files)


def test_the_core_wheel_ships_the_embedded_model_once(wheels: dict[str, list[str]]) -> None:
    files = [file for file in wheels["rerank_plugins"] if "/embedded/" in file]
    names = {Path(file).name for file in files}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert "README.md" in names  # the model card
    assert "rerank_plugins.json" in names  # the weight of the first stage
    assert "rerank_calibration.json" in names  # what the scores mean
    assert len([name for name in names if name.endswith((".safetensors", ".bin"))]) == 1


def test_the_core_wheel_has_the_template_of_the_html_report_and_the_servers_page(
    wheels: dict[str, list[str]],
) -> None:
    assert "rerank_plugins/evaluation/report.html.jinja" in wheels["rerank_plugins"]
    assert "rerank_plugins/server/playground.html" in wheels["rerank_plugins"]


@pytest.mark.parametrize(
    "modules",
    [
        [
            "llama_index.core",
            "llama_index.vector_stores.chroma",
            "llama_index.postprocessor.rerank_plugins",
        ],
        [
            "haystack_integrations.components.rankers.sentence_transformers",
            "haystack_integrations.document_stores.qdrant",
            "haystack_integrations.components.rankers.rerank_plugins",
        ],
        ["langchain_rerank_plugins"],
    ],
    ids=["llama_index", "haystack", "langchain"],
)
def test_neighbours_in_shared_namespaces_still_import(modules: list[str]) -> None:
    code = f"import warnings; warnings.simplefilter('ignore'); import {', '.join(modules)}"
    done = run_forked(code)
    assert done.returncode == 0, done.stderr


def test_no_wheel_brings_torch_unasked_and_each_has_an_extra_for_it(
    requirements: dict[str, list[Requirement]],
) -> None:
    heavy = {"torch", "sentence-transformers", "transformers"}
    for name, wanted in requirements.items():
        plain = [each for each in wanted if each.marker is None]
        assert not heavy & {each.name for each in plain}, name
        assert not any(each.extras for each in plain), name
        extra = {"extra": "sentence-transformers"}
        asked = {
            f"{each.name}{sorted(each.extras)}"
            for each in wanted
            if each.marker is not None and each.marker.evaluate(extra)
        }
        brought = (
            {"sentence-transformers[]", "torch[]"}
            if name == "rerank_plugins"
            else {"rerank-plugins['sentence-transformers']"}
        )
        assert asked == brought, name
