"""The server around the dialects: models by name, limits, tokens, clients that leave, health."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import httpx
import pytest

from rerank_plugins import CrossEncoderScorer, PairScores, Reranker, Scorer
from rerank_plugins.server.logs import JsonLines
from rerank_plugins.server.routes import ROUTES, examples_of
from rerank_plugins.testing import DeterministicScorer, SlowScorer
from tests.engines import until
from tests.servers import served

BODY: dict[str, Any] = {"query": "red fox", "documents": ["a dog", "the red fox", "the sea"]}


class HeldScorer(Scorer):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.futures: list[Future[PairScores]] = []

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        self.futures.append(Future())
        return self.futures[-1]

    def let_go(self) -> None:
        for future in self.futures:
            future.set_result(PairScores([1.0, 2.0, 3.0]))


@pytest.fixture(scope="module")
def two_models() -> Iterator[httpx.Client]:
    with served({name: Reranker(DeterministicScorer()) for name in ("words", "more")}) as (_, one):
        yield one


def in_background(client: httpx.Client) -> tuple[threading.Thread, list[httpx.Response]]:
    answers: list[httpx.Response] = []
    url = client.base_url.join("/rerank")
    thread = threading.Thread(target=lambda: answers.append(httpx.post(url, json=BODY)))
    thread.start()
    return thread, answers


def test_a_request_chooses_a_model_by_its_name() -> None:
    rerankers = {
        "words": Reranker(DeterministicScorer()),
        "letters": Reranker(DeterministicScorer(lambda _, passage: float(-len(passage)))),
    }
    with served(rerankers) as (_, client):
        first = {}
        for name in rerankers:
            answer = client.post("/v1/rerank", json={**BODY, "model": name}).json()
            first[answer["model"]] = answer["results"][0]["index"]
        assert first == {"words": 1, "letters": 0}
        for name, said in (("other", "There is no model 'other'"), (None, "No model is named")):
            answer = client.post("/v1/rerank", json={**BODY, "model": name})
            assert answer.status_code == 404
            assert answer.json()["message"] == (
                f"{said}. Send one of these as `model`: words, letters."
            )


@pytest.mark.parametrize(
    ("route", "name", "body"),
    [(route, name, body) for route in ROUTES for name, body in examples_of(route).items()],
)
def test_a_request_of_any_dialect_may_choose_a_model(
    route: str, name: str, body: dict[str, Any], two_models: httpx.Client
) -> None:
    for model, status in (("words", 424 if name == "tei-tokenize" else 200), ("other", 404)):
        assert two_models.post(route, json={**body, "model": model}).status_code == status
    assert two_models.post(route, json={**body, "model": None}).status_code == 404


def test_what_is_no_route_is_an_error_that_every_client_reads(two_models: httpx.Client) -> None:
    for answer, status, route in (
        (two_models.post("/v3/rerank", json=BODY), 404, "POST /v3/rerank"),
        (two_models.get("/rerank"), 405, "GET /rerank"),
    ):
        said = f"There is no route {route}. /docs has the routes."
        assert answer.status_code == status
        assert [answer.json()[key] for key in ("error", "message", "detail")] == [said] * 3
    assert two_models.get("/rerank").headers["allow"] == "POST"


def test_a_full_queue_is_429_with_the_time_to_wait() -> None:
    scorer = CrossEncoderScorer("embedded", max_queue_pairs=3, when_full="fail")
    with scorer, served({"embedded": Reranker(scorer)}) as (_, client):
        waiting = scorer.submit([("fox", f"{n} " * 400) for n in range(5000)])
        refused = client.post("/v1/rerank", json=BODY)
        assert waiting.cancel()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert "The queue of 'embedded' is full" in refused.json()["message"]
        until(lambda: client.post("/v1/rerank", json=BODY).status_code == 200)


def test_too_many_open_requests_are_429_and_the_others_are_answered() -> None:
    scorer = HeldScorer()
    with served({"held": Reranker(scorer)}, max_requests=1) as (_, client):
        thread, answers = in_background(client)
        until(lambda: len(scorer.futures) == 1)
        refused = client.post("/rerank", json={"query": "fox", "texts": ["dog"]})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["error_type"] == "Overloaded"
        scorer.let_go()
        thread.join()
        assert answers[0].status_code == 200


def test_a_client_that_leaves_cancels_its_work() -> None:
    scorer = HeldScorer()
    with served({"held": Reranker(scorer)}) as (_, client):
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address) as connection:
            body = b'{"query": "fox", "texts": ["dog"]}'
            head = f"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            until(lambda: len(scorer.futures) == 1)
        until(lambda: scorer.futures[0].cancelled())
        until(lambda: 'te_request_failure{err="dropped"} 1.0' in client.get("/metrics").text)


def test_a_client_that_leaves_in_its_body_is_no_failure_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with served({"words": Reranker(DeterministicScorer())}) as (_, client):
        for route in ("/playground/demo", "/v1/rerank"):
            with socket.create_connection((client.base_url.host, client.base_url.port)) as one:
                head = f"POST {route} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n"
                one.sendall(head.encode() + b'{"query": ')
        until(lambda: len(facts(caplog)) == 1)
        page = client.get("/metrics").text
    assert 'te_request_failure{err="dropped"} 1.0' in page
    assert 'err="inference"' not in page
    assert facts(caplog)[0]["status"] == 499
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_requests_of_all_connections_share_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    with CrossEncoderScorer("embedded", when_full="fail") as scorer:
        wanted = Reranker(scorer).rank(BODY["query"], BODY["documents"])
        before = scorer.statistics.pairs
        kind = type(scorer._shared.engine.backends[0])
        logits, batches = kind.logits, []
        monkeypatch.setattr(kind, "logits", lambda *args: batches.append(1) or logits(*args))
        with served({"embedded": Reranker(scorer)}) as (_, client):

            async def ask() -> list[httpx.Response]:
                async with httpx.AsyncClient(base_url=client.base_url, timeout=60) as many:
                    return await asyncio.gather(
                        *(many.post("/v1/rerank", json=BODY) for _ in range(64))
                    )

            for answer in asyncio.run(ask()):
                rows = answer.json()["results"]
                assert [row["index"] for row in rows] == [one.index for one in wanted]
                scores = [row["relevance_score"] for row in rows]
                assert scores == pytest.approx([one.score for one in wanted], abs=1e-5)
        assert scorer.statistics.pairs - before == 64 * 3
        assert len(batches) < 64


@pytest.mark.parametrize("wrong", [lambda: float("nan"), lambda: 1 / 0], ids=["NaN", "an error"])
def test_a_model_that_fails_is_424_and_the_server_goes_on(wrong: Callable[[], float]) -> None:
    with served({"bad": Reranker(DeterministicScorer(lambda *_: wrong()))}) as (_, client):
        for _ in range(2):
            answer = client.post("/rerank", json={"query": "fox", "texts": ["dog"]})
            assert (answer.status_code, answer.json()["error_type"]) == (424, "Backend")
        page = client.get("/metrics").text
        assert 'te_request_failure{err="inference"} 2.0' in page
        assert "te_predict_count 2.0" in page
        assert "te_predict_success 0.0" in page
        assert client.post("/v1/rerank", json=BODY).status_code == 500
        assert client.get("/health").status_code == 200


def test_a_request_that_takes_too_long_is_504() -> None:
    slow = {"slow": Reranker(SlowScorer(0.05))}
    with slow["slow"].scorer, served(slow, request_timeout=0.01) as (_, client):
        assert client.post("/v1/rerank", json=BODY).status_code == 504


def test_a_body_that_is_too_long_is_413() -> None:
    with served({"words": Reranker(DeterministicScorer())}, max_body_bytes=1000) as (_, client):
        answer = client.post("/rerank", json={"query": "fox", "texts": ["dog " * 1000]})
        assert (answer.status_code, "1000 bytes" in answer.json()["error"]) == (413, True)
        parts = iter([b"[" * 600] * 2)  # without a content length
        assert client.post("/rerank", content=parts).status_code == 413


def test_only_who_has_a_token_gets_in_where_one_is_needed() -> None:
    rerankers = {"words": Reranker(DeterministicScorer())}
    with served(rerankers, tokens=["one", "sécret"]) as (_, client):

        def status(given: bytes | None) -> int:
            headers = {} if given is None else {"authorization": given}
            return client.post("/rerank", json=BODY, headers=headers).status_code

        right = (b"Bearer one", b"bearer one", b"one", "Bearer sécret".encode())
        assert [status(given) for given in right] == [200] * 4
        wrong = (None, b"", b"Bearer", b"Bearer two", b"on", b"Basic one")
        assert [status(given) for given in wrong] == [401] * 6
        open_ones = ("/", "/health", "/ping", "/metrics", "/v1/health/ready", "/v1/health/live")
        assert [client.get(path).status_code for path in open_ones] == [200] * 6
        healthy = [path for path in open_ones if path != "/metrics"]
        assert [client.head(path).status_code for path in healthy] == [200] * 5
        assert client.head("/health").content == b""
        closed = ("/docs", "/openapi.json", "/info")
        assert [client.get(path).status_code for path in closed] == [401] * 3


def test_health_says_the_phase() -> None:
    with served({"words": Reranker(DeterministicScorer())}) as (service, client):
        assert client.get("/health").json() == {"status": "ready"}
        service.phase = "draining"
        assert client.get("/health").status_code == 503
        assert client.get("/v1/health/live").status_code == 200
        assert client.head("/health").status_code == 503
        answer = client.post("/rerank", json={"query": "fox", "texts": ["dog"]})
        assert (answer.status_code, answer.json()["error_type"]) == (503, "Unhealthy")


def test_metrics_count_requests_and_pairs_by_model() -> None:
    with served({"words": Reranker(DeterministicScorer(max_words=2))}) as (_, client):
        client.post("/rerank", json=BODY)
        client.post("/predict", json={"inputs": ["fox", "dog"]})
        client.post("/rerank", json={"query": "fox", "texts": []})
        page = client.get("/metrics").text
    for line in (
        'te_request_success{method="batch"} 1.0',
        'te_request_success{method="single"} 1.0',
        'te_request_failure{err="validation"} 1.0',
        "te_predict_count 4.0",
        "te_predict_success 4.0",
        "te_request_duration_count 2.0",
        'rerank_pairs_total{model="words"} 4.0',
        'rerank_truncated_total{model="words"} 3.0',
    ):
        assert line in page, page


def test_metrics_count_tokens_and_say_where_the_time_went() -> None:
    with served() as (_, client):
        tokens = client.post("/rerank", json=BODY).json()["usage"]["total_tokens"]
        page = client.get("/metrics").text
        assert f'rerank_tokens_total{{model="embedded"}} {tokens}.0' in page
        for part in ("tokenization", "queue", "inference"):
            assert f"te_request_{part}_duration_count 1.0" in page
        assert "te_queue_size 0.0" in page
        for name in ("queue_requests", "queue_pairs"):
            assert f'rerank_{name}{{model="embedded"}} 0.0' in page
        for name in ("batch_fill", "pairs_per_second"):
            assert f'rerank_{name}{{model="embedded"}} ' in page


def test_a_model_that_hides_its_tokens_has_none_in_the_answer() -> None:
    with served({"words": Reranker(DeterministicScorer())}) as (_, client):
        answer = client.post("/rerank", json=BODY)
        assert answer.json()["usage"]["total_tokens"] == 0
        assert "x-compute-tokens" not in answer.headers
        assert "te_request_queue_duration_count 0.0" in client.get("/metrics").text


def test_metrics_have_the_names_and_types_of_existing_dashboards() -> None:
    with CrossEncoderScorer("embedded", when_full="fail") as scorer:
        both = {"one": Reranker(scorer), "two": Reranker(scorer)}
        with served(both) as (_, client):
            client.post("/rerank", json={**BODY, "model": "two"})
            page = client.get("/metrics").text
    types = dict(re.findall(r"# TYPE (\S+) (\w+)", page))
    names = ("request_count", "request_success", "request_failure")
    for name in (*names, "predict_count", "predict_success"):
        assert types[f"te_{name}"] == "counter"
    times = ("", "tokenization_", "queue_", "inference_")
    assert {types[f"te_request_{time}duration"] for time in times} == {"histogram"}
    assert types["te_queue_size"] == "gauge"
    assert "te_queue_size 0.0" in page
    lengths = ("te_batch_next_size", "te_batch_next_tokens", "te_request_input_length")
    assert {types[name] for name in lengths} == {"histogram"}
    buckets = re.findall(r'te_request_duration_bucket{le="([^"]+)"}', page)
    assert list(map(float, buckets)) == pytest.approx(  # those of its source
        [*(1e-5 * 1.5**power for power in range(1, 36)), float("inf")]
    )
    assert "te_batch_next_size_sum 3.0" in page  # the two models are one, and count once
    assert 'te_batch_next_size_bucket{le="+Inf"} 1.0' in page
    assert 'te_batch_next_size_bucket{le="2.0"} 0.0' in page
    assert 'te_batch_next_size_bucket{le="4.0"} 1.0' in page
    read = re.findall(r"te_batch_next_tokens_sum (\S+)", page)
    assert re.findall(r"te_request_input_length_sum (\S+)", page) == read
    assert 'te_request_input_length_bucket{le="+Inf"} 3.0' in page
    for name in ("queue_pairs", "queue_requests", "batch_fill", "pairs_per_second"):
        assert re.search(rf'rerank_{name}{{model="two"}} [\d.]+', page), name


def test_metrics_count_what_a_time_budget_cut() -> None:
    with SlowScorer(0.05) as slow, served({"slow": Reranker(slow)}) as (_, client):
        client.post("/rerank", json={**BODY, "time_budget": 0.01})
        page = client.get("/metrics").text
    assert 'rerank_budget_cuts_total{model="slow"} 1.0' in page
    assert re.search(r'rerank_unscored_documents_total{model="slow"} [23]\.0', page)


def test_pages_of_other_hosts_may_ask_only_if_they_are_named() -> None:
    rerankers = {"words": Reranker(DeterministicScorer())}
    asking = {"origin": "https://a.example", "access-control-request-method": "POST"}
    with served(rerankers) as (_, client):
        assert client.options("/rerank", headers=asking).status_code == 405
        answer = client.post("/rerank", json=BODY, headers=asking)
        assert "access-control-allow-origin" not in answer.headers
    origins = "https://a.example, https://c.example"
    with served(rerankers, tokens=["one"], cors=origins) as (_, client):
        assert client.options("/rerank", headers=asking).status_code == 200
        refused = client.post("/rerank", json=BODY, headers=asking)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (
            401,
            "https://a.example",
        )
        other = {**asking, "origin": "https://b.example"}
        assert client.options("/rerank", headers=other).status_code == 400


def test_each_request_is_a_line_of_the_log_without_its_texts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "rerank_plugins.server.logs")
    with served({"words": Reranker(DeterministicScorer())}) as (_, client):
        answer = client.post("/rerank", json=BODY, headers={"x-request-id": "trace-1"})
        assert (answer.headers["x-request-id"], answer.json()["id"]) == ("trace-1",) * 2
        bad = client.post("/rerank", json={"query": 5}, headers={"x-request-id": "a b"})
        assert len(bad.headers["x-request-id"]) == 32
    good, refused = facts(caplog)
    assert good.pop("ms") > 0
    assert good == {
        "id": "trace-1",
        "route": "/rerank",
        "dialect": "auto",
        "documents": 3,
        "model": "words",
        "status": 200,
    }
    assert (refused["dialect"], refused["refused"], refused["status"]) == ("tei", "invalid", 422)
    assert "fox" not in caplog.text


def test_a_request_without_a_route_or_a_token_has_a_line_and_an_id_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "rerank_plugins.server.logs")
    named = {"x-request-id": "trace-2"}
    with served({"words": Reranker(DeterministicScorer())}, tokens=["one"]) as (_, client):
        opened = {**named, "authorization": "one"}
        answers = [
            client.post("/rerank", json=BODY, headers=named),
            client.post("/rerunk", json=BODY, headers=opened),
            client.get("/rerank", headers=opened),
        ]
    assert [answer.headers["x-request-id"] for answer in answers] == ["trace-2"] * 3
    lines = [(line["id"], line["route"], line["status"]) for line in facts(caplog)]
    assert lines == [
        ("trace-2", "/rerank", 401),
        ("trace-2", "/rerunk", 404),
        ("trace-2", "/rerank", 405),
    ]


def test_texts_are_logged_on_request_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "rerank_plugins.server.logs")
    with served({"words": Reranker(DeterministicScorer())}, log_texts=True) as (_, client):
        client.post("/rerank", json={"query": "red\nfox", "texts": ["a dög"]})
    assert facts(caplog)[0]["texts"] == ["a dög"]
    [record] = (record for record in caplog.records if hasattr(record, "facts"))
    assert "\n" not in record.getMessage()
    assert json.loads(JsonLines().format(record))["queries"] == ["red\nfox"]


def test_who_is_not_let_in_is_logged_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "rerank_plugins.server.logs")
    with served({"words": Reranker(DeterministicScorer())}, tokens=["one"]) as (_, client):
        client.post("/rerank", json=BODY, headers={"authorization": "Bearer wrong"})
    [line] = facts(caplog)
    assert (line["route"], line["refused"], line["status"]) == ("/rerank", "unauthorized", 401)
    assert "wrong" not in caplog.text


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record)["facts"] for record in caplog.records if hasattr(record, "facts")]


def test_the_docs_ask_no_other_host_and_show_each_dialect() -> None:
    with served({"words": Reranker(DeterministicScorer())}) as (_, client):
        page = client.get("/docs").text
        links = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert links == ["openapi.json"]
        assert "<script" not in page
        for route in ROUTES:
            assert f"<h2>POST {route}</h2>" in page
        assert f"curl {str(client.base_url).rstrip('/')}/rerank" in page
        assert client.get("/redoc").status_code == 404


def test_info_and_the_openapi_page_say_what_is_served() -> None:
    with served() as (_, client):
        info = client.get("/info").json()
        said = {"model_id": "embedded", "model_dtype": "fp32", "max_input_length": 384}
        assert {name: info[name] for name in said} == said
        assert info["max_client_batch_size"] == 1000
        assert info["max_batch_tokens"] > 384
        schema = client.get("/openapi.json").json()
        content = schema["paths"]["/rerank"]["post"]["requestBody"]["content"]
        assert {"tei", "voyage", "auto"} == set(content["application/json"]["examples"])
        assert client.get("/docs").status_code == 200
