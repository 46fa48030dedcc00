"""`serve_app` on Ray Serve: clients see what `rerank serve` gives them."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from ray import serve

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.scale_out import serve_app
from rerank_plugins.server.routes import ROUTES, examples_of
from tests.servers import served

OPTIONS: dict[str, Any] = {"backend": "onnx", "precision": "fp32"}
TWO = {"num_replicas": 2, "ray_actor_options": {"num_cpus": 0.5}}
BODY = {"query": "red fox", "documents": ["a dog", "the red fox", "the sea"]}
CHANGING = {"id", "created"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(serve_app("embedded", deployment=TWO, **OPTIONS))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        yield client
    serve.shutdown()


def test_each_dialect_gets_the_answer_of_rerank_serve(client: httpx.Client) -> None:
    scorer = CrossEncoderScorer("embedded", when_full="fail", **OPTIONS)
    with scorer, served({"embedded": Reranker(scorer)}) as (_, other):
        for route in ROUTES:
            for body in examples_of(route).values():
                found, wanted = (one.post(route, json=dict(body)) for one in (client, other))
                assert found.status_code == wanted.status_code == 200, route
                assert _lasting(found.json()) == _lasting(wanted.json()), route
        for body in ({}, {"query": "x"}, {"query": 1, "documents": ["x"]}):
            found, wanted = (one.post("/v2/rerank", json=body) for one in (client, other))
            assert (found.status_code, found.json()) == (wanted.status_code, wanted.json())
        assert client.get("/health").json() == other.get("/health").json()


def test_requests_are_answered_while_replicas_are_replaced(client: httpx.Client) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(client.post("/v2/rerank", json=BODY).status_code)
            time.sleep(0.01)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        serve.run(serve_app({"fox": "embedded"}, deployment=TWO, **OPTIONS))
    finally:
        done.set()
        thread.join()
    assert set(statuses) == {200}
    assert client.post("/v2/rerank", json={**BODY, "model": "fox"}).status_code == 200
    assert client.post("/v2/rerank", json={**BODY, "model": "embedded"}).status_code == 404


def _lasting(answer: Any) -> Any:
    """An answer without what differs from request to request."""
    if isinstance(answer, dict):
        return {name: _lasting(one) for name, one in answer.items() if name not in CHANGING}
    if isinstance(answer, list):
        return [_lasting(one) for one in answer]
    return round(answer, 5) if isinstance(answer, float) else answer
