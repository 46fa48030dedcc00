"""The parts of a training recipe: views, mining and the optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from embedded_model.recipe.checks import check_kinds, require

VIEW_KINDS = (
    "passages",
    "windows",
    "joined",
    "leads",
    "keywords",
    "reworded",
    "sentences",
    "questions",
)
UNLABELLED_KINDS = ("sentences", "questions")
PRECISIONS = ("fp32", "bf16")
OPTIMIZERS = ("adamw", "muon")

MOVABLE = (
    "steps",
    "decay_steps",
    "precision",
    "chunk_tokens",
    "checkpoint_every",
    "evaluate_every",
    "development_questions",
)
"""Fields of `LoopConfig` that may change between two starts of a run."""


@dataclass(frozen=True)
class ViewConfig:
    """One way of turning sources of question-passage pairs into training questions.

    Attributes:
        kind: One of `VIEW_KINDS`; see `embedded_model.questions.views` for what each does.
        sources: Source name to the number of questions taken from it.
        label_weight: Weight of the cross-entropy on the labelled passage. Below 1 where the label
            is weak; the teacher's part of the loss is not touched.
        first_step: Step at which the view joins the mix. Short texts first, long ones once the
            student can match at all, saves a good part of the arithmetic.
    """

    kind: str
    sources: Mapping[str, int]
    label_weight: float = 1.0
    first_step: int = 0

    def __post_init__(self) -> None:
        check_kinds(self, "views.")
        require(self.kind in VIEW_KINDS, "views.kind", self.kind, "one of " + ", ".join(VIEW_KINDS))
        sources = dict(self.sources)
        require(bool(sources), "views.sources", sources, "source = number of questions")
        require(self.first_step >= 0, "views.first_step", self.first_step, "0 or more")
        for name, count in sources.items():
            require(count >= 1, f"views.sources.{name}", count, "1 or more questions")


@dataclass(frozen=True)
class MiningConfig:
    """Which passages stand beside a question. All sources of a view are searched as one pile.

    Attributes:
        depth: How deep the two first stages (BM25 and cosine) are read.
        nearest: Candidates from the top by cosine.
        lexical: Candidates from the top by BM25.
        middle: Candidates drawn from the rest of both: what a reranker sees most of.
        random: Candidates drawn from anywhere.
        margin: The label is not held against a candidate whose cosine is above the positive's
            minus this: a likely unlabelled positive.
    """

    depth: int = 48
    nearest: int = 12
    lexical: int = 8
    middle: int = 6
    random: int = 4
    margin: float = 0.03

    def __post_init__(self) -> None:
        check_kinds(self, "mining.")
        require(self.depth >= 1, "mining.depth", self.depth, "1 or more")
        for name in ("nearest", "lexical", "middle", "random"):
            count = getattr(self, name)
            require(count >= 0, f"mining.{name}", count, "0 or more")


@dataclass(frozen=True)
class LoopConfig:
    """The optimisation.

    Attributes:
        steps: Steps in all. Raising or lowering it between two starts of the same run is allowed:
            it moves the end of the stable phase.
        warmup_steps: Steps of linear warm-up.
        decay_steps: Last steps, in which the rate falls to `final_rate` of its peak.
        questions: Questions in a step. `questions` times `passages` decides its memory.
        passages: Passages beside each question, the labelled one included.
        optimizer: `adamw`, or `muon` for the layers' matrices beside AdamW for the rest
            (`torch.optim.Muon`, with the step length of arXiv 2502.16982).
        precision: `fp32`, or `bf16` for the arithmetic of a step; the weights that are kept
            and stepped are fp32 in both. Twice as fast on processors with bf16; others
            compute in fp32 whatever this says.
        average_decay: Decay of the moving average of the weights, which is what is measured and
            saved; 0 for the last weights themselves.
        chunk_tokens: Padded tokens of one forward pass; a step runs several, sorted by length, and
            goes backward through all at once, so fewer of them save time on padding, no memory.
            Where pairs are packed it plays no part in training.
        teacher_weight: Weight of the divergence from the teacher.
        teacher_scale: Teacher's temperature, as a factor on its scores.
        cross_teacher_weight: Weight of the divergence from the recipe's cross-encoder teacher.
        cross_teacher_scale: Its temperature, as a factor on its logits.
        joint_teachers: Whether the two teachers' scaled scores are added and taught as one
            distribution, with `teacher_weight`, instead of each with its own. Where the two are
            wrong about different passages, their sum ranks better than either.
        margin_weight: Weight of the squared error of the margins: how far each passage's logit
            stands above or below the mean of its group's, by the student and by the teacher
            (MarginMSE, arXiv 2010.02666, over all passages of a group). The divergence sees
            little of passages that the teacher finds hopeless; this sees all alike.
        vector_weight: Weight, in the first step, of the squared distance between what the last
            layer of a siamese student reads and the teacher's vectors.
        final_vector_weight: The same in the last step; it moves evenly from one to the other.
        anchor_weight: Weight of the binary cross-entropy that ties a logit of 0 to even odds.
            The other parts of the loss see only differences between passages.
        keyword_share: Share of questions lower-cased without their question mark.
        trap_share: Share of groups whose last passage is replaced by a trap: the question over and
            over, or code named after its words. A model that learnt to count words scores these
            above every answer.
        checkpoint_every: Steps between two checkpoints.
        evaluate_every: Steps between two looks at the development questions.
        development_questions: How many development questions are looked at.
    """

    steps: int = 1000
    warmup_steps: int = 50
    decay_steps: int = 200
    questions: int = 8
    passages: int = 6
    learning_rate: float = 1.5e-4
    final_rate: float = 0.02
    weight_decay: float = 0.01
    optimizer: str = "adamw"
    precision: str = "fp32"
    average_decay: float = 0.0
    chunk_tokens: int = 2048
    teacher_weight: float = 1.0
    teacher_scale: float = 15.0
    cross_teacher_weight: float = 0.0
    cross_teacher_scale: float = 1.0
    joint_teachers: bool = False
    margin_weight: float = 0.0
    vector_weight: float = 0.0
    final_vector_weight: float = 0.0
    anchor_weight: float = 0.0
    keyword_share: float = 0.25
    trap_share: float = 0.0
    checkpoint_every: int = 100
    evaluate_every: int = 500
    development_questions: int = 96

    def __post_init__(self) -> None:
        check_kinds(self, "loop.")
        for name in (
            "steps",
            "questions",
            "checkpoint_every",
            "evaluate_every",
            "development_questions",
        ):
            require(getattr(self, name) >= 1, f"loop.{name}", getattr(self, name), "1 or more")
        for name in ("warmup_steps", "decay_steps"):
            require(getattr(self, name) >= 0, f"loop.{name}", getattr(self, name), "0 or more")
        require(self.passages >= 2, "loop.passages", self.passages, "2 or more")
        rate = self.learning_rate
        require(rate >= 0, "loop.learning_rate", rate, "0 or more, such as 1e-4")
        optimizers = "one of " + ", ".join(OPTIMIZERS)
        require(self.optimizer in OPTIMIZERS, "loop.optimizer", self.optimizer, optimizers)
        precisions = "one of " + ", ".join(PRECISIONS)
        require(self.precision in PRECISIONS, "loop.precision", self.precision, precisions)
        require(
            0 <= self.average_decay < 1,
            "loop.average_decay",
            self.average_decay,
            "0 or more and below 1, such as 0.999",
        )
        apart = self.warmup_steps + self.decay_steps
        require(
            apart <= self.steps,
            "loop.steps",
            self.steps,
            f"warmup_steps + decay_steps = {apart} or more",
        )
