"""What a request says for itself: how texts are read, which parts answer, what scores mean."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tokenizers import Tokenizer

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.engine import registry
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY
from rerank_plugins.server.reading import _beginnings
from rerank_plugins.testing import DeterministicScorer
from tests.servers import served
from tests.test_server_dialects import EXAMPLES, UNPROCESSABLE, rows_of, score_of

LONG = " ".join(f"Roof {number} of copper is green." for number in range(200)) + DOCUMENTS[1]
"""A text whose last sentence answers, far behind what is read at once."""


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served() as (_, client):
        yield client


@pytest.fixture(scope="module")
def without_calibration() -> Iterator[httpx.Client]:
    with served({"words": Reranker(DeterministicScorer())}) as (_, client):
        yield client


def scores(client: httpx.Client, **more: Any) -> list[float]:
    body = {"query": QUERY, "documents": [LONG, DOCUMENTS[0]], **more}
    answer = client.post("/v1/rerank", json=body)
    assert answer.status_code == 200, answer.text
    rows = sorted(answer.json()["results"], key=lambda row: row["index"])
    return [score_of(row) for row in rows]


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({"long_passages": "truncate"}, {"long_passages": "truncate"}),
        ({"window_tokens": 64}, {"window_tokens": 64}),
        ({"max_length": 128}, {"max_length": 128}),
        ({"max_chunks_per_doc": 2}, {"long_passages": "windows", "max_windows": 2}),
        ({"truncate_prompt_tokens": 64}, {"long_passages": "truncate", "max_length": 64}),
    ],
    ids=str,
)
def test_a_request_is_read_as_a_scorer_with_these_options_reads(
    asked: dict[str, Any], options: dict[str, Any], client: httpx.Client
) -> None:
    with CrossEncoderScorer("embedded", **options) as scorer:
        ranking = Reranker(scorer).rank(QUERY, [LONG, DOCUMENTS[0]])
    wanted = [one.score for one in sorted(ranking, key=lambda one: one.index)]
    assert scores(client, **asked) == pytest.approx(wanted, abs=1e-5)
    assert scores(client)[0] != pytest.approx(wanted[0], abs=1e-3)


def test_vllms_limit_of_the_model_is_what_the_server_reads_anyway(client: httpx.Client) -> None:
    assert scores(client, truncate_prompt_tokens=-1) == scores(client)


def test_no_request_loads_a_model_a_second_time() -> None:
    with served() as (service, client):
        scores(client)
        models = dict(registry._models)
        for tokens in range(32, 80):
            scores(client, window_tokens=tokens)
        assert registry._models == models
        assert len(service.models._variants) == 32
        scorer = service.models.rerankers["embedded"].scorer
        assert scorer.statistics.pairs == 2 * 49


def test_only_the_first_tokens_of_each_document_are_read(client: httpx.Client) -> None:
    body = {"query": QUERY, "documents": [LONG, *DOCUMENTS]}
    cut = client.post("/v2/rerank", json={**body, "max_tokens_per_doc": 3}).json()
    short = [LONG[:13], "Copper roofs turn", "Yeast in the"]
    words = {**body, "documents": [" ".join(text.split()[:3]) for text in short]}
    plain = client.post("/v2/rerank", json=words).json()
    assert plain["usage"]["total_tokens"] == cut["usage"]["total_tokens"]
    assert rows_of(plain) == [
        {"index": row["index"], "relevance_score": pytest.approx(score_of(row), abs=1e-5)}
        for row in rows_of(cut)
    ]
    for no_limit in ({"max_tokens_per_doc": None}, {"max_tokens_per_doc": 0}):
        whole = client.post("/v2/rerank", json={**body, **no_limit}).json()
        assert whole["usage"]["total_tokens"] > 1000
    assert "warnings" not in cut["meta"]


def test_a_model_without_a_tokenizer_says_what_it_cannot_do() -> None:
    with served({"words": Reranker(DeterministicScorer())}) as (_, client):
        body = {"query": QUERY, "documents": DOCUMENTS}
        answer = client.post("/v1/rerank", json={**body, "max_tokens_per_doc": 3}).json()
        assert answer["meta"]["warnings"] == [
            "max_tokens_per_doc is not used: the model has no fast tokenizer"
        ]
        refused = client.post("/v1/rerank", json={**body, "max_length": 64})
        assert (refused.status_code, refused.json()["message"]) == (
            400,
            "'words' cannot be told how to read: leave max_length out.",
        )
        tokens = client.post("/tokenize", json={"inputs": "fox"})
        assert (tokens.status_code, "no fast tokenizer" in tokens.text) == (424, True)
        assert client.get("/info").json()["max_input_length"] is None


def test_the_parts_that_answer_come_with_each_dialect_that_ranks(client: httpx.Client) -> None:
    spans = {"relevant_spans": {"mode": "enabled", "threshold": -100}}
    text = "Copper roofs turn green. Yeast makes gas."
    wanted = {(0, 24), (25, 41)}
    for route, body in (
        ("/rerank", {"query": QUERY, "texts": [text]}),
        ("/v1/rerank", {"query": QUERY, "documents": [text]}),
        ("/v2/rerank", {"query": QUERY, "documents": [text]}),
        ("/v1/rerank", {"query": QUERY, "documents": [text], "top_k": 1}),
        ("/reranking", {"query": QUERY, "documents": [text]}),
        ("/v1/ranking", {"query": {"text": QUERY}, "passages": [{"text": text}]}),
    ):
        [row] = rows_of(client.post(route, json={**body, **spans}).json())
        assert {(one["start"], one["end"]) for one in row["relevant_spans"]} == wanted
    few = {"relevant_spans": {"mode": "enabled", "max_spans": 1, "threshold": -100}}
    body = {"inputs": {"query": QUERY, "texts": [text]}, "parameters": few}
    [row] = rows_of(client.post("/", json=body).json())
    assert len(row["relevant_spans"]) == 1


RANKING = [one for one in EXAMPLES if one[1] != "tei-tokenize"]
RANKING_IDS = [f"{route} {name}" for route, name, _ in RANKING]


def calibrated(body: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    """A body that asks for calibrated scores; Hugging Face's has such keys in `parameters`."""
    keys = {"scale": "calibrated", **more}
    return body | ({"parameters": keys} if name == "hugging-face" else keys)


