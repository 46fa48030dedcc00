"""Every dialect of the server, over a port: what it answers, and what it says to bad input."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY
from rerank_plugins.server.options import DialectName
from rerank_plugins.server.routes import CHOICES, ROUTES, examples_of
from rerank_plugins.testing import DeterministicScorer
from tests.pages import ROOT, difference
from tests.servers import served

EXAMPLES = [
    (route, name, dict(body)) for route in ROUTES for name, body in examples_of(route).items()
]
IDS = [f"{route} {name}" for route, name, _ in EXAMPLES]
NAMED = {"vllm-score", "llama.cpp", "tei-tokenize"}
"""Dialects whose example has no model, and whose body may have one."""

HAVE_TOP_N = {"auto", "cohere-v2", "llama.cpp", "mixedbread", "voyage"}
"""Dialects in which a request may say how many texts come back."""

UNPROCESSABLE = {"tei", "tei-predict", "tei-tokenize", "nim"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served(max_documents=50, max_characters=100_000) as (_, client):
        yield client


@pytest.fixture(scope="module")
def reranker() -> Iterator[Reranker]:
    with CrossEncoderScorer("embedded") as scorer:
        yield Reranker(scorer)


def rows_of(body: Any) -> list[Any]:
    """The list of results in an answer of any dialect."""
    names = ("results", "data", "scores", "rankings")
    found = body if isinstance(body, list) else next(body[n] for n in names if n in body)
    assert isinstance(found, list)
    # text-embeddings-inference gives each pair a list of its labels.
    labelled = bool(found) and isinstance(found[0], list)
    return [{**row, "index": at} for at, [row] in enumerate(found)] if labelled else found


def score_of(row: Any) -> float:
    names = ("score", "relevance_score", "logit")
    return float(row if isinstance(row, float) else next(row[n] for n in names if n in row))


@pytest.mark.parametrize(
    ("route", "name", "body"),
    [one for one in EXAMPLES if one[1] != "tei-tokenize"],
    ids=[one for one in IDS if "tokenize" not in one],
)
def test_each_dialect_gives_the_order_and_the_scores_of_the_library(
    route: str, name: str, body: dict[str, Any], client: httpx.Client, reranker: Reranker
) -> None:
    answer = client.post(route, json=body)
    assert answer.status_code == 200, answer.text
    rows = rows_of(answer.json())
    scale = "logit" if name in ("nim", "llama.cpp") else "probability"
    wanted = reranker.rank(QUERY, DOCUMENTS, scale=scale)  # type: ignore[arg-type]
    ranked = [(one.index, one.score) for one in wanted]
    if name in ("vllm-score", "tei-predict"):
        ranked.sort()
    assert [row["index"] for row in rows] == [index for index, _ in ranked][: len(rows)]
    assert [score_of(row) for row in rows] == pytest.approx(
        [score for _, score in ranked][: len(rows)], abs=1e-5
    )
    assert len(rows) == (1 if 1 in (body.get("top_n"), body.get("top_k")) else 2)


def pages_curls() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(curl .*?)```\n\n```json\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(("line", "shown"), pages_curls(), ids=range(len(pages_curls())))
def test_a_curl_of_the_page_prints_what_the_page_says(
    line: str, shown: str, client: httpx.Client
) -> None:
    _, url, option, body = shlex.split(line.replace("\\\n", " "))
    assert option == "-d"
    printed = client.post(url.removeprefix("http://localhost:8080"), content=body).text
    printed = re.sub(r'"id":"\w+"', '"id":"…"', printed)
    printed = re.sub(r'"created":\d+', '"created":0', printed)
    assert difference(printed, shown) is None


def test_the_page_has_a_curl_for_each_dialect() -> None:
    routes = {re.findall(r"8080(\S+)", line)[0] for line, _ in pages_curls()}
    assert len(pages_curls()) == 12
    assert routes <= ROUTES.keys()


def test_text_embeddings_inference_has_its_own_fields(client: httpx.Client) -> None:
    body = {"query": QUERY, "texts": DOCUMENTS}
    plain = client.post("/rerank", json={**body, "model": "any", "top_n": 1}).json()
    assert [set(row) for row in plain] == [{"index", "score"}] * 2
    asked = {"return_text": True, "raw_scores": True, "truncate": None}
    raw = client.post("/rerank", json={**body, **asked}).json()
    assert [row["text"] for row in raw] == [DOCUMENTS[row["index"]] for row in raw]
    assert raw[1]["score"] < 0


def test_tokens_and_times_are_what_the_engine_says(
    client: httpx.Client, reranker: Reranker
) -> None:
    work = reranker.rank(QUERY, DOCUMENTS).work
    assert work is not None
    for body in ({"texts": DOCUMENTS}, {"documents": DOCUMENTS}):
        answer = client.post("/rerank", json={"query": QUERY, **body})
        facts = answer.headers
        assert facts["x-compute-type"] == "gpu+optimized"
        assert facts["x-compute-tokens"] == str(work.tokens)
        assert facts["x-compute-characters"] == str(2 * len(QUERY) + sum(map(len, DOCUMENTS)))
        parts = ("tokenization", "queue", "inference")
        spent = [int(facts[f"x-{part}-time"]) for part in parts]
        assert sum(spent) <= int(facts["x-total-time"]) + len(spent)  # each is rounded
    usage = {"prompt_tokens": work.tokens, "total_tokens": work.tokens}
    assert answer.json()["usage"] == usage
    pairs = client.post("/score", json={"text_1": QUERY, "text_2": DOCUMENTS}).json()
    assert pairs["usage"] == usage


def test_equal_scores_keep_the_order_of_the_request(client: httpx.Client) -> None:
    rows = client.post("/rerank", json={"query": QUERY, "texts": ["same"] * 5}).json()
    assert [row["index"] for row in rows] == [0, 1, 2, 3, 4]


def test_documents_may_be_objects_and_come_back_as_they_were(client: httpx.Client) -> None:
    documents = [{"title": "Dough", "text": DOCUMENTS[1]}, {"title": "Roofs", "n": "1"}]
    body = {"query": QUERY, "documents": documents, "top_n": 0}
    answer = client.post("/v1/rerank", json=body).json()
    assert [row["document"] for row in answer["results"]] == documents
    some = client.post("/v1/rerank", json={**body, "rank_fields": ["title"]})
    assert some.status_code == 200


def test_voyage_gives_documents_as_strings(client: httpx.Client) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "top_k": 1, "return_documents": True}
    answer = client.post("/v1/rerank", json=body).json()
    assert answer["data"][0]["document"] == DOCUMENTS[1]
    assert set(answer) == {"object", "data", "model", "usage"}


def test_mixedbread_gives_documents_as_they_were_and_says_what_was_asked(
    client: httpx.Client,
) -> None:
    documents = [DOCUMENTS[0], {"name": "Dough", "text": DOCUMENTS[1]}]
    body = {"query": QUERY, "input": documents, "return_input": True}
    answer = client.post("/v1/reranking", json=body).json()
    assert [row["input"] for row in answer["data"]] == documents[::-1]
    assert {row["object"] for row in answer["data"]} == {"rank_result"}
    assert (answer["top_k"], answer["return_input"], answer["object"]) == (2, True, "list")
    few = client.post("/v1/reranking", json={**body, "top_k": 1, "return_input": False}).json()
    assert (few["top_k"], few["return_input"], len(few["data"])) == (1, False, 1)
    assert "input" not in few["data"][0]
    one = client.post(
        "/v1/reranking", json={**body, "rank_fields": ["name"], "input": documents[1:]}
    )
    assert one.status_code == 200
    wrong = client.post("/v1/reranking", json={**body, "input": [1]})
    assert wrong.json()["message"].startswith("`input[0]` must be a string or an object")


def test_score_takes_as_many_queries_as_texts(client: httpx.Client, reranker: Reranker) -> None:
    pairs = [(QUERY, DOCUMENTS[1]), ("roofs of copper", DOCUMENTS[0])]
    queries, texts = zip(*pairs, strict=True)
    answer = client.post("/v1/score", json={"data_1": queries, "data_2": texts}).json()
    wanted = reranker.score_pairs(pairs)
    assert [row["score"] for row in answer["data"]] == pytest.approx(wanted, abs=1e-5)
    inputs = client.post("/", json={"inputs": pairs}).json()
    assert inputs["scores"] == pytest.approx(wanted, abs=1e-5)
    predicted = client.post("/predict", json={"inputs": pairs}).json()
    assert [one["score"] for [one] in predicted] == pytest.approx(wanted, abs=1e-5)
    [alone] = client.post("/predict", json={"inputs": pairs[0], "raw_scores": True}).json()
    assert alone["label"] == "LABEL_0"
    assert alone["score"] == pytest.approx(reranker.scorer.score(*pairs[0][:1], [pairs[0][1]])[0])
    body = {"inputs": {"query": QUERY, "texts": DOCUMENTS}}
    assert client.post("/predict", json=body).json()["scores"][0]["index"] == 1
    single = client.post("/predict", json={"inputs": ["a", ["b", "c"]]})
    assert (single.status_code, "no single texts" in single.text) == (422, True)


def test_score_refuses_other_numbers_of_queries(client: httpx.Client) -> None:
    answer = client.post("/score", json={"text_1": ["a", "b"], "text_2": ["c", "d", "e"]})
    assert answer.status_code == 400
    assert "one text in `text_1`" in answer.json()["error"]["message"]


@pytest.mark.parametrize("own", [{"score_threshold": 0.5}, {"scale": "logit"}], ids=str)
def test_keys_of_our_own_go_with_every_dialect_that_ranks(
    own: dict[str, Any], client: httpx.Client, reranker: Reranker
) -> None:
    wanted = [(one.index, one.score) for one in reranker.rank(QUERY, DOCUMENTS, **own)]
    for body in ({"texts": DOCUMENTS}, {"documents": DOCUMENTS}):
        rows = rows_of(client.post("/rerank", json={"query": QUERY, **body, **own}).json())
        assert [row["index"] for row in rows] == [index for index, _ in wanted]
        scores = [score for _, score in wanted]
        assert [score_of(row) for row in rows] == pytest.approx(scores, abs=1e-5)


def test_the_first_stages_opinion_counts(client: httpx.Client) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "first_stage_weight": 1000}
    rows = client.post("/v1/rerank", json=body).json()["results"]
    assert [row["index"] for row in rows] == [0, 1]
    assert all(0 <= row["relevance_score"] <= 1 for row in rows)


def test_what_a_time_budget_leaves_out_is_said(client: httpx.Client) -> None:
    body = {"query": QUERY, "documents": [f"{n} {DOCUMENTS[1]}" for n in range(50)]}
    answer = client.post("/v1/rerank", json={**body, "time_budget": 1e-6})
    scored = len(answer.json()["results"])
    assert scored < 50
    assert answer.headers["x-scored"] == f"{scored}/50"
    assert f"{50 - scored} of 50" in answer.json()["meta"]["warnings"][0]


def test_a_text_that_must_not_be_cut_is_refused(tiny_model: Path) -> None:
    tiny = {"tiny": Reranker(CrossEncoderScorer(tiny_model, max_length=16))}
    with tiny["tiny"].scorer, served(tiny) as (_, client):
        body = {"query": "fox", "texts": ["a dog", "fox " * 50]}
        assert client.post("/rerank", json=body).status_code == 200
        for key in ({}, {"truncation_direction": "Left"}, {"score_threshold": 1.0}):
            answer = client.post("/rerank", json=body | {"truncate": False} | key)
            assert answer.status_code == 422
            assert answer.json()["error"].startswith("Text 1 and the query are longer")
        assert 'te_request_failure{err="tokenization"} 3.0' in client.get("/metrics").text
        short = {"query": "fox", "texts": ["a dog"], "truncate": False}
        assert client.post("/rerank", json=short).status_code == 200


@pytest.mark.parametrize(
    "keys",
    [
        {"score_threshold": 0.3},
        {"score_threshold": 0.3, "top_k": 1},
        {"score_threshold": 0.3, "first_stage_weight": 5},
        {"score_threshold": -2, "scale": "logit"},
        {"score_threshold": 0.2, "scale": "calibrated", "first_stage_weight": "auto"},
        {"score_threshold": 2},
    ],
    ids=str,
)
def test_a_threshold_keeps_the_same_whether_texts_may_be_cut_or_not(keys: dict[str, Any]) -> None:
    body = {"query": QUERY, "documents": ["sand", *DOCUMENTS, "Bread dough rises."], **keys}
    with served() as (_, client):
        either, whole = (
            client.post("/v1/rerank", json={**body, "truncation": may_cut})
            for may_cut in (True, False)
        )
    assert (whole.status_code, whole.json()) == (either.status_code, either.json())
    assert len(whole.json().get("data", ())) < len(body["documents"])


def test_an_option_settles_what_a_body_cannot_tell() -> None:
    assert tuple(CHOICES) == get_args(DialectName)
    body = {"query": QUERY, "documents": DOCUMENTS}
    shown = {}
    for dialect in get_args(DialectName):
        with served(dialect=dialect) as (_, client):
            answer = client.post("/v1/rerank", json=body).json()
            row = rows_of(answer)[1]
            shown[dialect] = ("data" in answer, "document" in row, score_of(row) < 0)
    assert shown == {
        "auto": (False, True, False),
        "cohere": (False, False, False),
        "jina": (False, True, False),
        "vllm": (False, True, False),
        "voyage": (True, False, False),
        "llama.cpp": (False, False, True),
    }


def texts_key(body: dict[str, Any]) -> str:
    names = ("texts", "documents", "passages", "text_2", "inputs", "input")
    return next(name for name in names if name in body)


def _times(body: dict[str, Any], count: int, length: int = 1, letter: str = "a") -> dict[str, Any]:
    """The texts of a body, so many and so long."""
    key, text = texts_key(body), letter * length
    given = body[key]
    if isinstance(given, dict):
        return {key: {**given, "texts": [text] * count}}
    kinds: dict[type, Any] = {dict: {"text": text}, list: [QUERY, text], str: text}
    return {key: [kinds[type(given[0])]] * count}


def _few(body: dict[str, Any], most: int) -> dict[str, int]:
    """How many texts are to come back, under the name of the body's dialect."""
    return {"top_k" if "top_k" in body else "top_n": most}


