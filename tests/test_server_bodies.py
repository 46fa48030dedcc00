"""No body makes the server fail: what it cannot use gets an error that says why."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins import Reranker
from rerank_plugins.server.own import OWN
from rerank_plugins.server.routes import ROUTES, examples_of
from rerank_plugins.testing import DeterministicScorer
from tests.servers import served

KEYS = [
    *("query", "texts", "documents", "passages", "inputs", "input", "parameters", "model", "top_n"),
    *("top_k", "return_input"),
    *("truncation", "truncate", "truncation_direction", "raw_scores", "return_text"),
    *("return_documents", "rank_fields", "relevant_spans", "use_activation", "max_tokens_per_doc"),
    *("max_chunks_per_doc", "truncate_prompt_tokens", "add_special_tokens"),
    *("text_1", "text_2", "queries", "items", "data_1", "data_2", "scale", *OWN),
]
TEXTS = st.sampled_from(["", "fox", "auto", "logit", "Left", "enabled", "\ud800"])
NUMBERS = st.sampled_from([0, -1, 1, 3, 10**400, 1e308, -0.0])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "query", "texts", "mode", "threshold", "max_spans"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)
EXAMPLES = [(route, dict(body)) for route in ROUTES for body in examples_of(route).values()]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served() as (_, client):
        yield client


@settings(max_examples=300, deadline=None)
@given(
    example=st.sampled_from(EXAMPLES),
    changes=st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3),
)
def test_every_body_gets_an_answer_or_an_error_that_says_why(
    client: httpx.Client, example: tuple[str, dict[str, Any]], changes: dict[str, Any]
) -> None:
    route, body = example
    answer = client.post(route, content=json.dumps(body | changes).encode())
    assert answer.status_code in (200, 400, 404, 422), answer.text
    if answer.status_code != 200:
        assert answer.json()["message"]


@settings(max_examples=100, deadline=None)
@given(route=st.sampled_from(list(ROUTES)), body=st.binary(max_size=30))
def test_bytes_that_are_no_json_get_an_error(client: httpx.Client, route: str, body: bytes) -> None:
    assert client.post(route, content=body).status_code in (400, 422)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (b'"time_budget": 1e999', "1e999 is not a finite number"),
        (b'"documents": [{"text": "fox", "price": -1e999}]', "-1e999 is not a finite number"),
        (b'"ignored": NaN', "NaN is not a finite number"),
        (b'"relevant_spans": {"mode": "enabled", "threshold": 1%s}' % (b"0" * 400), "`threshold`"),
        (b'"time_budget": 1%s' % (b"0" * 400), "time_budget"),
    ],
)
def test_a_number_beyond_all_floats_is_refused(
    client: httpx.Client, keys: bytes, said: str
) -> None:
    body = b'{"query": "fox", "documents": ["fox"], %s}' % keys
    answer = client.post("/v1/rerank", content=body)
    assert (answer.status_code, said in answer.json()["message"]) == (400, True), answer.text


def test_a_document_too_deep_to_be_given_back_gets_an_error_that_is_logged_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "rerank_plugins.server.logs")
    found = []
    with served({"words": Reranker(DeterministicScorer())}) as (_, client):
        for depth in range(880, 1000, 2):  # the first are answered, the last cannot be read
            deep = b"[" * depth + b"]" * depth
            body = b'{"query": "fox", "documents": [{"text": "fox", "more": %s}]}' % deep
            answer = client.post("/v1/rerank", content=body)
            found.append(answer.status_code)
            assert answer.status_code == 200 or answer.json()["message"]
            assert "x-request-id" in answer.headers
        page = client.get("/metrics").text
    logged = [vars(one)["facts"]["status"] for one in caplog.records if hasattr(one, "facts")]
    assert logged == found, set(found)
    assert f'te_request_success{{method="batch"}} {found.count(200)}.0' in page
