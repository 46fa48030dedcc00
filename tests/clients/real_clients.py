"""Clients that were written for other services, against `rerank serve embedded`.

Not part of the tests: `make test-clients` installs the clients, in environments of their own, and
runs this.
"""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import distributions
from itertools import islice
from typing import NamedTuple

import httpx
import pytest

from rerank_plugins import CrossEncoderScorer, Ranked, Reranker
from tests.clients.calls import Call
from tests.clients.table import CLIENTS, HERE, NODE, Client, pins
from tests.engines import until
from tests.pages import ROOT
from tests.servers import serving

ENVIRONMENTS = ROOT / ".clients"
TOKEN = "right"
MOST_DOCUMENTS = 8
QUERY = "Why does bread dough rise?"
DOCUMENTS = [
    "Copper roofs turn green in the rain.",
    "Yeast in the dough makes gas. It lifts the bread. Bakers let it rest.",
    "Blé, eau, sel : la pâte 🥖 lève grâce à la levure.",
    'Bread was "white" or black\tonce;\nflour decided.',
    "A loaf rises in the oven because its gas expands. " * 8,
]
SAID = {
    "unauthorized": "The token is missing or wrong",
    "unknown": "There is no model 'other'",
    "invalid": "batch size 9 > maximum allowed batch size 8",
    "full": "The queue of 'embedded' is full",
}
"""The server's message for each error."""

LONG = json.dumps({"query": QUERY, "documents": [f"{n} {'bread ' * 300}" for n in range(20_000)]})
"""More work than any client waits for."""


class Environment:
    """A process in an environment of clients, which uses any of them."""

    def __init__(self, name: str) -> None:
        python = str(ENVIRONMENTS / name / "bin" / "python")
        command = ["node", "drive.mjs"] if name == NODE else [python, "drive.py"]
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        quiet = {"HAYSTACK_TELEMETRY_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=HERE, env=kept | quiet, stdin=pipe, stdout=pipe, encoding="utf-8"
        )

    def ask(self, call: Call) -> dict:
        """What a client makes of the answer: `rows`, or the `error` that it raises."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asdict(call)) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the process died"
        return json.loads(line)

    def close(self) -> None:
        self._process.communicate()


class Driver(NamedTuple):
    """A client, and what uses it."""

    client: Client
    environment: Environment

    def call(self, url: str) -> Call:
        """A call that succeeds on a server."""
        return Call(
            driver=self.client.driver,
            url=url + self.client.base,
            token=TOKEN,
            model="embedded",
            query=QUERY,
            documents=DOCUMENTS,
            top_n=None,
            return_documents=False,
        )

    def ask(self, call: Call) -> dict:
        return self.environment.ask(call)


def why_missing(environment: str) -> str | None:
    """Why the clients of an environment cannot be run here; `None` if they can."""
    if environment == NODE:
        if node_version() < 20:
            return "Node 20 or newer is not here (Debian 13: apt-get install nodejs npm)"
        installed = (HERE / "node_modules").is_dir()
    else:
        installed = (ENVIRONMENTS / environment / "installed").exists()
    if installed:
        return None
    return f"{environment} is not installed: make test-clients does it where its index answers"


def node_version() -> int:
    """The first number of Node's version; 0 where there is no Node."""
    if shutil.which("node") is None:
        return 0
    command = ["node", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(said.removeprefix("v").partition(".")[0])


@pytest.fixture(scope="module")
def environments() -> Iterator[Callable[[str], Environment]]:
    """The process of an environment; where it is not installed, the test is skipped."""
    with ExitStack() as stack:

        @cache
        def started(name: str) -> Environment:
            if reason := why_missing(name):
                pytest.skip(reason)
            return stack.enter_context(closing(Environment(name)))

        yield started


@pytest.fixture(
    params=[(client, environment) for client in CLIENTS for environment in client.environments],
    ids=lambda given: f"{given[0].driver} {given[1]}",
)
def driver(request: pytest.FixtureRequest, environments: Callable[[str], Environment]) -> Driver:
    client, environment = request.param
    return Driver(client, environments(environment))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    options = ("--max-documents", MOST_DOCUMENTS)
    with serving("embedded", *options, RERANK_TOKEN=TOKEN) as (url, _):
        yield url


@pytest.fixture(scope="module")
def reranker() -> Iterator[Reranker]:
    with CrossEncoderScorer("embedded") as scorer:
        yield Reranker(scorer)


@pytest.fixture(scope="module")
def small_queue() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server whose queue one request of `LONG` fills."""
    room = {"documents": 20_000, "characters": len(LONG), "body-bytes": len(LONG)}
    options = [f"--max-{name}={most}" for name, most in room.items()]
    with serving("embedded", *options, "--max-queue-pairs=100", "--log-format=json") as found:
        yield found


@contextmanager
def full(url: str) -> Iterator[None]:
    """Keeps a server's queue full; the client that fills it leaves in the end."""
    with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port)) as client:
        head = f"POST /v2/rerank HTTP/1.1\r\nhost: x\r\ncontent-length: {len(LONG)}\r\n\r\n"
        client.sendall((head + LONG).encode())
        until(lambda: counted(url, "rerank_queue_pairs{") > 100)
        yield
    until(lambda: counted(url, "rerank_queue_pairs{") + counted(url, "rerank_open_requests") == 0)


