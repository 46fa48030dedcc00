"""`HttpScorer` against a real `rerank serve`: scores, scales, batches, budgets, cascades, keys."""

import asyncio
import copy
import gc
import os
import pickle
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, get_args

import httpx
import numpy as np
import pytest

from rerank_plugins import (
    CrossEncoderScorer,
    HttpScorer,
    InvalidInputError,
    PairScores,
    Reranker,
    Scorer,
    ScorerClosedError,
    ScoringTimeoutError,
    ServerError,
)
from rerank_plugins.remote.options import HttpDialect
from rerank_plugins.testing import DeterministicScorer, SlowScorer
from tests.engines import until
from tests.forked import forked_process
from tests.servers import served

QUERY = "why does bread dough rise"
PASSAGES = [
    *("Yeast in the dough makes gas, which lifts the bread.", "Copper roofs turn green."),
    *(f"Loaf number {n} rose for {n} hours in a warm kitchen." for n in range(50)),
]
DIALECTS = get_args(HttpDialect)
WITH_LOGITS = ("tei", "vllm", "vllm-score", "llama.cpp")
KEY = "sesame-4711"


@pytest.fixture(scope="module")
def library() -> Iterator[CrossEncoderScorer]:
    with CrossEncoderScorer("embedded", when_full="fail") as scorer:
        yield scorer


@pytest.fixture(scope="module")
def client(library: CrossEncoderScorer) -> Iterator[httpx.Client]:
    with served({"embedded": Reranker(library)}) as (_, client):
        yield client


@pytest.fixture(scope="module")
def url(client: httpx.Client) -> str:
    return str(client.base_url)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_scores_of_the_library(
    dialect: Any, url: str, library: CrossEncoderScorer
) -> None:
    wanted = library.score(QUERY, PASSAGES)
    with HttpScorer(url, dialect=dialect, batch_size=20) as scorer:
        assert scorer.scale == ("logit" if dialect in WITH_LOGITS else "probability")
        scores = scorer.score(QUERY, PASSAGES)
        assert scores.dtype == np.float32
        assert scores == pytest.approx(wanted, abs=1e-5)
        assert asyncio.run(scorer.ascore(QUERY, PASSAGES)) == pytest.approx(wanted, abs=1e-5)
        ranking = Reranker(scorer, top_k=5).rank(QUERY, PASSAGES)
    of_library = Reranker(library, top_k=5).rank(QUERY, PASSAGES)
    assert [one.index for one in ranking] == [one.index for one in of_library]
    assert [one.score for one in ranking] == pytest.approx(
        [one.score for one in of_library], abs=1e-5
    )
    assert {one.scale for one in ranking} == {"probability"}


@pytest.mark.parametrize("dialect", ["tei", "vllm", "vllm-score"])
def test_probabilities_are_asked_for_where_logits_are_not_wanted(
    dialect: Any, url: str, library: CrossEncoderScorer
) -> None:
    with HttpScorer(url, dialect=dialect, scale="probability") as scorer:
        scores = scorer.score(QUERY, PASSAGES[:3])
    assert scores == pytest.approx(library.score(QUERY, PASSAGES[:3]), abs=1e-5)


@pytest.mark.parametrize("dialect", ["tei", "vllm-score"])
def test_pairs_of_many_queries_come_back_in_their_order(
    dialect: Any, url: str, library: CrossEncoderScorer
) -> None:
    pairs = [(f"{QUERY} {n % 3}", passage) for n, passage in enumerate(PASSAGES)]
    with HttpScorer(url, dialect=dialect, batch_size=7, concurrency=2) as scorer:
        scores = scorer.score_pairs(pairs)
    assert scores == pytest.approx(library.score_pairs(pairs), abs=1e-5)


@contextmanager
def asking(
    scorer: Scorer, *, limits: Any = None, **options: Any
) -> Iterator[tuple[HttpScorer, httpx.Client]]:
    """A server with a scorer, an `HttpScorer` that asks it, and a client of it."""
    with (
        scorer,
        served({"it": Reranker(scorer)}, **(limits or {})) as (_, client),
        HttpScorer(str(client.base_url), **options) as asks,
    ):
        yield asks, client


