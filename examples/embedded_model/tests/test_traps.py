"""Texts that have a question's words and answer nothing."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from embedded_model.questions.traps import code_of_words, repeated, trap
from embedded_model.recipe.settings import LoopConfig
from embedded_model.training.groups import StepGroups
from embedded_model.training.loss import Targets, group_loss
from examples.embedded_model.tests.test_groups_and_loss import question

QUERY = "How do I boil rice?"


def test_a_repeated_question_has_its_words_and_no_others() -> None:
    texts = [repeated(QUERY, np.random.default_rng(seed)) for seed in range(60)]
    words = set(re.findall(r"\w+", QUERY))
    assert all(set(re.findall(r"\w+", text)) <= words for text in texts)
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) < 20 < 150 < max(lengths)
    assert len(repeated("word " * 500, np.random.default_rng(0)).split()) <= 1000


def test_code_names_every_word_of_the_question() -> None:
    codes = {code_of_words(QUERY, np.random.default_rng(seed)) for seed in range(60)}
    assert len({code.split()[0] for code in codes}) >= 8  # of every form
    for code in codes:
        assert all(word in code.lower() for word in ("how", "do", "i", "boil", "rice"))
    assert code_of_words("???", np.random.default_rng(0)) == "???"


def test_groups_end_with_traps_as_often_as_wanted() -> None:
    questions = [question(i) for i in range(300)]
    config = LoopConfig(questions=300, passages=4, keyword_share=0.0, trap_share=0.25)
    groups = StepGroups(questions, config, 1).of(0)
    assert 45 < sum(group.has_trap for group in groups) < 105
    for group in groups:
        assert group.passages[0] == "positive"
        assert group.has_trap == (not group.passages[-1].startswith("passage"))
    plain = StepGroups(questions, replace(config, trap_share=0.0), 1).of(0)
    assert [group.passages[:-1] for group in plain] == [group.passages[:-1] for group in groups]


@pytest.mark.parametrize("joint", [False, True])
def test_a_trap_should_score_as_the_worst_passage(joint: bool) -> None:
    one = question(0)
    config = LoopConfig(questions=1, passages=3, trap_share=1.0, teacher_scale=10.0)
    config = replace(config, joint_teachers=joint, cross_teacher_weight=0.0 if joint else 1.0)
    (group,) = StepGroups([replace(one, label_weight=0.0)], config, 1).of(0)
    group = replace(group, teacher=np.array([0.8, 0.2, 0.9], dtype=np.float32))
    cross = torch.tensor([3.0, 1.0, 50.0])
    wanted = torch.tensor([8.0, 2.0, 2.0])
    if joint:
        wanted = wanted + torch.tensor([3.0, 1.0, 1.0])
    loss, _ = group_loss(wanted, Targets.of([group]), config, cross)
    alone = 0.0
    if not joint:  # the rest is the other teacher's
        alone, _ = group_loss(
            wanted, Targets.of([group]), replace(config, teacher_weight=0.0), cross
        )
    assert float(loss) == pytest.approx(float(alone), abs=1e-5)
    higher, _ = group_loss(wanted + torch.tensor([0, 0, 9.0]), Targets.of([group]), config, cross)
    assert float(higher) > float(loss) + 0.1
    shifted = torch.tensor([3.0, 1.0, -50.0])
    same, _ = group_loss(wanted, Targets.of([group]), config, shifted)
    assert float(same) == pytest.approx(float(loss))


def test_traps_are_of_both_kinds() -> None:
    texts = [trap("boil rice", np.random.default_rng(seed)) for seed in range(40)]
    both = [text for text in texts if set(text.replace("\n", " ").split()) <= {"boil", "rice"}]
    assert 5 < len(both) < 35
