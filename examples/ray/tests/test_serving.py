"""`serve_app` on Ray Serve: clients see what `rerank serve` gives them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray import serve
from ray.serve.context import _get_global_client

from rerank_plugins import CrossEncoderScorer, InvalidInputError, Reranker
from rerank_plugins.calibration.curves import Platt
from rerank_plugins.calibration.file import Calibration, write_calibration
from rerank_plugins.scale_out import serve_app
from rerank_plugins.server.routes import ROUTES, examples_of
from tests.engines import until
from tests.servers import served

OPTIONS: dict[str, Any] = {"backend": "onnx", "precision": "fp32"}
HALF = {"ray_actor_options": {"num_cpus": 0.5}}
TWO = {"num_replicas": 2, **HALF}
BODY = {"query": "red fox", "documents": ["a dog", "the red fox", "the sea"]}
LONG = {**BODY, "documents": BODY["documents"] * 20}
CHANGING = {"id", "created"}


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    serve.run(serve_app("embedded", deployment=TWO, **OPTIONS))
    with httpx.Client(base_url=address, timeout=120) as client:
        yield client


@contextmanager
def asked(url: str, clients: int, body: dict[str, Any]) -> Iterator[list[httpx.Response]]:
    """The answers that clients get who ask again and again, until the block ends."""
    answers: list[httpx.Response] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=120) as client:
            while not done.is_set():
                answers.append(client.post(url, json=body))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join(timeout=120)


def replicas(app: str = "default") -> dict[int, bool]:
    """The processes of an app's replicas, and whether Serve sends requests to them."""
    details = _get_global_client().get_serve_details()
    known = details["applications"][app]["deployments"]["rerank"]["replicas"]
    return {one["pid"]: one["state"] == "RUNNING" for one in known if "pid" in one}


def scores_of(answer: httpx.Response) -> list[float]:
    rows = sorted(answer.json()["results"], key=lambda row: row["index"])
    return [row["relevance_score"] for row in rows]


def test_each_dialect_gets_the_answer_of_rerank_serve(client: httpx.Client) -> None:
    scorer = CrossEncoderScorer("embedded", when_full="fail", **OPTIONS)
    with scorer, served({"embedded": Reranker(scorer)}) as (_, other):
        for route in ROUTES:
            for body in examples_of(route).values():
                found, wanted = (one.post(route, json=dict(body)) for one in (client, other))
                assert found.status_code == wanted.status_code == 200, route
                assert _lasting(found.json()) == _lasting(wanted.json()), route
                assert _names(found) == _names(wanted), route
        too_many = {"query": "x", "documents": ["x"] * 1001}
        for body in ({}, {"query": "x"}, {"query": 1, "documents": ["x"]}, too_many):
            found, wanted = (one.post("/v2/rerank", json=body) for one in (client, other))
            assert (found.status_code, found.json()) == (wanted.status_code, wanted.json())
        answer = client.post("/v2/rerank", json=BODY, headers={"x-request-id": "trace-1"})
        assert (answer.headers["x-request-id"], answer.json()["id"]) == ("trace-1", "trace-1")
        assert client.get("/health").json() == other.get("/health").json()


