"""What a step is made of, and what it costs the student."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from embedded_model.questions.candidates import MinedQuestion
from embedded_model.questions.loading import Question
from embedded_model.recipe.settings import LoopConfig
from embedded_model.training.groups import Group, StepGroups
from embedded_model.training.loss import Targets, group_loss


def question(number: int, first_step: int = 0) -> Question:
    texts = ["positive", *(f"passage {i}" for i in range(8))]
    mined = MinedQuestion(
        f"Is this {number}?", list(range(9)), [0.9, *[0.5] * 8], [1.0, *[0.2] * 8], [False] * 9
    )
    vectors = np.eye(9, dtype=np.float16)
    return Question(mined, texts, 1.0, first_step, vectors[0], vectors)


def asdict_of(group: Group) -> dict[str, object]:
    return {
        name: values.tolist() if isinstance(values, np.ndarray) else values
        for name, values in asdict(group).items()
    }


class TestGroups:
    def test_a_step_gives_the_same_groups_every_time(self) -> None:
        questions = [question(i) for i in range(10)]
        first, again = (StepGroups(questions, LoopConfig(), 1).of(7) for _ in range(2))
        assert [asdict_of(group) for group in first] == [asdict_of(group) for group in again]

    def test_every_question_comes_once_before_any_comes_twice(self) -> None:
        questions = [question(i) for i in range(12)]
        config = LoopConfig(questions=4, keyword_share=0.0)
        seen = [g.query for step in range(3) for g in StepGroups(questions, config, 1).of(step)]
        assert sorted(seen) == sorted(q.mined.query for q in questions)

    def test_a_view_joins_at_its_first_step(self) -> None:
        questions = [question(i, first_step=0 if i < 4 else 5) for i in range(40)]
        config = LoopConfig(questions=4, keyword_share=0.0)
        before = {g.query for step in range(5) for g in StepGroups(questions, config, 1).of(step)}
        after = {
            g.query for step in range(5, 15) for g in StepGroups(questions, config, 1).of(step)
        }
        assert before == {q.mined.query for q in questions[:4]}
        assert after == {q.mined.query for q in questions}

    def test_the_labelled_passage_comes_first(self) -> None:
        groups = StepGroups([question(i) for i in range(9)], LoopConfig(passages=3), 1).of(0)
        assert all(group.passages[0] == "positive" for group in groups)
        assert all(len(group.passages) == 3 for group in groups)

    def test_questions_become_keywords_sometimes(self) -> None:
        groups = StepGroups([question(i) for i in range(9)], LoopConfig(keyword_share=1.0), 1).of(0)
        assert all(group.query.startswith("is this") and "?" not in group.query for group in groups)

    def test_without_a_label_any_passage_may_be_drawn(self) -> None:
        unlabelled = [replace(question(i), label_weight=0.0) for i in range(40)]
        groups = StepGroups(unlabelled, LoopConfig(questions=40, passages=3), 1).of(0)
        assert {len(group.passages) for group in groups} == {3}
        assert any("positive" not in group.passages for group in groups)


class TestLoss:
    def group(self, label_weight: float) -> Group:
        teacher = np.array([0.8, 0.2], dtype=np.float32)
        vectors = np.zeros((2, 4), dtype=np.float32)
        return Group("q", ["a", "b"], teacher, label_weight, [False, False], vectors[0], vectors)

    def test_is_zero_for_an_unlabelled_group_scored_as_the_teacher_does(self) -> None:
        config = LoopConfig(teacher_scale=10.0)
        loss, _ = group_loss(torch.tensor([8.0, 2.0]), Targets.of([self.group(0.0)]), config)
        assert float(loss) == pytest.approx(0.0, abs=1e-6)

    def test_the_label_is_not_held_against_a_doubtful_passage(self) -> None:
        config = LoopConfig(teacher_weight=0.0, anchor_weight=1.0)
        doubtful = replace(self.group(1.0), doubtful=[False, True])
        low, accuracy = group_loss(torch.tensor([1.0, -9.0]), Targets.of([doubtful]), config)
        high, _ = group_loss(torch.tensor([1.0, 9.0]), Targets.of([doubtful]), config)
        assert float(low) == float(high)
        assert accuracy == 1.0

    def test_the_anchor_ties_logits_to_odds(self) -> None:
        config = LoopConfig(teacher_weight=0.0, anchor_weight=1.0)
        right, _ = group_loss(torch.tensor([4.0, -4.0]), Targets.of([self.group(1.0)]), config)
        shifted, _ = group_loss(torch.tensor([12.0, 4.0]), Targets.of([self.group(1.0)]), config)
        assert float(right) < float(shifted)

    def test_margins_count_all_passages_of_a_group_and_no_common_shift(self) -> None:
        config = LoopConfig(teacher_scale=10.0, teacher_weight=0.0, margin_weight=2.0)
        targets = Targets.of([self.group(0.0), self.group(0.0)])  # the teacher's are 8 and 2
        logits = torch.tensor([18.0, 12.0, 5.0, 3.0])  # shifted; margins of 1 instead of 3
        loss, _ = group_loss(logits, targets, config)
        assert float(loss) == pytest.approx(2.0 * (0.0 + 4.0) / 2)

    def test_joint_teachers_are_one_sum(self) -> None:
        config = LoopConfig(
            teacher_scale=10.0, cross_teacher_scale=0.5, joint_teachers=True, margin_weight=1.0
        )
        cross = torch.tensor([2.0, -4.0])
        logits = torch.tensor([9.0, 0.0])  # 8 + 1 and 2 - 2
        loss, _ = group_loss(logits, Targets.of([self.group(0.0)]), config, cross)
        assert float(loss) == pytest.approx(0.0, abs=1e-5)

    def test_adds_the_label_by_its_weight(self) -> None:
        config = LoopConfig(teacher_scale=10.0, teacher_weight=0.0)
        whole, _ = group_loss(torch.tensor([1.0, 2.0]), Targets.of([self.group(1.0)]), config)
        half, accuracy = group_loss(torch.tensor([1.0, 2.0]), Targets.of([self.group(0.5)]), config)
        assert float(whole) == pytest.approx(2 * float(half))
        assert accuracy == 0.0