class CountedScorer(DeterministicScorer):
    """Notes how many pairs each request has, and the most requests at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        self.sizes.append(len(pairs))
        return super().submit(pairs)


def test_requests_have_at_most_batch_size_passages() -> None:
    counted = CountedScorer()
    with asking(counted, batch_size=20) as (scorer, _):
        scorer.score(QUERY, PASSAGES)
        assert sorted(counted.sizes) == [12, 20, 20]
        assert scorer.score(QUERY, []).tolist() == []
        assert scorer.statistics.pairs == len(PASSAGES)
    assert len(counted.sizes) == 3


def test_no_more_requests_than_concurrency_are_open() -> None:
    options = {"batch_size": 1, "concurrency": 2, "retries": 0}
    with asking(SlowScorer(0.001), limits={"max_requests": 2}, **options) as (scorer, _):
        threads = [threading.Thread(target=scorer.score, args=(QUERY, PASSAGES)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert scorer.statistics.pairs == 3 * len(PASSAGES)  # none was refused with 429


def test_the_model_of_a_server_is_chosen_by_name() -> None:
    rerankers = {
        "words": Reranker(DeterministicScorer()),
        "letters": Reranker(DeterministicScorer(lambda _, passage: float(len(passage)))),
    }
    with served(rerankers) as (_, client):
        url = str(client.base_url)
        message = r"404: There is no model 'other'.*model=\.$"
        for dialect in DIALECTS:
            with HttpScorer(url, dialect=dialect, model="letters") as scorer:
                assert scorer.name == "letters"
                assert scorer.score("q", ["ab", "abc"]) == pytest.approx([2, 3], abs=1e-5)
            with (
                HttpScorer(url, dialect=dialect, model="other") as scorer,
                pytest.raises(ServerError, match=message),
            ):
                scorer.score("q", ["ab"])


@pytest.mark.parametrize(
    ("dialect", "given", "asked"),
    [
        ("tei", "", "/rerank"),
        ("tei", "/", "/rerank"),
        ("tei", "/rerank", "/rerank"),
        ("jina", "/v1", "/v1/rerank"),
        ("cohere", "/v2/rerank", "/v2/rerank"),
        ("jina", "/gateway", "/gateway/v1/rerank"),
        ("voyage", "/gateway/rerank", "/gateway/rerank"),
        ("vllm-score", "/v1/", "/v1/score"),
    ],
)
def test_the_route_is_added_where_it_is_missing(dialect: Any, given: str, asked: str) -> None:
    scorer = HttpScorer(f"http://gpu:8080{given}", dialect=dialect)
    assert scorer._server.url == f"http://gpu:8080{asked}"


def test_a_cascade_ends_on_a_server(url: str, library: CrossEncoderScorer) -> None:
    with HttpScorer(url) as last:
        reranker = Reranker(last, cascade=[{"model": "embedded", "keep": 5}])
        with reranker:
            ranking = reranker.rank(QUERY, PASSAGES)
        assert ranking.read == (len(PASSAGES), 5)
        assert last.statistics.pairs == 5
    best = Reranker(library, top_k=5).rank(QUERY, PASSAGES)
    assert [one.index for one in ranking] == [one.index for one in best]


def test_spans_come_from_a_server_too(url: str, library: CrossEncoderScorer) -> None:
    text = "Copper roofs turn green. Yeast in the dough makes gas, which lifts the bread."
    with HttpScorer(url) as scorer:
        (found,) = Reranker(scorer, spans=True).rank(QUERY, [text])
    (wanted,) = Reranker(library, spans=True).rank(QUERY, [text])
    assert [(one.start, one.end) for one in found.spans] == [
        (one.start, one.end) for one in wanted.spans
    ]


class StuckScorer(DeterministicScorer):
    """Answers for the first pairs, and never after them."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._left = first

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        self._left -= len(pairs)
        return super().submit(pairs) if self._left >= 0 else Future()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_time_budget_ends_without_an_error(dialect: Any) -> None:
    options = {"dialect": dialect, "batch_size": 5, "concurrency": 1}
    with asking(StuckScorer(17), **options) as (scorer, _):
        ranking = Reranker(scorer, time_budget=2).rank(QUERY, PASSAGES)
        assert 15 <= len(ranking) <= 17
        assert sorted(one.index for one in ranking) == list(range(len(ranking)))
        assert len(ranking.unscored) == len(PASSAGES) - len(ranking)
        assert scorer.statistics.pairs == len(ranking)
        assert Reranker(scorer, time_budget=1e-9).rank(QUERY, PASSAGES) == []


def test_rerank_serve_is_told_the_time_budget_and_answers_in_part() -> None:
    with asking(StuckScorer(17), batch_size=100) as (scorer, _):
        ranking = Reranker(scorer, time_budget=2).rank(QUERY, PASSAGES)
    # All are in one request, whose answer would otherwise come too late.
    assert 0 < len(ranking) <= 17
    assert sorted(one.index for one in ranking) == list(range(len(ranking)))


