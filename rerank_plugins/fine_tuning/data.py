"""Reads training data: questions with their answers, from pairs or a BEIR folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import read_collection
from rerank_plugins.formats.lines import is_file, json_rows, packed_or_plain, read_lines
from rerank_plugins.formats.pair_rows import query_and_answers, texts_of
from rerank_plugins.messages.names import last_name
from rerank_plugins.tokens.pairs import valid_text

PAIR_FILES = ("pairs.jsonl", "pairs.jsonl.gz")


@dataclass(frozen=True)
class LabelledQuestion:
    """A question, its answers, and passages known to be wrong.

    Attributes:
        query: The question.
        answers: Passages that answer it, one or more.
        negatives: Passages known not to answer it.
    """

    query: str
    answers: tuple[str, ...]
    negatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingData:
    """Distinct questions and distinct passages.

    Attributes:
        name: The file's or folder's name.
        questions: The questions, in the order of the file.
        passages: The passages to search for answers: all answers and negatives of the questions
            and, for a BEIR folder, its corpus.
    """

    name: str
    questions: list[LabelledQuestion]
    passages: list[str]


def read_training_data(source: Path) -> TrainingData:
    """Returns the data in a file of pairs, a folder with one, or a folder in BEIR's layout.

    Texts that differ only in white space or case count as one text. Invalid Unicode becomes
    question marks. A question that appears several times becomes one question with several
    answers, and an answer is removed from its negatives. In a BEIR folder, `qrels/train.tsv` is
    read, or `qrels.tsv` if there is no such file; passages judged 0 are negatives.

    Raises:
        InvalidInputError: There is no such file or folder, or a line is broken.
    """
    name = last_name(source).removesuffix(".gz").removesuffix(".jsonl")
    if is_file(source):
        return _merged(name, _read_pairs(source), ())
    pairs = next(filter(is_file, (source / file for file in PAIR_FILES)), None)
    if pairs is not None:
        return _merged(name, _read_pairs(pairs), ())
    if packed_or_plain(source / "corpus.jsonl"):
        return _read_beir(source, name)
    message = (
        f"{source} holds no training data. Give a file of JSON Lines "
        f'({{"query": "...", "positive": "..."}}), a folder with {" or ".join(PAIR_FILES)}, or a '
        "folder in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/train.tsv or qrels.tsv)."
    )
    raise InvalidInputError(message)


def _read_pairs(file: Path) -> Iterator[LabelledQuestion]:
    for where, row in json_rows(read_lines(file), str(file)):
        query, answers = query_and_answers(row, where)
        field = "negative" if row.get("negatives") is None else "negatives"
        negatives = texts_of(row, field, where)
        if query and answers:
            yield LabelledQuestion(query, answers, negatives)


def _read_beir(folder: Path, name: str) -> TrainingData:
    if packed_or_plain(folder / "qrels" / "train.tsv"):
        split = "train"
    elif packed_or_plain(folder / "qrels.tsv"):
        split = None
    else:
        message = (
            f"{folder} has neither qrels/train.tsv nor qrels.tsv. To train on another split, copy "
            "it to qrels/train.tsv; it can no longer be used for measuring then."
        )
        raise InvalidInputError(message)
    collection = read_collection(folder, split=split)
    questions = []
    for query_id, query in collection.queries.items():
        answers: list[str] = []
        negatives: list[str] = []
        for passage_id, relevance in collection.judgements[query_id].items():
            text = collection.passages.get(passage_id, "")
            if text:
                (answers if relevance > 0 else negatives).append(text)
        if answers and query.strip():
            questions.append(LabelledQuestion(query.strip(), tuple(answers), tuple(negatives)))
    return _merged(name, questions, collection.passages.values())


def _merged(
    name: str, questions: Iterable[LabelledQuestion], corpus: Iterable[str]
) -> TrainingData:
    texts: dict[str, str] = {}

    def kept(text: str) -> str:
        """The first spelling of a text; later ones are replaced by it."""
        text = valid_text(text)
        return texts.setdefault(text_key(text), text)

    answers: dict[str, dict[str, None]] = {}
    negatives: dict[str, dict[str, None]] = {}
    queries: dict[str, str] = {}
    for question in questions:
        query = valid_text(question.query)
        key = text_key(query)
        queries.setdefault(key, query)
        answers.setdefault(key, {}).update(dict.fromkeys(map(kept, question.answers)))
        negatives.setdefault(key, {}).update(dict.fromkeys(map(kept, question.negatives)))
    merged = [
        LabelledQuestion(
            query,
            tuple(answers[key]),
            tuple(text for text in negatives[key] if text not in answers[key]),
        )
        for key, query in queries.items()
    ]
    for text in corpus:
        if text:
            kept(text)
    return TrainingData(name, merged, list(texts.values()))


def text_key(text: str) -> str:
    """The text without differences in white space and case, for comparing texts."""
    return " ".join(text.split()).casefold()
