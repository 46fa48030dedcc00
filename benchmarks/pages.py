"""Builds long passages whose answer is known: paragraphs of one title, joined into pages.

python -m benchmarks.pages DATA OUT [--recipe FILE] [--later FILE] [--source NAME]...
    [--words LEAST MOST] [--seed N]

DATA holds the training sources of the embedded model; those that become pages have a `title` in
their rows. Only questions about paragraphs that the recipe holds out of training are asked, and
none about paragraphs that the later recipe, which trained its model further, drew. Each source
becomes up to three collections in BEIR's layout:

- SOURCE-pages: pages of LEAST to MOST words (300 to 1,500 by default); the right paragraph is at a
  random place;
- SOURCE-far: the right paragraph is behind token 512. All pages of a title have the same other
  paragraphs, so their beginnings do not tell which page is right;
- SOURCE-alone: the same as SOURCE-far, with that paragraph alone as the whole passage.

answers.jsonl says where in the field `text` the right paragraph is, in characters. candidates.trec
of SOURCE-far and SOURCE-alone has pages of the question's title in random order.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

from embedded_model.questions.judged import held_out
from embedded_model.questions.loading import drawn_queries
from embedded_model.recipe.config import TrainingConfig
from embedded_model.sources.pairs import read_pairs
from rerank_plugins.formats.lines import json_rows, read_lines
from rerank_plugins.formats.runs import write_run
from rerank_plugins.models.references import EMBEDDED_FOLDER

SOURCES = ("docs_headings", "squad11_dev", "selqa")
RECIPE = Path("examples/embedded_model/recipes/third-version.toml")
LATER = Path("examples/embedded_model/recipes/fourth-version.toml")
"""Holds out other paragraphs than `RECIPE`, but draws only some of those that it may train on."""

BETWEEN = "\n\n"
WORDS = (300, 1500)
"""The least and the most words of a page before its last paragraph."""

FAR = 512
"""Tokens before the right paragraph of a far page: as many as most models read."""

CANDIDATES = (10, 20)
"""The least and the most pages that are ranked for a question about far pages."""


@dataclass(frozen=True, slots=True)
class Source:
    """Paragraphs by title, and the questions about some of them.

    Attributes:
        titles: Title to its distinct paragraphs; a paragraph has one title.
        questions: Question to the paragraphs that answer it.
    """

    titles: Mapping[str, list[str]]
    questions: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """Paragraphs joined into one text.

    Attributes:
        title: What its paragraphs are about.
        text: The paragraphs, in order.
        places: Paragraph to its first character in `text` and the one behind its last.
    """

    title: str
    text: str
    places: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, title: str, paragraphs: Sequence[str]) -> "Page":
        """The page of these paragraphs."""
        places, start = {}, 0
        for paragraph in paragraphs:
            places[paragraph] = (start, start + len(paragraph))
            start += len(paragraph) + len(BETWEEN)
        return cls(title, BETWEEN.join(paragraphs), places)


@dataclass(slots=True)
class Built:
    """A collection of pages.

    Attributes:
        pages: Id to page.
        page_of: Paragraph that a question may ask for, to the id of its page.
        candidates: Question to the ids of the pages to rank, if they are given.
    """

    pages: dict[str, Page] = field(default_factory=dict)
    page_of: dict[str, str] = field(default_factory=dict)
    candidates: dict[str, list[str]] = field(default_factory=dict)


def read_source(
    data: Path, name: str, recipe: TrainingConfig, drawn: Set[str] = frozenset()
) -> Source:
    """The paragraphs of a source, and the questions to ask about those that are held out.

    Args:
        data: Folder with one folder per source.
        name: The source's.
        recipe: Says which paragraphs are held out.
        drawn: As in `held_out`.
    """
    (path,) = (data / name).glob("pairs.jsonl*")
    titles: dict[str, list[str]] = {}
    for paragraph, title in {
        row["positive"]: row["title"] for _, row in json_rows(read_lines(path), str(path))
    }.items():
        # selqa's titles are "article - section".
        article = title.partition(" - ")[0] if name == "selqa" else title
        titles.setdefault(article, []).append(paragraph)
    pairs = read_pairs(data, name)
    questions: dict[str, list[str]] = {pair.query: [] for pair in held_out(pairs, recipe, drawn)}
    for pair in pairs:
        if pair.query in questions:
            questions[pair.query].append(pair.passage)
    return Source(titles, questions)


def joined_pages(source: Source, rng: random.Random, words: tuple[int, int] = WORDS) -> Built:
    """Each title's paragraphs in random order, as pages of so many words at random."""
    built = Built()
    for number, (title, paragraphs) in enumerate(source.titles.items()):
        if sum(map(_words, paragraphs)) < words[0]:
            continue
        for part, run in enumerate(_runs(rng.sample(paragraphs, len(paragraphs)), rng, words)):
            built.pages[f"{number}-{part}"] = Page.of(title, run)
            built.page_of |= dict.fromkeys(run, f"{number}-{part}")
    return built


