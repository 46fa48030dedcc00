"""`truncation_direction` of text-embeddings-inference: which end of a long text is left out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder

from rerank_plugins import CrossEncoderScorer, Reranker, Scorer
from rerank_plugins.testing import DeterministicScorer
from tests.servers import served
from tests.tiny_models import edit_json, save_as_the_library_does

PAIRS = [
    *(("fox", f"{'the sea ' * 20}{animal}") for animal in ("red fox", "dog")),
    ("dog " * 30 + "fox", "sea " * 30 + "red"),
]


@pytest.mark.parametrize("own", [{}, {"long_passages": "windows"}], ids=["cut", "in windows"])
def test_a_long_text_loses_the_end_that_the_request_names(
    own: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    reference = CrossEncoder(str(tiny_model), max_length=16, device="cpu")
    cut = {}
    for side in ("right", "left"):
        reference.tokenizer.truncation_side = side
        cut[side] = reference.predict(PAIRS, activation_fn=torch.nn.Identity()).tolist()
    assert cut["left"] != pytest.approx(cut["right"], abs=1e-3)
    scorer = CrossEncoderScorer(tiny_model, max_length=16, score_cache=tmp_path / "scores", **own)
    with scorer, served({"tiny": Reranker(scorer)}) as (_, client):

        def predicted(**more: Any) -> list[float]:
            body = {"inputs": PAIRS, "raw_scores": True, **more}
            return [one["score"] for [one] in client.post("/predict", json=body).json()]

        assert predicted(long_passages="truncate") == pytest.approx(cut["right"], abs=1e-5)
        assert predicted(truncation_direction="Left") == pytest.approx(cut["left"], abs=1e-5)
        left = {"truncation_direction": "left", "raw_scores": True}
        body = {"query": "fox", "texts": [text for _, text in PAIRS[:2]], **left}
        rows = sorted(client.post("/rerank", json=body).json(), key=lambda row: row["index"])
        assert [row["score"] for row in rows] == pytest.approx(cut["left"][:2], abs=1e-5)
        windows = {"long_passages": "windows"}
        assert predicted(**windows, **left)[:2] == pytest.approx(predicted(**windows)[:2])


def refusal(scorer: Scorer) -> str:
    """What a server of this scorer says to a request whose texts may lose their beginning."""
    with scorer, served({"any": Reranker(scorer)}) as (_, client):
        body = {"query": "fox", "texts": ["dog"], "truncation_direction": "Left"}
        answer = client.post("/rerank", json=body)
        assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")
        return answer.json()["message"]


def test_a_model_that_builds_its_own_input_keeps_beginnings(
    tiny_model: Path, tmp_path: Path
) -> None:
    save_as_the_library_does(CrossEncoder(str(tiny_model), device="cpu"), tmp_path)
    limit = {"processing_kwargs": {"text": {"max_length": 12}}}
    edit_json(tmp_path / "sentence_bert_config.json", **limit)
    said = refusal(CrossEncoderScorer(tmp_path, device="cpu"))
    assert said.endswith(
        "builds its own input, so a long text cannot lose its beginning. Let it lose its end, "
        "which is the default."
    )


def test_a_scorer_of_ones_own_keeps_beginnings() -> None:
    said = refusal(DeterministicScorer())
    assert said == "'any' cannot be told how to read: leave truncation_direction out."