@pytest.mark.parametrize(("route", "name", "body"), RANKING, ids=RANKING_IDS)
def test_calibrated_scores_are_those_of_the_models_calibration(
    route: str, name: str, body: dict[str, Any], client: httpx.Client
) -> None:
    with Reranker.from_options(model="embedded", calibration="auto", scale="calibrated") as own:
        wanted = {one.index: one.score for one in own.rank(QUERY, DOCUMENTS)}
    answer = client.post(route, json=calibrated(body, name))
    assert answer.status_code == 200, answer.text
    rows = rows_of(answer.json())
    assert len(rows) in (1, len(DOCUMENTS))
    for row in rows:
        assert score_of(row) == pytest.approx(wanted[row["index"]], abs=1e-5)
    other = client.post(route, json=calibrated(body, name, max_length=64))
    assert other.status_code in (400, 422)
    assert other.json()["message"] == (
        "'embedded' has no calibration of the scores that this request asks for. Leave max_length "
        "out, or send another `scale`."
    )


def test_a_calibrated_server_gives_plain_scores_of_texts_that_are_read_otherwise(
    client: httpx.Client,
) -> None:
    with (
        CrossEncoderScorer("embedded", when_full="fail") as scorer,
        served({"embedded": Reranker(scorer, calibration="auto", scale="calibrated")}) as (
            _,
            calibrated_client,
        ),
    ):
        for more in ({"max_length": 128}, {"max_chunks_per_doc": 2}):
            assert scores(calibrated_client, **more) == scores(client, **more)
        left = {"query": QUERY, "texts": [LONG], "truncation_direction": "Left", "truncate": True}
        given = [each.post("/rerank", json=left) for each in (calibrated_client, client)]
        assert given[0].json() == given[1].json()
        assert given[0].status_code == 200