def test_a_call_fails_when_its_time_is_over() -> None:
    with asking(StuckScorer(3), timeout=0.2) as (scorer, _):
        assert len(scorer.score(QUERY, PASSAGES[:3], timeout=60)) == 3
        message = r"/rerank did not score 52 of 52 pairs in time\. .* raise timeout=\.$"
        with pytest.raises(ScoringTimeoutError, match=message):
            scorer.score(QUERY, PASSAGES)
        with pytest.raises(ScoringTimeoutError):
            asyncio.run(scorer.ascore(QUERY, PASSAGES, timeout=0.1))


def test_a_call_that_is_cancelled_ends_its_requests() -> None:
    slow = SlowScorer(0.02)
    with asking(slow, batch_size=100) as (scorer, client):

        async def give_up() -> None:
            asked = asyncio.create_task(scorer.ascore(QUERY, PASSAGES))
            while not slow.scored:
                await asyncio.sleep(0.01)
            asked.cancel()
            await asyncio.wait([asked])
            assert asked.cancelled()

        asyncio.run(give_up())
        dropped = 'te_request_failure{err="dropped"} 1.0'
        until(lambda: dropped in client.get("/metrics").text)
        assert len(slow.scored) < len(PASSAGES)


def test_threads_and_loops_share_the_connections(url: str, library: CrossEncoderScorer) -> None:
    wanted = library.score(QUERY, PASSAGES)
    found = []
    with HttpScorer(url, batch_size=10, concurrency=3) as scorer:

        async def several() -> list[Any]:
            return await asyncio.gather(*(scorer.ascore(QUERY, PASSAGES) for _ in range(3)))

        def work() -> None:
            found.append(scorer.score(QUERY, PASSAGES))
            found.extend(asyncio.run(several()))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 16
    for scores in found:
        assert scores == pytest.approx(wanted, abs=1e-5)


def threads_of_scorers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "rerank-http"}


def test_nothing_is_left_of_a_scorer_that_is_closed_or_given_up(url: str) -> None:
    others = threads_of_scorers()
    scorer = HttpScorer(url)
    assert threads_of_scorers() <= others
    waiting = scorer.submit([(QUERY, passage) for passage in PASSAGES])
    scorer.close()
    assert len(waiting.result(0).logits) == len(PASSAGES)
    assert threads_of_scorers() <= others
    scorer.close()
    with pytest.raises(ScorerClosedError, match=r"is closed\. Create a new HttpScorer"):
        scorer.score(QUERY, PASSAGES)
    given_up = HttpScorer(url)
    given_up.score(QUERY, PASSAGES)
    del given_up
    gc.collect()
    until(lambda: threads_of_scorers() <= others)


def test_a_fork_has_connections_of_its_own(url: str, library: CrossEncoderScorer) -> None:
    with HttpScorer(url) as scorer:
        before = scorer.score(QUERY, PASSAGES[:3])
        reading, writing = os.pipe()
        if not (child := os.fork()):
            os.write(writing, scorer.score(QUERY, PASSAGES[:3]).tobytes())
            os._exit(0)
        os.waitpid(child, 0)
        found = np.frombuffer(os.read(reading, 100), dtype=np.float32)
        for end in (reading, writing):
            os.close(end)
        assert found == pytest.approx(before, abs=1e-5)
        assert scorer.score(QUERY, PASSAGES[:3]) == pytest.approx(before, abs=1e-5)


def test_a_scorer_pickles_without_its_key(url: str) -> None:
    scorer = HttpScorer(url, dialect="jina", api_key=KEY, batch_size=3)
    pickled = pickle.dumps(scorer)
    assert KEY.encode() not in pickled
    with forked_process() as process:
        scores = process.submit(pickle.loads(pickled).score, QUERY, PASSAGES[:2]).result(60)
    assert scores.shape == (2,)
    for copied in (copy.copy(scorer), copy.deepcopy(scorer)):
        assert copied._options == scorer._options


class OfOurServer(HttpScorer):
    """A class of a user's own."""

    def __init__(self, url: str, team: str) -> None:
        super().__init__(url, dialect="jina", api_key=KEY)
        self.team = team


def test_a_copy_of_a_users_class_keeps_its_attributes_and_calls_no_constructor(url: str) -> None:
    with OfOurServer(url, "search") as scorer:
        scorer.name = "our server"
        wanted = scorer.score(QUERY, PASSAGES[:2])
        copies = (copy.copy(scorer), copy.deepcopy(scorer), pickle.loads(pickle.dumps(scorer)))
        for copied, key in zip(copies, (KEY, KEY, None), strict=True):
            with copied:
                assert type(copied) is OfOurServer
                assert (copied.team, copied.name) == ("search", "our server")
                assert copied._options == {**scorer._options, "api_key": key}
                assert copied.statistics.pairs == 0
        for copied in copies[:2]:
            with pytest.raises(ScorerClosedError):
                copied.score(QUERY, PASSAGES[:2])
        assert scorer.score(QUERY, PASSAGES[:2]) == pytest.approx(wanted)
        assert scorer.__getstate__().keys() == {"_options", "name", "team"}