@contextmanager
def requests(url: str, number: int) -> Iterator[None]:
    """Holds what is done here to a number of requests: no client asks again unseen."""
    before = counted(url)
    yield
    assert counted(url) - before == number


def counted(url: str, name: str = "te_request_count{") -> float:
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(name))


def check(answer: dict, wanted: list[Ranked]) -> None:
    assert "rows" in answer, answer
    rows = answer["rows"]
    assert [index for index, *_ in rows] == [one.index for one in wanted]
    scores = [one.score for one in wanted]
    assert [score for _, score, _ in rows] == pytest.approx(scores, abs=1e-5)


def test_a_client_gives_the_order_and_the_scores_of_the_library(
    driver: Driver, url: str, reranker: Reranker
) -> None:
    call = driver.call(url)
    wanted = reranker.rank(QUERY, DOCUMENTS)
    assert [one.index for one in wanted] != sorted(one.index for one in wanted)
    with requests(url, 1):
        check(driver.ask(call), wanted)
    if "top_n" in driver.client.has:
        with requests(url, 1):
            check(driver.ask(replace(call, top_n=2)), wanted[:2])
    if "objects" in driver.client.has:
        objects = [{"text": text, "place": "left out"} for text in DOCUMENTS]
        with requests(url, 1):
            check(driver.ask(replace(call, documents=objects)), wanted)


def test_documents_come_back_where_they_are_asked_for(
    driver: Driver, url: str, reranker: Reranker
) -> None:
    for asked in {"return_documents" in driver.client.has, False}:
        call = replace(driver.call(url), return_documents=asked)
        for index, _, text in driver.ask(call)["rows"]:
            assert text == (DOCUMENTS[index] if asked else None)


@pytest.mark.parametrize("why", ["unauthorized", "unknown", "invalid"])
def test_a_client_raises_its_own_error_at_once(driver: Driver, url: str, why: str) -> None:
    wrong = {
        "unauthorized": {"token": "wrong"},
        "unknown": {"model": "other"},
        "invalid": {"documents": ["a"] * (MOST_DOCUMENTS + 1)},
    }
    call = replace(driver.call(url), **wrong[why])
    if why == "unknown" and "model" not in driver.client.has:
        assert "rows" in driver.ask(call)
        return
    with requests(url, 0 if why == "unauthorized" else 1):  # others' requests are not counted
        check_error(driver.ask(call), driver.client, why)


def test_a_full_server_is_asked_as_often_as_the_client_says(
    driver: Driver, small_queue: tuple[str, "subprocess.Popen[str]"]
) -> None:
    url, process = small_queue
    tries = driver.client.tries
    with full(url), requests(url, tries):
        answer = driver.ask(driver.call(url))
    check_error(answer, driver.client, "full")
    assert process.stderr is not None
    lines = map(json.loads, process.stderr)
    refused = (line["route"] for line in lines if line.get("status") == 429)
    assert list(islice(refused, tries)) == [driver.client.route] * tries


def check_error(answer: dict, client: Client, why: str) -> None:
    assert answer.get("error") == getattr(client, why), answer
    assert (SAID[why] in answer["message"]) is client.tells


def test_cohere_7_gets_the_parts_that_answer(
    url: str, reranker: Reranker, environments: Callable[[str], Environment]
) -> None:
    driver = Driver(CLIENTS[0], environments("cohere-7"))
    answer = driver.ask(replace(driver.call(url), driver="with_cohere.relevant_spans"))
    wanted = reranker.rank(QUERY, DOCUMENTS, spans=True, max_spans=99)
    check(answer, wanted)
    for one, (*_, found) in zip(wanted, answer["rows"], strict=True):
        spans = [span for span in one.spans if span.score >= 0.1]
        assert found == "|".join(DOCUMENTS[one.index][span.start : span.end] for span in spans)


@pytest.mark.parametrize(
    "environment", sorted({one for client in CLIENTS for one in client.environments} - {NODE})
)
def test_an_environment_has_its_pins_and_no_torch(environment: str) -> None:
    if reason := why_missing(environment):
        pytest.skip(reason)
    folders = (ENVIRONMENTS / environment).glob("lib/*/site-packages")
    found = {one.name: one.version for one in distributions(path=list(map(str, folders)))}
    assert pins(environment).items() <= found.items()
    assert "torch" not in found
