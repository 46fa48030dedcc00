"""`rerank rank --run`: a TREC run in, a TREC run out."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.cli import main
from rerank_plugins.cli.trec import read_run_requests
from rerank_plugins.formats.topics import read_topics

DOCUMENTS = {
    "d1": "Soap was made in Aleppo long before it reached Europe.",
    "d2": "A soap molecule has one end that clings to grease and one that clings to water.",
    "d3": "Hard water leaves grey scum in the bath.",
    "d4": "The Moon turns once for each trip round the Earth.",
}
QUERIES = {"q2": "why does soap remove grease", "q1": "why do we see one side of the moon"}
RUN = """q2 Q0 d1 1 9.5 bm25
q2 Q0 d3 2 9.5 bm25
q1 Q0 d3 1 1e0 bm25
q2 Q0 d2 3 0.25 bm25

q1\tQ0\td4\t2\t-0.5\tbm25
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    contents = {
        "run": RUN,
        "queries": "".join(f"{id}\t{text}\n" for id, text in QUERIES.items()),
        "corpus": "".join(
            json.dumps({"_id": id, "title": "", "text": text}) + "\n"
            for id, text in DOCUMENTS.items()
        ),
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return {name: tmp_path / name for name in contents}


def arguments(files: dict[str, Path]) -> list[str]:
    given = [f"--{name}={path}" for name, path in files.items()]
    return ["rank", *given]


def wanted() -> str:
    with Reranker(CrossEncoderScorer("embedded"), scale="logit") as reranker:
        lines = []
        for query, ids in (("q2", ["d1", "d3", "d2"]), ("q1", ["d3", "d4"])):
            ranking = reranker.rank(QUERIES[query], [DOCUMENTS[id] for id in ids])
            lines += [
                f"{query} Q0 {ids[ranked.index]} {rank} {ranked.score:.3f}"
                for rank, ranked in enumerate(ranking, start=1)
            ]
    return "\n".join(lines)


def rounded(run: str) -> str:
    rows = [line.split() for line in run.splitlines()]
    assert {row[5] for row in rows} == {"rerank-plugins"}
    return "\n".join(" ".join([*row[:4], f"{float(row[4]):.3f}"]) for row in rows)


@pytest.mark.parametrize("form", ["topics", "tab-separated corpus"])
def test_queries_may_be_topics_and_a_corpus_lines(
    files: dict[str, Path], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if form == "topics":
        topics = (f"<top>\n<num> {id}\n<title> {text}\n</top>\n" for id, text in QUERIES.items())
        files["queries"].write_text("\n" + "".join(topics))
    else:
        files["corpus"].write_text("".join(f"{id}\t{text}\n" for id, text in DOCUMENTS.items()))
    assert main(arguments(files)) == 0
    assert rounded(capsys.readouterr().out) == wanted()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_run_is_answered_with_a_run(
    files: dict[str, Path], packed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if packed:
        for path in files.values():
            path.write_bytes(gzip.compress(path.read_bytes()))
    assert main(arguments(files)) == 0
    captured = capsys.readouterr()
    assert rounded(captured.out) == wanted()
    assert captured.err == (
        f"note: {files['run']}: 1 of 5 scores are equal to a score before them, in single "
        "precision; equal ones are ordered as trec_eval does, by falling id\n"
    )


def test_queries_in_json_lines(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.dumps({"_id": id, "text": text}) for id, text in QUERIES.items()]
    files["queries"].write_text("\n".join(rows))
    assert main(arguments(files)) == 0
    assert rounded(capsys.readouterr().out) == wanted()


def test_a_run_written_to_a_file_can_be_reranked_again(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first.run"
    assert main([*arguments(files), "--output", str(first)]) == 0
    assert "5 passages written" in capsys.readouterr().err
    assert main(arguments({**files, "run": first})) == 0
    assert capsys.readouterr().out == first.read_text()


def test_json_has_the_passages_of_each_query_with_their_texts(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(files), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["query_id"], row["query"]) for row in rows] == list(QUERIES.items())
    lines = [
        f"{row['query_id']} Q0 {passage['id']} {rank} {passage['score']:.3f}"
        for row in rows
        for rank, passage in enumerate(row["ranking"], start=1)
    ]
    assert "\n".join(lines) == wanted()
    assert rows[0]["ranking"][0]["text"] == DOCUMENTS[rows[0]["ranking"][0]["id"]]
    assert {passage["scale"] for row in rows for passage in row["ranking"]} == {"logit"}


def test_top_k_and_threshold_count_for_each_query(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(files), "--top-k", "1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["q2", "q1"]
    assert main([*arguments(files), "--score-threshold", "1000"]) == 0
    assert capsys.readouterr().out == ""


def test_equal_scores_of_a_run_are_ordered_as_trec_eval_orders_them(
    files: dict[str, Path],
) -> None:
    requests = read_run_requests(*(str(files[name]) for name in ("run", "queries", "corpus")))
    assert [(request.id, [passage.id for passage in request.passages]) for request in requests] == [
        ("q2", ["d3", "d1", "d2"]),
        ("q1", ["d3", "d4"]),
    ]


def test_identical_passages_of_a_run_keep_their_order_in_what_is_written(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files["corpus"].write_text("".join(f"{id}\tThe Moon.\n" for id in DOCUMENTS))
    assert main(arguments(files)) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[2] for row in rows] == ["d3", "d1", "d2", "d3", "d4"]
    found = [np.float32(row[4]) for row in rows]
    assert found[0] > found[1] > found[2]
    assert found[3] > found[4]


def test_the_number_of_a_topic_need_not_be_its_first_attribute() -> None:
    line = '<topic type="faceted" id="a" number="7"><query>soap</query></topic>'
    for lines in ([line], ["<topic-set>", line, "</topic-set>"]):
        assert read_topics(lines, "topics") == {"7": "soap"}


@pytest.mark.parametrize("title", ["is 2 < 3 and 3 <= 4", "hearts <3", "is x<y or a <b"])
def test_a_sign_that_begins_no_tag_is_part_of_the_title(title: str) -> None:
    for topic in (f"<title> {title} </title>", f"<title> {title}\n<desc> Other."):
        lines = ["<top>", "<num> 7", *topic.splitlines(), "</top>"]
        assert read_topics(lines, "topics") == {"7": title}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run", "q1 Q0 d1 1 bm25", "line 1 is not a line of a TREC run"),
        ("run", "q1 Q0 d1 1 high bm25", "line 1 is not a line of a TREC run"),
        ("run", "q1 Q0 d1 1 nan bm25", "line 1 is not a line of a TREC run"),
        ("run", "q1 Q0 d1 1 2 a\nq1 Q0 d1 2 1 a", "line 2 names document 'd1' again"),
        ("run", "q9 Q0 d1 1 2 a", "1 of the 1 queries"),
        ("run", "q1 Q0 d1 1 2 a\nq1 Q0 d9 2 1 a", "1 of the 2 documents"),
        ("queries", "q1 without a tab", "line 1 has no tab"),
        ("queries", '{"text": "no id"}', "has no id. Give each query an id"),
        ("queries", '{"_id": 1}', "needs a string under one of text, query, question"),
        ("corpus", '{"text": "no id"}', "has no id. Give each document an id"),
        ("corpus", '{"_id": 1', "line 1 is not JSON"),
        ("corpus", "d1\tone\nd1\ttwo", "has the id 'd1' twice"),
        ("queries", "q1\tone\nq1\ttwo", "has the id 'q1' twice"),
        ("corpus", "no tab", "Documents are JSON Lines"),
        ("queries", "<top>\n<num> 1\n</top>", "topic 1 lacks a <num> or a <title>"),
        ("queries", "<top>\n<num> 1\n<title> x", "no </top>"),
        (
            "queries",
            "<top><num> 1 <title> x </top>\n<top><num> 1 <title> y </top>",
            "has the id '1' twice, with different texts",
        ),
    ],
)
def test_files_that_do_not_fit_are_one_line_on_standard_error(
    files: dict[str, Path],
    name: str,
    content: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files[name].write_text(content)
    assert main(arguments(files)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert said in captured.err
