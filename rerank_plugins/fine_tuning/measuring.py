"""Measures the model: on development questions during training, on held-out ones afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator
from tqdm import tqdm

from rerank_plugins import Scorer
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import Change, JudgedCollection, change, compare
from rerank_plugins.evaluation.first_stage import Candidates, bm25_candidates
from rerank_plugins.fine_tuning.data import LabelledQuestion
from rerank_plugins.messages.spelling import option
from rerank_plugins.retrieval.bm25 import WORDS, Bm25Search

MEASURE = "nDCG@10"
DEVELOPMENT_METRIC = "ndcg@10"

_DEVELOPMENT_DEPTH = 20


@dataclass(frozen=True)
class HeldOutFigures:
    """nDCG@10 over the held-out questions, on BM25's candidates.

    Attributes:
        questions: Number of held-out questions.
        depth: Candidates per question.
        first_stage: Mean in BM25's order.
        before: Mean in the order of the model that training started from.
        after: Mean in the order of the saved model.
        change: The change from before to after per question, with its significance.
    """

    questions: int
    depth: int
    first_stage: float
    before: float
    after: float
    change: Change

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> HeldOutFigures:
        """Restores the figures from the output of `dataclasses.asdict`."""
        return cls(**{**values, "change": Change(**values["change"])})


def judged(
    name: str, questions: Sequence[LabelledQuestion], passages: Sequence[str]
) -> JudgedCollection:
    """Returns the questions and all passages as a collection; known negatives are judged 0."""
    ids = {text: f"p{number}" for number, text in enumerate(passages, start=1)}
    queries = {f"q{number}": question for number, question in enumerate(questions, start=1)}
    return JudgedCollection(
        name,
        passages={passage_id: text for text, passage_id in ids.items()},
        queries={query_id: question.query for query_id, question in queries.items()},
        judgements={
            query_id: {
                **{ids[text]: 0 for text in question.negatives},
                **{ids[text]: 1 for text in question.answers},
            }
            for query_id, question in queries.items()
        },
    )


def write_collection(collection: JudgedCollection, folder: Path) -> None:
    """Writes a collection in BEIR's layout, so that `rerank eval` can measure it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in (
        ("corpus.jsonl", collection.passages),
        ("queries.jsonl", collection.queries),
    ):
        rows = ({"_id": text_id, "text": text} for text_id, text in texts.items())
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), encoding="utf-8")
    judgements = "".join(
        f"{query_id}\t{passage_id}\t{relevance}\n"
        for query_id, passages in collection.judgements.items()
        for passage_id, relevance in passages.items()
    )
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judgements}", encoding="utf-8")


def development_evaluator(
    questions: Sequence[LabelledQuestion], passages: Sequence[str], batch_size: int
) -> CrossEncoderRerankingEvaluator | None:
    """Returns a `CrossEncoderTrainer` evaluator: how high answers rank among BM25's candidates.

    Returns `None` if BM25 finds no wrong passage for any question, because then nothing can be
    measured.
    """
    search = Bm25Search(passages, stem=True)
    samples: list[dict[str, str | list[str]]] = []
    for question in questions:
        texts = (passages[hit.index] for hit in search.search(question.query, _DEVELOPMENT_DEPTH))
        wrong = [text for text in texts if text not in question.answers]
        if wrong:
            samples.append(
                {"query": question.query, "positive": list(question.answers), "negative": wrong}
            )
    if not samples:
        return None
    return CrossEncoderRerankingEvaluator(samples, batch_size=batch_size, write_csv=False)


def held_out_candidates(collection: JudgedCollection, depth: int) -> Candidates:
    """Returns the passages that BM25 finds for the held-out questions.

    Raises:
        InvalidInputError: No question shares a word with any passage.
    """
    try:
        return bm25_candidates(collection, depth)
    except InvalidInputError as error:
        message = (
            f"BM25 finds nothing for any question of {collection.name}, so nothing can be "
            f"measured: {WORDS}. Set {option('held_out', 0)} and measure the model in another "
            "way."
        )
        raise InvalidInputError(message) from error


def before_and_after(
    collection: JudgedCollection,
    candidates: Candidates,
    before: Scorer,
    after: Scorer,
    *,
    depth: int,
    progress: bool,
) -> HeldOutFigures:
    """Measures how both models order the same candidates of the held-out questions."""
    with tqdm(
        total=2 * len(collection.queries), unit="query", desc="measuring", disable=not progress
    ) as bar:
        comparison = compare(
            collection,
            candidates,
            {"before": before, "after": after},
            depth=depth,
            on_query=bar.update,
        )
    old, new = comparison.reranked
    return HeldOutFigures(
        questions=len(collection.queries),
        depth=depth,
        first_stage=comparison.first_stage.mean(MEASURE),
        before=old.mean(MEASURE),
        after=new.mean(MEASURE),
        change=change(old.values[MEASURE], new.values[MEASURE]),
    )
