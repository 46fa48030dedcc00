"""`HttpScorer` and a server that refuses, drops, redirects or answers nonsense."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from rerank_plugins import (
    HttpScorer,
    QueueFullError,
    Reranker,
    RerankError,
    ScoringError,
    ScoringTimeoutError,
    ServerError,
)
from rerank_plugins.remote import refusals
from rerank_plugins.remote.refusals import pause_before_retry
from tests.misbehaving import Misbehaving, Reply, misbehaving

KEY = "sesame-4711"
GOOD = Reply(body=[{"index": 1, "score": 2.5}, {"index": 0, "score": -1}])
BUSY = Reply(429, {"error": "Model is overloaded", "error_type": "Overloaded"})
PASSAGES = ["a", "b"]


@contextmanager
def asking(*replies: Reply, **options: Any) -> Iterator[tuple[Misbehaving, HttpScorer]]:
    """A server with these replies, and a scorer that asks it."""
    with misbehaving(*replies) as server, HttpScorer(server.url, **options) as scorer:
        yield server, scorer


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_FIRST_PAUSE", 0.01)


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_is_sent_again_after_429_and_503(status: int) -> None:
    busy = Reply(status, b"busy")
    with asking(busy, busy, GOOD) as (server, scorer):
        assert scorer.score("q", PASSAGES).tolist() == [-1.0, 2.5]
        assert len(server.asked) == 3
        assert server.asked[0][1] == server.asked[2][1]


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 424, 500, 502, 504])
def test_no_request_is_sent_again_after_another_status(status: int) -> None:
    with asking(Reply(status, {"message": "No."}), GOOD) as (server, scorer):
        with pytest.raises(ServerError, match=f"/rerank answered {status}: No[.]"):
            scorer.score("q", PASSAGES)
        assert len(server.asked) == 1
        assert scorer.score("q", PASSAGES).tolist() == [-1.0, 2.5]


def test_a_request_is_sent_again_only_so_often() -> None:
    with asking(BUSY, retries=2) as (server, scorer):
        message = r"answered 429: Model is overloaded\. Ask for less at once, or raise retries="
        with pytest.raises(QueueFullError, match=message):
            scorer.score("q", PASSAGES)
        assert len(server.asked) == 3


def test_the_server_says_how_long_to_wait() -> None:
    later = Reply(429, b"", {"retry-after": "1"})
    with asking(later, GOOD) as (_, scorer):
        begun = time.monotonic()
        scorer.score("q", PASSAGES)
        assert time.monotonic() - begun >= 1
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    pause = pause_before_retry(503, {"retry-after": soon}, 0, 3)
    assert pause is not None
    assert 90 < pause <= 100
    assert pause_before_retry(503, {"retry-after": "Fri, 01 Jan 1999 00:00:00 GMT"}, 0, 3) == 0


def test_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_FIRST_PAUSE", 0.5)
    for header in ({}, {"retry-after": "soon"}):
        for attempt, longest in enumerate((0.5, 1, 2, 4)):
            pauses = {pause_before_retry(429, header, attempt, 9) for _ in range(20)}
            assert all(pause is not None and longest / 2 <= pause <= longest for pause in pauses)
            assert len(pauses) > 1


def test_nobody_waits_for_a_retry_that_comes_too_late() -> None:
    tomorrow = Reply(429, b"Slow down!", {"retry-after": "86400"})
    with asking(tomorrow) as (server, scorer):
        with pytest.raises(QueueFullError, match="429: Slow down! Ask for"):
            scorer.score("q", PASSAGES)
        assert len(server.asked) == 1
        ranking = Reranker(scorer, time_budget=0.2).rank("q", PASSAGES)
        assert (list(ranking), ranking.unscored) == ([], (0, 1))


def test_a_connection_that_is_dropped_is_an_error() -> None:
    with asking(Reply(None), GOOD) as (server, scorer):
        message = r"/rerank did not answer: .+ Check that the server runs and that url= is"
        with pytest.raises(ServerError, match=message):
            scorer.score("q", PASSAGES)
        assert len(server.asked) == 1
        assert scorer.score("q", PASSAGES).tolist() == [-1.0, 2.5]
    with HttpScorer(server.url) as scorer, pytest.raises(ServerError, match="did not answer"):
        scorer.score("q", PASSAGES)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "pip install httpx[socks]"),
        ("HTTP_PROXY", "foo:bar", "Invalid port: 'bar'"),
        ("HTTP_PROXY", "ftp://127.0.0.1", "Unknown scheme for proxy URL"),
        ("NO_PROXY", "[::1", "Invalid port"),
        ("SSL_CERT_FILE", "/no/such/file", "No such file"),
    ],
)
def test_settings_of_the_environment_that_cannot_be_used_are_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with HttpScorer("http://127.0.0.1:9") as scorer, pytest.raises(ServerError) as info:
        scorer.score("q", PASSAGES)
    assert str(info.value).startswith("the proxy or certificate settings of the environment cannot")
    assert said in str(info.value)
    assert "Correct or unset HTTP_PROXY" in str(info.value)


def test_a_body_that_breaks_off_is_an_error() -> None:
    broken = Reply(200, b"[]", {"content-length": "100", "connection": "close"})
    with asking(broken) as (_, scorer), pytest.raises(ServerError, match="did not answer"):
        scorer.score("q", PASSAGES)


def test_a_redirect_is_not_followed_and_the_other_host_sees_no_key() -> None:
    with misbehaving(GOOD) as other:
        away = Reply(307, b"", {"location": f"{other.url}/rerank?key={KEY}"})
        with asking(away, api_key=KEY) as (server, scorer):
            message = rf"answered 307: it redirects to {other.url}/rerank[?]key=[*]{{3}}, and "
            with pytest.raises(ServerError, match=message):
                scorer.score("q", PASSAGES)
            assert server.asked[0][0]["authorization"] == f"Bearer {KEY}"
        assert other.asked == []


def test_no_message_has_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    echo = Reply(401, {"detail": f"The key {KEY} is unknown."})
    with (
        asking(echo, api_key=KEY) as (_, scorer),
        pytest.raises(ServerError, match=r"The key [*]{3} is unknown\.") as info,
    ):
        scorer.score("q", PASSAGES)
    assert KEY not in str(info.value) + caplog.text + repr(scorer)


@pytest.mark.parametrize(
    "echo",
    [
        Reply(200, f"Hello, your header was Bearer {KEY}".encode()),
        Reply(200, [f"Bearer {KEY}"]),
        Reply(400, {"message": f"{'x' * 295} {KEY}"}),
    ],
    ids=["no JSON", "no scores", "cut off"],
)
def test_no_part_of_the_key_is_shown(echo: Reply) -> None:
    with asking(echo, api_key=KEY) as (_, scorer), pytest.raises(ServerError) as info:
        scorer.score("q", PASSAGES)
    assert KEY[:4] not in str(info.value)


def test_without_a_key_401_says_how_to_give_one_and_with_one_to_check_it() -> None:
    for options, hint in (
        ({}, "Name the environment variable"),
        ({"api_key": KEY}, "Check the key"),
    ):
        with (
            asking(Reply(401, b"No."), **options) as (_, scorer),
            pytest.raises(ServerError) as info,
        ):
            scorer.score("q", PASSAGES)
        assert hint in str(info.value)


@pytest.mark.parametrize("url", ["http://host…:8080", "http://bü cher:1", "http://a\x01b:1"])
def test_an_address_that_cannot_be_asked_is_an_error(url: str) -> None:
    with HttpScorer(url) as scorer, pytest.raises(ServerError, match=r"did not answer: .*url= is"):
        scorer.score("q", PASSAGES)


def test_a_function_that_is_slow_to_give_the_key_holds_up_its_own_call_alone() -> None:
    asked = threading.Event()
    let_go = threading.Event()

    def key() -> str:
        if not asked.is_set():
            asked.set()
            let_go.wait()
        return KEY

    with asking(GOOD, GOOD, api_key=key, timeout=60) as (_, scorer):
        first = scorer.submit([("q", text) for text in PASSAGES])
        asked.wait()
        assert scorer.score("q", PASSAGES).tolist() == [-1.0, 2.5]
        let_go.set()
        assert first.result().logits.tolist() == [-1.0, 2.5]


def test_the_time_of_a_call_covers_the_function_that_gives_the_key() -> None:
    let_go = threading.Event()

    def key() -> str:
        let_go.wait()
        return KEY

    with asking(GOOD, api_key=key, timeout=0.05) as (server, scorer):
        with pytest.raises(ScoringTimeoutError):
            scorer.score("q", PASSAGES)
        let_go.set()
    assert server.asked == []


def test_a_function_whose_own_request_for_the_key_timed_out_is_not_taken_for_the_server() -> None:
    def key() -> str:
        raise TimeoutError("the vault is slow")

    with (
        asking(GOOD, api_key=key, timeout=60) as (_, scorer),
        pytest.raises(TimeoutError, match="the vault is slow"),
    ):
        scorer.score("q", PASSAGES)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "tei", "error_type": "Validation"}, "tei"),
        ({"message": "cohere"}, "cohere"),
        ({"detail": "jina"}, "jina"),
        ({"detail": [{"loc": ["body"], "msg": "fastapi", "type": "missing"}]}, "fastapi"),
        ({"error": {"message": "vllm", "type": "x", "code": 400}}, "vllm"),
        ({"error": None, "message": "second"}, "second"),
        ({"code": 7}, '{"code": 7}'),
        (b"Slow down!", "Slow down!"),
        (b"plain", "plain"),
        (b"<html>\n  <body>nginx</body>", "<html> <body>nginx</body>"),
        (b"", "nothing"),
        ([], "nothing"),
        (b"x" * 1000, "x" * 297 + "..."),
    ],
)
def test_the_message_of_every_dialects_error_is_shown(body: Any, said: str) -> None:
    with asking(Reply(400, body)) as (server, scorer), pytest.raises(ServerError) as info:
        scorer.score("q", PASSAGES)
    end = "" if said.endswith((".", "!")) else "."
    assert str(info.value) == f"{server.url}/rerank answered 400: {said}{end}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "gave no JSON but str '<html>'"),
        (b"", "gave no JSON but str ''"),
        (b"[" * 100_000, "gave no JSON but str"),
        ({"scores": [1, 2]}, "gave no list of scores"),
        (7, "gave no list of scores"),
        ({"results": {"0": 1}}, "gave no list of scores"),
        ([1.0, 2.0], "gave float 1.0, which should have an index and a score"),
        ([{"index": "0", "score": 1}], "should have an index and a score"),
        ([{"index": True, "score": 1}], "should have an index and a score"),
        ([{"index": 0, "score": "1"}], "should have an index and a score"),
        ([{"index": 0, "score": None}], "should have an index and a score"),
        ([{"index": 0, "score": 1}], "gave 1 scores for 2 passages; index 1 has none"),
        ([], "gave 0 scores for 2 passages; index 0 has none"),
        ([{"index": 0, "score": 1}] * 2, "gave two scores for index 0"),
        ([{"index": 2, "score": 1}], "gave a score for index 2 of 2 passages"),
        ([{"index": -1, "score": 1}], "gave a score for index -1 of 2 passages"),
        (b'[{"index": 0, "score": NaN}]', "gave nan as the score of index 0"),
        (b'[{"index": 0, "score": 1e999}]', "gave inf as the score of index 0"),
        ([{"index": 0, "score": 10**400}], "gave inf as the score of index 0"),
    ],
)
def test_an_answer_without_one_score_for_each_passage_is_an_error(body: Any, message: str) -> None:
    with asking(Reply(200, body), GOOD) as (_, scorer):
        with pytest.raises(ServerError) as info:
            scorer.score("q", PASSAGES)
        assert message in str(info.value)
        assert str(info.value).endswith(
            "Check that url= and dialect= name a rerank server of that dialect."
        )
        assert scorer.score("q", PASSAGES).tolist() == [-1.0, 2.5]


def test_an_answer_in_part_is_an_error_where_no_time_budget_allows_it() -> None:
    part = Reply(200, [{"index": 1, "score": 2.5}], {"x-scored": "1/2"})
    with asking(part) as (server, scorer):
        with pytest.raises(ServerError, match="index 0 has none"):
            scorer.score("q", PASSAGES)
        ranking = Reranker(scorer, time_budget=60).rank("q", PASSAGES)
        assert ([one.index for one in ranking], ranking.unscored) == ([1], (0,))
        assert 30 < server.asked[1][1]["time_budget"] < 60


@pytest.mark.parametrize("dialect", ["cohere", "cohere-v1", "jina", "voyage"])
def test_a_hosted_service_is_not_sent_keys_that_it_does_not_know(dialect: Any) -> None:
    body = {"data" if dialect == "voyage" else "results": [{"index": 0, "relevance_score": 0.5}]}
    with asking(Reply(200, body), dialect=dialect) as (server, scorer):
        Reranker(scorer, time_budget=60).rank("q", ["a"])
        sent = server.asked[0][1].keys()
    known = {"query", "documents", "model", "return_documents", "truncation"}
    assert sent <= known


def test_probabilities_of_0_and_1_are_finite_and_others_are_an_error() -> None:
    def reply(*scores: float) -> Reply:
        rows = [{"index": at, "relevance_score": score} for at, score in enumerate(scores)]
        return Reply(200, {"results": rows})

    with misbehaving(reply(0, 1), reply(0.5, 1.5), reply(0.5, 1.5)) as server:
        with HttpScorer(server.url, dialect="cohere") as scorer:
            scores = [one.score for one in Reranker(scorer).rank("q", PASSAGES)]
            assert scores == pytest.approx([1.0, 0.0], abs=1e-9)
            with pytest.raises(ServerError, match=r"gave 1\.5 as a probability\. Give scale='logi"):
                scorer.score("q", PASSAGES)
        with HttpScorer(server.url, dialect="cohere", scale="logit") as scorer:
            assert scorer.score("q", PASSAGES).tolist() == [0.5, 1.5]


def test_one_request_that_fails_ends_the_others_of_its_call() -> None:
    bad = Reply(500, {"error": "no"})
    with asking(bad, batch_size=1, concurrency=2) as (server, scorer):
        with pytest.raises(ServerError, match="answered 500: no"):
            scorer.score("q", ["a"] * 100)
        assert len(server.asked) <= 2 * 2


def test_what_a_server_does_wrong_is_caught_as_a_failed_model_is() -> None:
    assert issubclass(ServerError, ScoringError)
    assert issubclass(ServerError, ConnectionError)
    assert issubclass(QueueFullError, RerankError)
