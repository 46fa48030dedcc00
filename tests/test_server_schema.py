"""What the server's own OpenAPI page allows never makes it fail."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.schemas import BaseSchema

from tests.servers import served


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served() as (_, client):
        yield client


@pytest.fixture(scope="module")
def schema(client: httpx.Client) -> BaseSchema:
    return schemathesis.openapi.from_url(str(client.base_url.join("/openapi.json")))


def test_no_request_by_the_schema_makes_the_server_fail(
    schema: BaseSchema, client: httpx.Client
) -> None:
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from(operations))
        case = data.draw(operation.as_strategy())
        response = case.call()
        assert response.status_code < 500, response.text

    check()
    assert client.get("/health").status_code == 200
