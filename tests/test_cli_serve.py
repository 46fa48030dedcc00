"""`rerank serve`: a process of its own, its settings, and its end."""

import json
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.calibration.curves import Platt
from rerank_plugins.calibration.file import Calibration, write_calibration
from rerank_plugins.models.files import CALIBRATION_FILE
from rerank_plugins.models.references import EMBEDDED_FOLDER
from tests.commands import Run, written
from tests.engines import until
from tests.servers import serving

BODY = {"query": "red fox", "texts": ["a dog", "the red fox"]}


def test_it_serves_until_it_is_told_to_stop_and_exits_with_0() -> None:
    with serving("embedded") as (url, process):
        assert [row["index"] for row in httpx.post(f"{url}/rerank", json=BODY).json()] == [1, 0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health")


def test_what_is_open_when_it_is_told_to_stop_is_answered() -> None:
    with serving("embedded") as (url, process), ThreadPoolExecutor() as pool:
        many = {**BODY, "texts": [f"{n} {'fox ' * 300}" for n in range(60)]}
        answer = pool.submit(httpx.post, f"{url}/rerank", json=many, timeout=100)
        until(lambda: "rerank_open_requests 1.0" in httpx.get(f"{url}/metrics").text)
        process.send_signal(signal.SIGTERM)
        assert len(answer.result().json()) == 60
        assert process.wait(60) == 0


def test_what_is_not_answered_within_the_drain_limit_gets_its_dialects_error() -> None:
    texts = [f"{n} {'fox ' * 2000}" for n in range(450)]
    many = {"/rerank": {**BODY, "texts": texts}, "/reranking": {"query": "a", "documents": texts}}
    with (
        serving("embedded", "--drain-seconds", 1) as (url, process),
        ThreadPoolExecutor() as pool,
        socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0)) as slow,
    ):
        slow.sendall(b"POST /v1/rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        answers = [
            pool.submit(httpx.post, url + route, json=body, timeout=100)
            for route, body in many.items()
        ]
        until(lambda: "rerank_open_requests 2.0" in httpx.get(f"{url}/metrics").text)
        process.send_signal(signal.SIGTERM)
        for answer in answers:
            told = answer.result().json()
            assert answer.result().status_code == 503
            assert told["error_type"] == "Unhealthy"
            assert told["message"].startswith("The server stopped before it had the answer.")
        assert told["error"]["type"] == "server_error"
        assert slow.recv(100).startswith(b"HTTP/1.1 503 ")
        assert process.wait(60) == 0


def test_a_log_of_json_has_a_line_for_each_request_and_no_text() -> None:
    with serving("embedded", "--log-format", "json") as (url, process):
        httpx.post(f"{url}/rerank", json=BODY, headers={"x-request-id": "one"})
        process.terminate()
        assert process.stderr is not None
        said = process.stderr.read()
    lines = [json.loads(line) for line in said.splitlines()]
    [line] = [line for line in lines if line.get("id") == "one"]
    assert (line["dialect"], line["model"], line["documents"], line["status"]) == (
        "tei",
        "embedded",
        2,
        200,
    )
    assert line["tokens"] > 8
    assert line["ms"] > 0
    assert "fox" not in said


def test_a_lazy_one_answers_when_the_model_is_loaded() -> None:
    with serving("embedded", "--lazy") as (url, _):
        assert httpx.post(f"{url}/rerank", json=BODY, timeout=60).status_code == 200
        until(lambda: httpx.get(f"{url}/health").status_code == 200)


def test_a_lazy_one_says_of_a_model_that_cannot_be_loaded_why(tmp_path: Path) -> None:
    written(tmp_path / "config.json", "{}")
    with serving(tmp_path, "--lazy") as (url, _):
        answer = httpx.post(f"{url}/rerank", json=BODY, timeout=60)
        assert (answer.status_code, answer.json()["error_type"]) == (503, "Unhealthy")
        assert httpx.get(f"{url}/health").json() == {"status": "starting"}


def test_a_lazy_one_tries_again_and_is_ready_in_the_end(tmp_path: Path) -> None:
    folder = shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model")
    config = (folder / "config.json").rename(tmp_path / "config.json")
    options = ("--lazy", "-m", f"late={folder}", "-m", "good=embedded")
    with serving(*options) as (url, process):
        assert process.stderr is not None
        until(lambda: "next try in 1 s" in process.stderr.readline())
        assert httpx.get(f"{url}/health").status_code == 503
        body = {**BODY, "model": "good"}
        assert httpx.post(f"{url}/v1/rerank", json=body, timeout=60).status_code == 200
        config.rename(folder / "config.json")
        until(lambda: httpx.get(f"{url}/health").status_code == 200)


def test_info_says_of_a_model_that_cannot_be_loaded_why(tmp_path: Path) -> None:
    written(tmp_path / "config.json", "{}")
    with serving("--lazy", "-m", f"bad={tmp_path}", "-m", "good=embedded") as (url, _):
        answer = httpx.get(f"{url}/info", timeout=60)
        assert (answer.status_code, answer.json()["error_type"]) == (503, "Unhealthy")
        assert "'bad'" in answer.json()["message"]
        assert str(tmp_path) not in answer.text
        assert httpx.get(f"{url}/metrics").status_code == 200