def test_a_key_opens_the_server_and_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"words": Reranker(DeterministicScorer())}
    with served(words, tokens=[KEY, "sésame"]) as (_, client):
        url = str(client.base_url)
        monkeypatch.setenv("RERANK_TEST_KEY", f"{KEY}\n")
        for given in (
            *({"api_key": KEY}, {"api_key": lambda: KEY}, {"api_key": "sésame"}),
            {"api_key_variable": "RERANK_TEST_KEY"},
        ):
            with HttpScorer(url, **given) as scorer:
                assert scorer.score("fox", ["fox"]).tolist() == [4.0]
                assert KEY not in repr(scorer) + str(scorer.identity)
        with HttpScorer(url) as scorer, pytest.raises(ServerError, match="answered 401: The token"):
            scorer.score("fox", ["fox"])
        with HttpScorer(url, api_key_variable="RERANK_NO_KEY") as scorer:
            message = "variable 'RERANK_NO_KEY', which api_key_variable= names, is not set. Set it"
            with pytest.raises(InvalidInputError, match=message):
                scorer.score("fox", ["fox"])
            with pytest.raises(InvalidInputError, match=message):
                scorer.warm_up()
        for bad in ("two\nlines", lambda: 17):
            with HttpScorer(url, api_key=bad) as scorer:
                with pytest.raises(InvalidInputError, match="must be a string of one line") as info:
                    scorer.score("fox", ["fox"])
                assert "lines" not in str(info.value)


def test_a_scorer_is_written_down_without_a_key() -> None:
    options: dict[str, Any] = {"dialect": "cohere", "model": "rerank-v3.5", "retries": 0}
    scorer = HttpScorer("https://api.cohere.com/", api_key_variable="CO_API_KEY", **options)
    written = scorer.to_dict()
    assert written == {
        "url": "https://api.cohere.com",
        "api_key_variable": "CO_API_KEY",
        **options,
    }
    assert HttpScorer(**written).to_dict() == written
    assert repr(scorer) == (
        "HttpScorer('https://api.cohere.com', dialect='cohere', model='rerank-v3.5', "
        "api_key_variable='CO_API_KEY', retries=0)"
    )
    with pytest.raises(InvalidInputError, match=r"api_key= cannot be serialised\. Name"):
        HttpScorer("http://gpu", api_key=KEY).to_dict()


def test_the_identity_is_the_servers_address_the_models_name_and_what_is_asked() -> None:
    one = HttpScorer("http://gpu:8080", model="a").identity
    assert one == HttpScorer("http://gpu:8080/rerank", model="a", batch_size=7).identity
    for other in (
        HttpScorer("http://gpu:8081", model="a"),
        HttpScorer("http://gpu:8080", model="b"),
        HttpScorer("http://gpu:8080", model="a", scale="probability"),
    ):
        assert other.identity.meaning != one.meaning


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "gpu:8080"}, "must be the address of a server"),
        ({"url": 3}, "must be the address of a server"),
        ({"url": "http://"}, "must be the address of a server"),
        ({"url": "http://gpu:port"}, "must be the address of a server"),
        ({"url": "http://gpu/?key=abc"}, "without [?] and #"),
        ({"dialect": "cohere-v3"}, "dialect must be one of 'tei', 'cohere'"),
        ({"scale": "calibrated"}, "scale must be one of 'logit', 'probability'"),
        ({"batch_size": 0}, "batch_size must be > 0"),
        ({"retries": -1}, "retries must be >= 0"),
        ({"timeout": 0}, "timeout must be a number of seconds > 0"),
        ({"api_key": 17}, "api_key must be a string or a function .* got int"),
        ({"api_key": "a", "api_key_variable": "B"}, "exclude each other"),
    ],
)
def test_an_option_that_is_not_allowed_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        HttpScorer(**{"url": "http://gpu", **given})


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidInputError, match=r"api_key_variable='NAME'\.$") as info:
        HttpScorer(f"http://me:{KEY}@gpu")
    assert KEY not in str(info.value)


def test_half_a_surrogate_pair_does_not_fail(url: str) -> None:
    with HttpScorer(url) as scorer:
        assert scorer.score(QUERY, ["yeast \ud800 gas"]).shape == (1,)
