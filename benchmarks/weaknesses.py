"""Measures the embedded model's weaknesses on the demo's questions: the figures of its card.

python -m benchmarks.weaknesses [MODEL]
"""

import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.ranking import say, say_how
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.texts.sentences import sentence_spans

RUNS, SHORTEST, LONGEST = 20, 8, 200
"""Random runs of words per question, and their shortest and longest length in words."""

PAGES, PAGE_WORDS = 20, 450
"""Pages per question on other subjects, longer than the model reads."""


def noise() -> dict[str, str]:
    """Texts that answer no question of the demo."""
    letters = np.random.default_rng(1).choice([*"abcdefghijklmnopqrstuvwxyz    "], 300)
    return {
        "empty text": "",
        "punctuation": "!!! ??? ...",
        "random letters": "".join(letters),
        "Japanese": "花は朝に開き、夜に閉じます。",
        "German": "Der Zug nach Hamburg fährt heute zehn Minuten später vom Gleis sieben ab.",
        "French": "Le train pour Lyon part ce soir du quai numéro trois avec du retard.",
        "code": "def resize(image, width):\n    ratio = width / image.width\n"
        "    return image.scale(ratio)",
        "filler text": "lorem ipsum dolor sit amet " * 200,
    }


def pages() -> list[str]:
    """Pages on another subject: runs of this project's licence."""
    words = Path("LICENSE").read_text(encoding="utf-8").split()
    starts = np.linspace(0, len(words) - PAGE_WORDS, PAGES).astype(int)
    return [" ".join(words[start : start + PAGE_WORDS]) for start in starts]


def code_of(query: str) -> str:
    """Code that contains all of the query's words but no information."""
    words = "".join(c if c.isalnum() else " " for c in query).split()
    return f"def {'_'.join(words)}({', '.join(words)}):\n    return [{'.'.join(words)}()]"


def buried(sentence: str, passage: str) -> str:
    """A passage with a sentence of another in its middle."""
    around = [passage[start:end] for start, end in sentence_spans(passage)]
    middle = len(around) // 2
    return " ".join([*around[:middle], sentence, *around[middle:]])


def found_when_buried(scorer: CrossEncoderScorer) -> int:
    """For how many questions a passage about something else is best because it has the answer.

    The answer is the sentence that scores best of its passage. In its own passage's place stands
    another passage, far away in the corpus, with this sentence in its middle.
    """
    corpus = load_corpus()
    texts = [f"{passage.title} {passage.text}" for passage in corpus]
    places = {passage.id: place for place, passage in enumerate(corpus)}
    found = 0
    for question in load_questions():
        place = places[question.answer]
        text = corpus[place].text
        sentences = [text[start:end] for start, end in sentence_spans(text)]
        best = sentences[int(np.argmax(scorer.score(question.query, sentences)))]
        other = (place + len(corpus) // 2) % len(corpus)
        mixed = f"{corpus[other].title} {buried(best, corpus[other].text)}"
        rest = [one for at, one in enumerate(texts) if at not in (place, other)]
        scores = scorer.score(question.query, [mixed, *rest])
        found += int(np.argmax(scores) == 0)
    return found


def main() -> None:
    """Prints for how many questions each kind of text scores above the answer."""
    corpus = load_corpus()
    texts = {passage.id: f"{passage.title} {passage.text}" for passage in corpus}
    words = " ".join(passage.text for passage in corpus).split()
    generator = np.random.default_rng(0)
    kinds, unrelated = noise(), pages()
    above = dict.fromkeys(["the query forty times", "code of its words", "noise", "a page"], 0)
    correlations = []
    questions = load_questions()
    with CrossEncoderScorer(*(sys.argv[1:] or ["embedded"])) as scorer:
        for question in questions:
            query, answer = question.query, texts[question.answer]
            heaps = [" ".join([query] * 40), code_of(query)]
            scores = scorer.score(query, [answer, *heaps, *kinds.values(), *unrelated])
            higher = scores[1:] > scores[0]
            above["the query forty times"] += int(higher[0])
            above["code of its words"] += int(higher[1])
            above["noise"] += int(higher[2 : 2 + len(kinds)].sum())
            above["a page"] += int(higher[2 + len(kinds) :].any())
            lengths = generator.integers(SHORTEST, LONGEST, size=RUNS)
            starts = generator.integers(0, len(words) - LONGEST, size=RUNS)
            runs = [" ".join(words[at : at + n]) for at, n in zip(starts, lengths, strict=True)]
            correlations.append(spearmanr(lengths, scorer.score(query, runs)).statistic)
        deep = found_when_buried(scorer)
    for kind, count in above.items():
        of = len(questions) * (len(kinds) if kind == "noise" else 1)
        say(f"above the answer: {kind}: {count} of {of}")
    say(f"best with the answer's sentence in another passage: {deep} of {len(questions)}")
    error = np.std(correlations, ddof=1) / np.sqrt(len(correlations))
    say(f"correlation of score and length: {np.mean(correlations):.2f} +- {error:.2f}")
    say_how("benchmarks.weaknesses")


if __name__ == "__main__":
    main()
