"""The three wrappers as clients of a real `rerank serve`: rankings, serialisation, keys."""

import copy
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from haystack.utils import Secret

from rerank_plugins import CrossEncoderScorer, HttpScorer, InvalidInputError, Reranker, ServerError
from rerank_plugins.testing import DeterministicScorer
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


def token(framework: str) -> Any:
    return Secret.from_token("hf_x") if framework == "haystack" else "hf_x"


def hub_token(component: Any) -> str | None:
    """The token of the model in front of the server."""
    given = component._ready().scorers[0]._options["token"]
    return given() if callable(given) else given


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_model_in_front_of_a_server_has_the_hub_token(framework: str, url: str) -> None:
    make, cascade = WRAPPERS[framework].make, [{"model": "some/model", "keep": 12}]
    for scorer in ({"url": url}, HttpScorer(url)):
        given = make(scorer=scorer, token=token(framework), cascade=cascade, local_files_only=True)
        assert hub_token(given) == "hf_x"
        assert given._ready().scorers[0]._options["local_files_only"] is True
        assert hub_token(copy.copy(given)) == "hf_x"
        assert b"hf_x" not in pickle.dumps(given.cascade)
        own = [{"scorer": DeterministicScorer(), "keep": 12}]
        for useless in (None, own):
            with pytest.raises(InvalidInputError, match="scorer= and token= exclude each other"):
                make(scorer=scorer, token=token(framework), cascade=useless)


def test_haystacks_token_of_the_environment_is_for_models_that_have_none(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_API_TOKEN", "hf_environment")
    cascade = [{"model": "some/model", "keep": 12}]
    make = WRAPPERS["haystack"].make
    assert hub_token(make(scorer={"url": url}, cascade=cascade)) == "hf_environment"
    ready = CrossEncoderScorer("embedded", token="hf_x")
    assert hub_token(make(scorer=ready, cascade=cascade)) == "hf_x"
    assert make(scorer={"url": url})._ready()
