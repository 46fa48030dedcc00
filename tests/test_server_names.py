"""What errors of a server call a model: by the server's name, and its folder is not told."""

import asyncio
import shutil
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.server.exchange import RefusedError
from rerank_plugins.server.models import Models
from tests.commands import written
from tests.servers import served

REFERENCES = ["model", "./model", "~/model"]


@pytest.fixture(autouse=True)
def folder(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(tiny_model, "model")
    return tmp_path


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_refusal_keeps_its_words_and_has_the_name_in_place_of_the_folder(
    reference: str,
) -> None:
    scorer = CrossEncoderScorer(reference, device="cpu")
    with scorer, served({"small": Reranker(scorer)}) as (_, client):

        def said(max_length: int) -> str:
            body = {"query": "fox", "texts": ["dog"], "max_length": max_length}
            return client.post("/rerank", json=body).json()["error"]

        assert said(5).endswith("Leave it out for all that the model can read.")
        assert said(5000).startswith("max_length=5000, but 'small' reads at most ")


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_file_of_the_model_is_named_without_its_folder(reference: str, folder: Path) -> None:
    written(folder / "model/rerank_plugins.json", "{")
    with CrossEncoderScorer(reference, device="cpu") as scorer:
        models = Models({"small": Reranker(scorer)}, None)
        with pytest.raises(
            RefusedError, match=r"^'small/rerank_plugins\.json' is not JSON"
        ) as told:
            asyncio.run(models.plan("small"))
    assert str(folder) not in str(told.value)
