"""Tests for what moves the weights."""

import torch
from transformers import BertForSequenceClassification

from embedded_model.recipe.settings import LoopConfig
from embedded_model.training.optimizer import build_optimizers
from tests.tiny_models import tiny_config


def _student() -> BertForSequenceClassification:
    student = BertForSequenceClassification(tiny_config())
    student.bert.embeddings.word_embeddings.weight.requires_grad_(False)
    return student


def test_every_trained_weight_is_moved_by_one_optimizer_and_no_vector_decays() -> None:
    student = _student()
    trained = {weights for weights in student.parameters() if weights.requires_grad}
    for name, count in (("adamw", 1), ("muon", 2)):
        optimizers = build_optimizers(student, LoopConfig(optimizer=name, weight_decay=0.5))
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        moved = [weights for group in groups for weights in group["params"]]
        assert len(optimizers) == count
        assert len(moved) == len(trained)
        assert set(moved) == trained
        for group in groups:
            decays = {weights.ndim > 1 for weights in group["params"]}
            assert decays == {group["weight_decay"] == 0.5}


def test_muon_turns_a_layers_matrix_in_all_directions_alike_and_as_far_as_adamw() -> None:
    moves = {}
    for name in ("adamw", "muon"):
        torch.manual_seed(0)
        student = _student()
        matrix = student.bert.encoder.layer[0].intermediate.dense.weight
        before = matrix.detach().clone()
        for weights in student.parameters():
            weights.grad = torch.randn_like(weights)
        for optimizer in build_optimizers(student, LoopConfig(optimizer=name, weight_decay=0)):
            optimizer.step()
        moves[name] = matrix.detach() - before
    of_muon = torch.linalg.svdvals(moves["muon"])
    assert of_muon.min() > 0.5 * of_muon.max()  # Newton-Schulz: 0.7 to 1.2, and bf16 beside
    lengths = {name: float(move.square().mean().sqrt()) for name, move in moves.items()}
    assert 0.1 < lengths["muon"] / lengths["adamw"] < 0.4  # 0.2 to AdamW's 1 in its first step