def test_an_error_calls_a_model_by_its_name_and_not_by_its_folder(tmp_path: Path) -> None:
    written(tmp_path / "config.json", "{}")
    with serving("--model", f"own={tmp_path}", "--lazy") as (url, _):
        answer = httpx.post(f"{url}/rerank", json=BODY, timeout=60)
        assert (answer.status_code, "'own'" in answer.json()["error"]) == (503, True)
        assert str(tmp_path) not in answer.text


def test_calibrated_scores_may_come_from_a_file(tmp_path: Path) -> None:
    with CrossEncoderScorer("embedded", max_length=64) as scorer:
        curve, identity = Platt(0.5, -1.0), scorer.identity
        assert identity is not None
        file = tmp_path / "calibration.json"
        write_calibration(file, Calibration("embedded", identity, 0.0, curve, {}))
        own = Reranker(scorer, scale="calibrated", calibration=file)
        pairs = [("red fox", text) for text in ("a dog", "the red fox")]  # those of the body
        wanted, plain = own.score_pairs(pairs), Reranker(scorer).score_pairs(pairs)
    with serving("embedded", "--max-length", 64, "--calibration", file) as (url, _):
        asked = {**BODY, "scale": "calibrated"}
        rows = httpx.post(f"{url}/rerank", json=asked).json()
        assert [row["score"] for row in rows] == pytest.approx(wanted[::-1], abs=1e-5)
        single = {"text_1": BODY["query"], "text_2": BODY["texts"], "scale": "calibrated"}
        data = httpx.post(f"{url}/score", json=single).json()["data"]
        assert [row["score"] for row in data] == pytest.approx(wanted, abs=1e-5)
        other = httpx.post(f"{url}/rerank", json=BODY).json()
        assert other[1]["score"] == pytest.approx(plain[0], abs=1e-5)


def test_flags_go_before_variables_and_these_before_the_file(tmp_path: Path) -> None:
    config = written(
        tmp_path / "serve.toml",
        'max_documents = 1\nmax_requests = 2\nmax_body_bytes = 3000\nmodels = ["small=embedded"]\n',
    )
    variables = {"RERANK_MAX_DOCUMENTS": "5", "RERANK_MAX_REQUESTS": "6", "RERANK_TOKEN": "secret"}
    with serving("--config", config, "--max-documents", 7, **variables) as (url, process):
        info = httpx.get(f"{url}/info", headers={"authorization": "secret"}).json()
        assert (info["max_client_batch_size"], info["max_concurrent_requests"]) == (7, 6)
        assert info["models"] == ["small"]
        assert httpx.post(f"{url}/rerank", json=BODY).status_code == 401
        long = {**BODY, "texts": ["fox " * 1000]}
        headers = {"authorization": "Bearer secret"}
        assert httpx.post(f"{url}/rerank", json=long, headers=headers).status_code == 413
        process.terminate()
        assert process.stderr is not None
        assert "secret" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "embedded"], "--model must be NAME=MODEL, such as small=embedded"),
        (["--model", "a=embedded", "--model", "a=embedded"], "Two models are named 'a'"),
        (["--token-file", "nowhere"], "--token-file nowhere cannot be read"),
        (["--token-file", "empty"], "--token-file empty has no token"),
        (["--config", "nowhere"], "--config nowhere cannot be read"),
        (["--config", "broken"], "--config broken cannot be read"),
        (["--config", "unknown"], "has a key 'maximum', which is no option"),
        (["--max-documents", "0"], "--max-documents must be > 0"),
        (["--port", "70000"], "--port 70000 cannot be listened on: bind(): port must be 0-65535"),
        (["--host", "a.invalid"], "--host a.invalid --port 8080 cannot be listened on"),
        (["no-such-folder", "--port", "0"], "no-such-folder"),
        (
            ["--calibration", "nowhere", "--port", "0"],
            "--calibration cannot be read from 'nowhere'",
        ),
        (
            ["--calibration", "others", "--max-length", "64", "--port", "0"],
            "has no calibration of these scores",
        ),
    ],
    ids=str,
)
def test_wrong_settings_end_it_before_a_port_is_opened(
    arguments: list[str],
    said: str,
    rerank: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "empty", "\n")
    written(tmp_path / "broken", "max_documents")
    written(tmp_path / "unknown", "maximum = 5")
    shutil.copy(EMBEDDED_FOLDER / CALIBRATION_FILE, "others")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, out, err = rerank("serve", *arguments)
    assert (code, out) == (1, "")
    assert said in err


def test_a_taken_port_ends_it_before_a_model_is_loaded(rerank: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = rerank("serve", "no-such-folder", "--port", port)
    assert code == 1
    assert f"--port {port} cannot be listened on: [Errno 98] Address already in use" in err
    assert "Give a free port, or --port 0 to take one" in err