def broken(body: dict[str, Any]) -> dict[str, tuple[str, int, str]]:
    """Bad forms of a good body: the bytes, the status of most dialects, what the error says."""
    key = texts_key(body)
    if isinstance(body.get("inputs"), dict):
        without, wrong = {"inputs": {"query": QUERY}}, {"inputs": [["a"]]}
        none: Any = {"inputs": {"query": QUERY, "texts": []}}
        many: Any = {"inputs": {"query": QUERY, "texts": ["a"] * 51}}
    elif key == "inputs":
        without, wrong, none = {"inputs": None}, {"inputs": [1]}, {"inputs": []}
        many = {"inputs": body["inputs"][:1] * 51}
    else:
        item: Any = {"text": "a"} if key == "passages" else "a"
        without = {name: value for name, value in body.items() if name != key} | {key: None}
        wrong, none = {**body, key: [1]}, {**body, key: []}
        many = {**body, key: [item] * 51}
    return {
        "missing": (json.dumps(without), 400, "missing"),
        "of a wrong type": (json.dumps(wrong), 400, "must be"),
        "empty": (json.dumps(none), 400, "cannot be empty"),
        "too many": (json.dumps(many), 400, "51 > maximum allowed batch size 50"),
        "no JSON": (json.dumps(body)[:-1], 400, "not JSON"),
        "NaN": (f'{json.dumps(body)[:-1]}, "score_threshold": NaN}}', 400, "NaN"),
        "a negative number": (json.dumps({**body, **_few(body, -1)}), 400, "but got int -1"),
        "not UTF-8": ("", 400, "not JSON"),
        "100,000": (json.dumps({**body, **_times(body, 100_000)}), 400, "100000 > maximum"),
        "10 MB": (json.dumps({**body, **_times(body, 1, 10_000_000)}), 413, "--max-characters"),
        "another model": (json.dumps({**body, "model": "other"}), 404, "no model 'other'"),
        "half a pair": (json.dumps({**body, **_times(body, 1, 2, "\ud800")}), 200, ""),
    }


