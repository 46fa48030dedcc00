"""`rerank rank --server`: a real server scores."""

import json
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, Reranker
from tests.commands import Run, written
from tests.servers import served
from tests.test_cli_rank import PASSAGES, QUERY


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return written(tmp_path / "passages.txt", "\n".join(PASSAGES) + "\n")


def test_a_server_scores_as_its_model_does_here(
    rerank: Run, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RERANK_TEST_KEY", "sesame-4711")
    with CrossEncoderScorer("embedded") as scorer:
        wanted = Reranker(scorer).rank(QUERY, PASSAGES)
        with served({"it": Reranker(scorer)}, tokens=["sesame-4711"]) as (_, client):
            options = {"url": str(client.base_url), "api_key_variable": "RERANK_TEST_KEY"}
            code, out, err = rerank("rank", QUERY, lines, "--server", json.dumps(options), "--json")
            assert (code, err) == (0, "")
            found = json.loads(out)
            assert [row["index"] for row in found] == [one.index for one in wanted]
            assert [row["score"] for row in found] == pytest.approx(
                [one.score for one in wanted], abs=1e-5
            )
            stage = ["--cascade", "embedded:2", "--local-files-only", "--json"]
            code, out, err = rerank("rank", QUERY, lines, "--server", json.dumps(options), *stage)
            assert (code, err) == (0, "")
            assert len(json.loads(out)) == 2
            code, out, err = rerank("rank", QUERY, lines, "--server", client.base_url)
            assert (code, out) == (1, "")
            assert "answered 401: The token is missing or wrong." in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--server", "http://gpu", "-m", "other"], "--server and --model exclude each other"),
        (["--server", "http://gpu", "--max-length", "99"], "--server and --max-length exclude"),
        (["--server", "http://gpu", "--local-files-only"], "--server and --local-files-only excl"),
        (["--server", '{"url'], "is not a JSON object"),
        (["--server", '{"url": ' + "[" * 9000], "is not a JSON object: maximum recursion"),
        (["--server", '{"url": "http://gpu", "api_key": "x"}'], "cannot have 'api_key'"),
        (["--server", "gpu:8080"], "url must be the address of a server"),
    ],
)
def test_what_is_not_the_option_of_a_server_is_refused(
    rerank: Run, lines: Path, options: list[str], message: str
) -> None:
    code, out, err = rerank("rank", QUERY, lines, *options)
    assert (code, out) == (1, "")
    assert message in " ".join(err.split())
