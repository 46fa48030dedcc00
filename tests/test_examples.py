"""The examples run from the first line to the last, and say nothing but what they print."""

import io
import json
import os
import re
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.domain import domain_rows, write_pairs
from tests.forked import forked_process
from tests.handbook import questions_that_need_a_reranker

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_script(path: Path, *arguments: str) -> tuple[str, str]:
    """What a script says to standard output and standard error."""
    os.chdir(path.parent)
    sys.argv = [str(path), *arguments]
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        runpy.run_path(str(path), run_name="__main__")
    return output.getvalue(), errors.getvalue()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*_rag.py")), ids=lambda path: path.stem)
def test_example(path: Path) -> None:
    with forked_process() as process:
        printed, complained = process.submit(run_script, path).result()
    assert "Traceback" not in complained
    _, without, reranked = printed.split("--- with")
    answers = [
        question.answer
        for question in questions_that_need_a_reranker()
        if question.query in printed
    ]
    assert len(answers) == 1
    assert answers[0] not in without
    assert answers[0] in reranked


def test_a_question_that_the_handbook_does_not_answer_takes_the_other_branch() -> None:
    with forked_process() as process:
        printed, complained = process.submit(
            run_script, EXAMPLES / "haystack_no_answer.py"
        ).result()
    assert "Traceback" not in complained
    answered, _, not_answered = printed.partition("--- which airline")
    assert "The widest label roll that fits a Pressa P212" in answered
    assert "The handbook does not answer that." in not_answered


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*_hybrid.py")), ids=lambda path: path.stem)
def test_hybrid_search_prints_what_its_page_says(path: Path) -> None:
    with forked_process() as process:
        printed, complained = process.submit(run_script, path).result()
    assert "Traceback" not in complained
    page = (EXAMPLES.parent / "docs" / "hybrid-search.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `python examples/{path.name}` \|(.+)\|$", page, re.M)
    assert row
    merged, reranked, fused = map(int, row[1].split("|"))
    assert re.findall(r"(\w.*\w) +(\d+) of 12", printed) == [
        ("merged", str(merged)),
        ("reranked", str(reranked)),
        ("reranked and fused", str(fused)),
    ]
    assert reranked > merged


def test_adapting_shows_both_collections_before_and_after(tiny_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    rows = domain_rows()[:4]
    for name, key in (("corpus", "positive"), ("queries", "query")):
        lines = (json.dumps({"_id": str(n), "text": row[key]}) for n, row in enumerate(rows))
        (other / f"{name}.jsonl").write_text("\n".join(lines))
    judged = "".join(f"{n}\t{n}\t1\n" for n in range(len(rows)))
    (other / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    pairs = write_pairs(tmp_path / "animals.jsonl")
    arguments = (EXAMPLES / "adapt_to_a_domain.py", str(pairs), str(other))
    options = [f"--output={tmp_path / 'out'}", f"--model={tiny_model}", "--max-length=32"]
    with forked_process() as process:
        printed, _ = process.submit(run_script, *arguments, *options).result()
    number = r"+\d+\.\d"
    for name, count in (("animals, held out", 6), ("other", 4)):
        assert re.search(rf"^{name} +{count} {number} {number} {number}", printed, re.M)