@pytest.mark.parametrize("how", broken({"texts": ["a"]}))
@pytest.mark.parametrize(("route", "name", "body"), EXAMPLES, ids=IDS)
def test_bad_input_gets_the_error_of_its_dialect(
    route: str, name: str, body: dict[str, Any], how: str, client: httpx.Client
) -> None:
    text, status, said = broken(body)[how]
    answer = client.post(route, content=b"\xff" if how == "not UTF-8" else text.encode())
    told = answer.json()
    if how in ("missing", "of a wrong type", "too many", "100,000") and name in UNPROCESSABLE:
        status = 422
    if status == 404 and "model" not in body and name not in NAMED:
        status = 200  # the body of this dialect names no model, and other keys are ignored
    if how == "a negative number" and name not in HAVE_TOP_N:
        status = 200
    assert answer.status_code == status, told
    assert client.get("/health").status_code == 200
    if status == 200:
        return
    assert said in told["message"]
    assert told["message"] == told["detail"]
    assert told["error_type"] == ("Empty" if how == "empty" else "Validation")
    error = told["error"]
    assert (error["message"] if isinstance(error, dict) else error) == told["message"]


@pytest.mark.parametrize("dialect", get_args(DialectName))
def test_a_negative_number_gets_the_error_of_the_chosen_dialect(dialect: DialectName) -> None:
    key = "top_k" if dialect == "voyage" else "top_n"
    body = {"query": QUERY, "documents": DOCUMENTS, key: -1}
    with served({"words": Reranker(DeterministicScorer())}, dialect=dialect) as (_, client):
        refused = client.post("/v1/rerank", json=body)
    assert refused.status_code == (422 if dialect == "jina" else 400)
    assert refused.json()["message"].startswith(f"`{key}` must be a whole number >= ")
    assert isinstance(refused.json()["error"], dict) == (dialect in ("vllm", "llama.cpp"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"top_n": -1}, "`top_n` must be a whole number >= 0, but got int -1"),
        ({"top_n": True}, "`top_n` must be a whole number"),
        ({"query": 5}, "`query` must be a string, but got int 5"),
        ({"return_documents": "yes"}, "`return_documents` must be true or false"),
        ({"scale": "high"}, '`scale` must be "probability" or "logit" or "calibrated"'),
        ({"long_passages": "cut"}, '`long_passages` must be "truncate" or "windows"'),
        ({"max_length": 100_000}, "reads at most 384 tokens"),
        ({"window_tokens": 64, "long_passages": "truncate"}, "would have no effect"),
        ({"relevant_spans": {"mode": "on"}}, '`mode` must be "enabled" or "disabled"'),
        ({"score_threshold": "high"}, "score_threshold must be a number"),
        ({"first_stage_weight": -1}, "first_stage_weight must be"),
        ({"time_budget": 0}, "time_budget must be a number of seconds > 0"),
        ({"documents": [{"n": 1}]}, "an object of strings"),
        ({"documents": [["a"]]}, "must be a string or an object, but got list"),
    ],
    ids=str,
)
def test_a_wrong_value_is_named(more: dict[str, Any], said: str, client: httpx.Client) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, **more}
    answer = client.post("/v1/rerank", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_half_a_surrogate_pair_hurts_nothing(client: httpx.Client) -> None:
    body = b'{"query": "\\ud800", "documents": ["\\ud800", "bread"]}'
    answer = client.post("/v1/rerank", content=body)
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == 2
    assert client.post("/v1/rerank", content=b'{"query": 1, "\\ud800": 1}').status_code == 400


def test_too_much_text_is_refused(client: httpx.Client) -> None:
    long = {"query": QUERY, "documents": ["word " * 30_000]}
    answer = client.post("/v1/rerank", json=long)
    assert (answer.status_code, "--max-characters" in answer.text) == (413, True)
    assert client.post("/v1/rerank", content=b"[" * 100_000).status_code == 400
