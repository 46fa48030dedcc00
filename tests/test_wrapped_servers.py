"""The three wrappers as clients of a real `rerank serve`: rankings, serialisation, keys."""

import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rerank_plugins import CrossEncoderScorer, HttpScorer, InvalidInputError, Reranker, ServerError
from tests.engines import until
from tests.servers import served
from tests.wrappers import WRAPPERS

KEY = "sesame-4711"
PASSAGES = [
    "Copper roofs turn green.",
    "Yeast in the dough makes gas, which lifts the bread.",
    "Bread is baked in an oven.",
]
QUERY = "why does bread dough rise"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    scorer = CrossEncoderScorer("embedded", when_full="fail")
    with scorer, served({"embedded": Reranker(scorer)}, tokens=[KEY]) as (_, client):
        yield str(client.base_url)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_TEST_KEY", KEY)


@pytest.fixture
def options(url: str) -> dict[str, Any]:
    return {"url": url, "dialect": "jina", "api_key_variable": "RERANK_TEST_KEY", "batch_size": 2}


@pytest.mark.parametrize("framework", WRAPPERS)
@pytest.mark.parametrize("path", ["rank", "arank"])
def test_a_wrapper_ranks_with_a_server_as_with_its_model(
    framework: str, path: str, options: dict[str, Any]
) -> None:
    ask = getattr(WRAPPERS[framework], path)
    wanted = ask(QUERY, PASSAGES, model="embedded")
    given = dict(options)
    for scorer in (given, HttpScorer(**options)):
        found = ask(QUERY, PASSAGES, scorer=scorer)
        assert [place for place, _ in found] == [place for place, _ in wanted]
        assert [score for _, score in found] == pytest.approx(
            [score for _, score in wanted], abs=1e-5
        )
    assert given == options


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_wrapper_with_a_server_is_written_down_and_read_again(
    framework: str, options: dict[str, Any]
) -> None:
    wrapper = WRAPPERS[framework]
    for scorer in (options, HttpScorer(**options)):
        dumped = wrapper.dump(wrapper.make(scorer=scorer))
        assert "RERANK_TEST_KEY" in dumped
        assert KEY not in dumped
        loaded = wrapper.load(dumped)
        assert loaded.scorer == options
        ranking = wrapper.ranking(wrapper.run(loaded, QUERY, wrapper.documents(PASSAGES)))
        assert ranking[0][0] == "1"
        loaded.close()


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_wrapper_with_a_key_is_not_written_down(framework: str, url: str) -> None:
    wrapper = WRAPPERS[framework]
    component = wrapper.make(scorer=HttpScorer(url, api_key=KEY))
    assert wrapper.run(component, QUERY, wrapper.documents(PASSAGES))
    with pytest.raises(Exception, match=r"HttpScorer with api_key= cannot be serialised\. Name"):
        wrapper.dump(component)
    assert KEY not in repr(component)


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_wrapper_with_a_server_survives_pickle_and_closes_what_it_made(
    framework: str, options: dict[str, Any]
) -> None:
    others = set(threading.enumerate())  # of scorers that other tests share
    wrapper = WRAPPERS[framework]
    component = pickle.loads(pickle.dumps(wrapper.make(scorer=options)))
    ranking = wrapper.ranking(wrapper.run(component, QUERY, wrapper.documents(PASSAGES)))
    assert ranking[0][0] == "1"
    (own,) = (each for each in set(threading.enumerate()) - others if each.name == "rerank-http")
    component.close()
    until(lambda: not own.is_alive())


@pytest.mark.parametrize("framework", WRAPPERS)
@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        ({"url": "http://gpu", "api_key": KEY}, "cannot have 'api_key'. They are url, dialect"),
        ({"url": "http://gpu", "batch": 3}, "cannot have 'batch'"),
        ({"dialect": "tei"}, "url must be the address of a server"),
        ({"url": "http://gpu", "dialect": "cohere-v9"}, "dialect must be one of"),
    ],
)
def test_options_of_a_server_that_are_not_allowed_are_refused(
    framework: str, scorer: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError) as info:
        WRAPPERS[framework].make(scorer=scorer)
    assert message in str(info.value)
    assert KEY not in str(info.value)


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_servers_options_and_a_models_exclude_each_other(framework: str, url: str) -> None:
    with pytest.raises(ValueError, match=r"scorer= and max_length= exclude each other"):
        WRAPPERS[framework].make(scorer={"url": url}, max_length=100)


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_servers_error_reaches_the_frameworks_user(framework: str, url: str) -> None:
    with pytest.raises(ServerError, match=r"answered 401: The token is missing or wrong\."):
        WRAPPERS[framework].rank(QUERY, PASSAGES, scorer={"url": url})