@pytest.mark.parametrize(("route", "name", "body"), RANKING, ids=RANKING_IDS)
def test_calibrated_scores_of_a_model_without_a_calibration_are_refused(
    route: str, name: str, body: dict[str, Any], without_calibration: httpx.Client
) -> None:
    refused = without_calibration.post(route, json=calibrated(body, name))
    assert refused.status_code == (422 if name in UNPROCESSABLE else 400)
    assert refused.json()["message"] == (
        "'words' has no calibration of the scores that this request asks for. Send another "
        "`scale`, or start the server with --calibration FILE."
    )


def test_a_calibration_belongs_to_a_weight_of_the_first_stage(client: httpx.Client) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "scale": "calibrated"}
    refused = client.post("/v1/rerank", json={**body, "first_stage_weight": 7.5})
    assert refused.status_code == 400
    assert "Leave first_stage_weight out" in refused.json()["message"]
    refused = client.post("/v1/rerank", json={**body, "first_stage_weight": [1]})
    assert refused.json()["message"].startswith("first_stage_weight must be")
    pairs = {"text_1": QUERY, "text_2": DOCUMENTS, "scale": "calibrated", "first_stage_weight": 7.5}
    assert client.post("/score", json=pairs).status_code == 200  # pairs have no first stage


def test_tokens_of_texts_are_told_with_their_places(client: httpx.Client) -> None:
    text = "Brød dough"
    [one], [two] = (
        client.post("/tokenize", json={"inputs": inputs}).json() for inputs in (text, [text])
    )
    assert one == two
    assert [token["special"] for token in one][0 :: len(one) - 1] == [True, True]
    assert one[0]["start"] is None
    plain = client.post("/tokenize", json={"inputs": text, "add_special_tokens": False}).json()[0]
    assert [token["special"] for token in plain] == [False] * len(plain)
    data = text.encode()
    assert [data[token["start"] : token["stop"]].decode() for token in plain] == [
        token["text"] for token in plain
    ]
    assert plain[-1]["stop"] == len(data)
    assert client.post("/tokenize", json={"inputs": ["a"] * 1001}).status_code == 422
    assert client.post("/tokenize", json={"inputs": []}).status_code == 400
    assert client.post("/tokenize", content=b'{"inputs": "\\ud800"}').status_code == 200


@pytest.mark.parametrize("most", [1, 7, 64, 500])
def test_the_first_tokens_of_a_long_text_are_those_of_the_whole_text(most: int) -> None:
    tokenizer = Tokenizer.from_file(str(EMBEDDED_FOLDER / "tokenizer.json"))
    tokenizer.no_truncation()
    texts = [LONG * 5, "short", "x" * 5000, "bread\u200b " * 2000, "é" * 600, " " * 9000 + "end"]
    for text, found in zip(texts, _beginnings(tokenizer, texts, most), strict=True):
        whole = tokenizer.encode(text, add_special_tokens=False)
        wanted = text if len(whole) <= most else text[: whole.offsets[most - 1][1]]
        assert found == wanted


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("/tokenize", {"inputs": LONG * 100}, 424),
        ("/v2/rerank", {"query": "a", "documents": [LONG * 100], "max_tokens_per_doc": 99999}, 504),
    ],
)
def test_texts_are_read_within_the_time_of_a_request(
    route: str, body: dict[str, Any], status: int
) -> None:
    with served(request_timeout=0.001) as (_, client):
        answer = client.post(route, json=body)
    assert answer.status_code == status
    assert "The texts could not be read in time. Send fewer or shorter ones." in answer.text