def test_a_calibration_tokens_and_origins_are_options_as_those_of_rerank_serve(
    address: str, tmp_path: Path
) -> None:
    calibration, tokens = tmp_path / "calibration.json", tmp_path / "tokens"
    tokens.write_text("secret\n")
    with CrossEncoderScorer("embedded", max_length=64, **OPTIONS) as scorer:
        assert scorer.identity is not None
        write_calibration(
            calibration, Calibration("embedded", scorer.identity, 0.0, Platt(0.5, -1.0), {})
        )
        own = Reranker(scorer, scale="calibrated", calibration=calibration)
        wanted = own.score_pairs([(BODY["query"], text) for text in BODY["documents"]])
    app = serve_app(
        max_length=64,
        calibration=calibration,
        token_file=str(tokens),
        cors_origin="https://a.example",
        deployment=HALF,
        **OPTIONS,
    )
    serve.run(app, name="calibrated", route_prefix="/calibrated")
    try:
        ask = {**BODY, "scale": "calibrated"}
        url, headers = f"{address}/calibrated/v2/rerank", {"origin": "https://a.example"}
        assert httpx.post(url, json=ask, headers=headers).status_code == 401
        answer = httpx.post(url, json=ask, headers={**headers, "authorization": "Bearer secret"})
        assert scores_of(answer) == pytest.approx(wanted, abs=1e-5)
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
    finally:
        serve.delete("calibrated")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_documents": 0}, r"max_documents must be > 0"),
        ({"calibration": 3}, r"calibration must be a file of `rerank calibrate` or 'auto'"),
        ({"precision": "fp7"}, r"precision must be one of"),
        ({"port": 80}, r"serve_app\(\) got an unexpected keyword argument 'port'"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_before_anything_is_deployed(
    options: dict[str, Any], error: str
) -> None:
    with pytest.raises((InvalidInputError, TypeError), match=error):
        serve_app("embedded", **options)


def test_a_model_that_cannot_be_loaded_ends_the_deployment_and_its_status_says_why(
    address: str,
) -> None:
    with pytest.raises(RuntimeError, match="Deploying application broken failed"):
        serve.run(serve_app("./no-model", deployment=HALF), name="broken", route_prefix="/broken")
    try:
        status = serve.status().applications["broken"].deployments["rerank"]
        assert "There is no directory './no-model'" in status.message
    finally:
        serve.delete("broken")


def test_requests_are_answered_while_replicas_are_replaced(client: httpx.Client) -> None:
    with asked(f"{client.base_url}/v2/rerank", 1, BODY) as answers:
        serve.run(serve_app({"fox": "embedded"}, deployment=TWO, **OPTIONS))
    assert {answer.status_code for answer in answers} == {200}
    assert client.post("/v2/rerank", json={**BODY, "model": "fox"}).status_code == 200
    assert client.post("/v2/rerank", json={**BODY, "model": "embedded"}).status_code == 404


def test_another_replica_answers_when_one_is_killed_and_a_new_one_takes_its_place(
    client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    before = replicas()
    killed = min(before)
    with asked(f"{client.base_url}/v2/rerank", 8, LONG) as answers:
        until(lambda: len(answers) > 16)
        os.kill(killed, signal.SIGKILL)
        begun = time.monotonic()
        until(lambda: killed not in replicas() and sum(replicas().values()) == 2)
        seconds = time.monotonic() - begun
        asked_since = len(answers)
        until(lambda: len(answers) > asked_since + 16)
    lost = [answer for answer in answers if answer.status_code != 200]
    with capsys.disabled():
        print(
            f"\n{len(lost)} of {len(answers)} requests failed, and a new replica was there after "
            f"{seconds:.1f} seconds",
            end="",
        )
    # What the killed replica had at that moment is lost: Ray Serve answers for it.
    assert {(one.status_code, one.text) for one in lost} <= {(500, "Internal Server Error")}
    assert len(lost) <= 8
    assert {answer.status_code for answer in answers[asked_since:]} == {200}


def test_waiting_requests_start_a_second_replica_and_answers_stay_right(
    address: str,
) -> None:
    grows = {
        "min_replicas": 1,
        "max_replicas": 2,
        "target_ongoing_requests": 2,
        "upscale_delay_s": 0.5,
        "metrics_interval_s": 0.2,
        "look_back_period_s": 0.5,
    }
    deployment = {"autoscaling_config": grows, **HALF}
    serve.run(
        serve_app("embedded", deployment=deployment, **OPTIONS),
        name="growing",
        route_prefix="/growing",
    )
    try:
        first = replicas("growing")
        assert len(first) == 1
        with CrossEncoderScorer("embedded", **OPTIONS) as scorer:
            wanted = Reranker(scorer).score_pairs(
                [(LONG["query"], text) for text in LONG["documents"]]
            )
        with asked(f"{address}/growing/v2/rerank", 12, LONG) as answers:
            until(lambda: sum(replicas("growing").values()) == 2)
            asked_since = len(answers)
            until(lambda: len(answers) > asked_since + 24)
        assert {answer.status_code for answer in answers} == {200}
        for answer in answers:
            assert scores_of(answer) == pytest.approx(wanted, abs=1e-5)
    finally:
        serve.delete("growing")


def _names(answer: httpx.Response) -> list[str]:
    """The names of an answer's headers."""
    return sorted(name for name, _ in answer.headers.multi_items())


def _lasting(answer: Any) -> Any:
    """An answer without what differs from request to request."""
    if isinstance(answer, dict):
        return {name: _lasting(one) for name, one in answer.items() if name not in CHANGING}
    if isinstance(answer, list):
        return [_lasting(one) for one in answer]
    return round(answer, 5) if isinstance(answer, float) else answer