def far_pages(source: Source, rng: random.Random) -> tuple[Built, Built]:
    """Pages with one paragraph of their own behind token 512, and these paragraphs alone."""
    asked = {paragraph for answers in source.questions.values() for paragraph in answers}
    far, alone = Built(), Built()
    for number, (title, paragraphs) in enumerate(source.titles.items()):
        shared = _enough([each for each in paragraphs if each not in asked], rng)
        own = [paragraph for paragraph in paragraphs if paragraph not in shared]
        too_short = _place_behind(shared) == len(shared)
        if too_short or len(own) < CANDIDATES[0] or not asked.intersection(own):
            continue
        ids = {paragraph: f"{number}-{part}" for part, paragraph in enumerate(own)}
        for paragraph, page in ids.items():
            around = rng.sample(shared, len(shared))
            around.insert(_place_behind(around), paragraph)
            far.pages[page] = Page.of(title, around)
            alone.pages[page] = Page.of(title, [paragraph])
        far.page_of |= ids
    for question, answers in source.questions.items():
        right = [far.page_of[paragraph] for paragraph in answers if paragraph in far.page_of]
        if right:
            title = far.pages[right[0]].title
            wrong = [
                id for id, page in far.pages.items() if page.title == title and id not in right
            ]
            found = [*right, *rng.sample(wrong, min(len(wrong), CANDIDATES[1] - len(right)))]
            far.candidates[question] = rng.sample(found, len(found))
    alone.page_of, alone.candidates = far.page_of, far.candidates
    return far, alone


def write(folder: Path, built: Built, questions: Mapping[str, Sequence[str]]) -> None:
    """Writes a collection in BEIR's layout, with the places of answers and the candidates."""
    folder.mkdir(parents=True)
    corpus = [
        {"_id": id, "title": page.title, "text": page.text} for id, page in built.pages.items()
    ]
    queries, answers = [], []
    run: dict[str, dict[str, float]] = {}
    for number, (question, paragraphs) in enumerate(questions.items()):
        found = [paragraph for paragraph in paragraphs if paragraph in built.page_of]
        if not found:
            continue
        query = f"q{number}"
        queries.append({"_id": query, "text": question})
        for paragraph in found:
            id = built.page_of[paragraph]
            start, end = built.pages[id].places[paragraph]
            answers.append({"query": query, "passage": id, "start": start, "end": end})
        if question in built.candidates:
            places = enumerate(built.candidates[question])
            run[query] = {id: float(-place) for place, id in places}
    judged = dict.fromkeys(f"{each['query']}\t{each['passage']}\t1\n" for each in answers)
    for name, rows in (("corpus", corpus), ("queries", queries), ("answers", answers)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "qrels.tsv").write_text(
        "".join(["query-id\tcorpus-id\tscore\n", *judged]), encoding="utf-8"
    )
    if run:
        write_run(run, folder / "candidates.trec")


def main() -> None:
    """Writes the collections of each source."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--later", type=Path, default=LATER)
    parser.add_argument("--source", action="append", help=f"{', '.join(SOURCES)} unless given")
    parser.add_argument("--words", type=int, nargs=2, default=WORDS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    recipe = TrainingConfig.from_toml(given.recipe)
    drawn = drawn_queries(TrainingConfig.from_toml(given.later), given.data)
    for name in given.source or SOURCES:
        source = read_source(given.data, name, recipe, drawn)
        rng = random.Random(f"{given.seed} {name}")
        write(
            given.out / f"{name}-pages",
            joined_pages(source, rng, tuple(given.words)),
            source.questions,
        )
        far, alone = far_pages(source, rng)
        if far.pages:
            write(given.out / f"{name}-far", far, source.questions)
            write(given.out / f"{name}-alone", alone, source.questions)


def _runs(paragraphs: Sequence[str], rng: random.Random, words: tuple[int, int]) -> list[list[str]]:
    """Paragraphs cut into runs of a random number of words; what is left joins the last run."""
    runs: list[list[str]] = []
    run: list[str] = []
    wanted = rng.randint(*words)
    for paragraph in paragraphs:
        run.append(paragraph)
        if sum(map(_words, run)) >= wanted:
            runs.append(run)
            run, wanted = [], rng.randint(*words)
    if runs:
        runs[-1] += run
    return runs or [run]


def _enough(paragraphs: Sequence[str], rng: random.Random) -> list[str]:
    """Random paragraphs of `FAR` tokens, and one more to come behind the right one."""
    order = rng.sample(paragraphs, len(paragraphs))
    return order[: _place_behind(order) + 1]


def _place_behind(paragraphs: Sequence[str]) -> int:
    """How many paragraphs, from the first, have `FAR` tokens together."""
    tokens = 0
    for place, paragraph in enumerate(paragraphs):
        if tokens >= FAR:
            return place
        tokens += _tokens(paragraph)
    return len(paragraphs)


def _words(paragraph: str) -> int:
    return len(paragraph.split())


@cache
def _tokens(paragraph: str) -> int:
    return len(_tokenizer().encode(paragraph, add_special_tokens=False))


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(EMBEDDED_FOLDER / "tokenizer.json"))
    tokenizer.no_truncation()
    return tokenizer


if __name__ == "__main__":
    main()
