"""Chunks of pairs, their scores, and the development figures."""

from pathlib import Path

import numpy as np
import pytest

from embedded_model.models.chunks import pair_tokenizer, sorted_chunks
from embedded_model.models.student import build_student, load_tokenizer
from embedded_model.questions.candidates import MinedQuestion
from embedded_model.questions.loading import Question
from embedded_model.training.development import measure, score_pairs


class TestScoring:
    def test_chunks_keep_to_their_budget_and_hold_every_pair_once(self, base: Path) -> None:
        tokenizer = load_tokenizer(base)
        pairs = [("sun", "moon " * n) for n in range(1, 30)]
        chunks = list(sorted_chunks(pair_tokenizer(tokenizer, 64).encode(pairs), 100))
        assert sorted(number for numbers, _ in chunks for number in numbers) == list(range(29))
        assert all(inputs["input_ids"].numel() <= 100 for _, inputs in chunks)

    def test_a_pair_longer_than_the_budget_has_its_own_chunk(self, base: Path) -> None:
        tokenizer = load_tokenizer(base)
        encoded = pair_tokenizer(tokenizer, 64).encode([("sun", "moon " * 40)] * 2)
        assert [len(numbers) for numbers, _ in sorted_chunks(encoded, 8)] == [1, 1]

    def test_scores_come_in_the_order_of_the_pairs(self, base: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 0).eval(), load_tokenizer(base)
        pairs = [("sun", "moon " * n) for n in (9, 1, 20, 4)]
        together = score_pairs(student, tokenizer, pairs, 64, 48)
        alone = [score_pairs(student, tokenizer, [pair], 64, 48)[0] for pair in pairs]
        np.testing.assert_allclose(together, alone, atol=1e-5)

    def test_no_development_questions_give_zero_figures(self, base: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 0), load_tokenizer(base)
        figures = measure(student, tokenizer, [], 64, 128)
        assert (figures.questions, figures.student) == (0, 0.0)

    def test_agreement_is_the_correlation_with_the_teachers_cosines(self, base: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 0).eval(), load_tokenizer(base)
        texts = ["the sun", "moon moon", "a fox in the house", "sea"]
        logits = score_pairs(student, tokenizer, [("sun", text) for text in texts], 64, 128)
        vectors = np.zeros((4, 2), dtype=np.float16)

        def asked(cosines: list[float]) -> Question:
            mined = MinedQuestion("sun", [0, 1, 2, 3], cosines, [0.0] * 4, [False] * 4)
            return Question(mined, texts, 1.0, 0, vectors[0], vectors)

        same, opposite = (3 * logits + 1).tolist(), (-logits).tolist()
        other = [0.1, 0.9, 0.3, 0.2]
        expected = np.corrcoef(logits, other)[0, 1]
        for cosines, wanted in (([same], 1), ([opposite], -1), ([[0.5] * 4], 0)):
            figures = measure(student, tokenizer, [asked(c) for c in cosines], 64, 128)
            assert figures.agreement == pytest.approx(wanted, abs=1e-4)
        figures = measure(student, tokenizer, [asked(same), asked(other)], 64, 128)
        assert figures.agreement == pytest.approx((1 + expected) / 2, abs=1e-4)
