"""What a server takes for its tokens: the lines of a file, or of a variable."""

from pathlib import Path

import pytest

from rerank_plugins import Reranker
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.server.token_file import read_tokens
from rerank_plugins.testing import DeterministicScorer
from tests.commands import written
from tests.servers import served

BODY = {"query": "fox", "texts": ["dog"]}


@pytest.mark.parametrize("in_a_file", [True, False])
def test_a_token_with_spaces_is_one_token(
    in_a_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "  open sesame now \r\n\n\tother\n"
    file = written(tmp_path / "tokens", text)
    monkeypatch.setenv("RERANK_TOKEN", text)
    tokens = read_tokens(str(file) if in_a_file else None)
    assert tokens == ["open sesame now", "other"]
    with served({"words": Reranker(DeterministicScorer())}, tokens=tokens) as (_, client):

        def status(given: str) -> int:
            headers = {"authorization": given}
            return client.post("/rerank", json=BODY, headers=headers).status_code

        right = ("Bearer open sesame now", "open sesame now", "other")
        assert [status(given) for given in right] == [200] * 3
        assert client.get("/docs", auth=("me", "open sesame now")).status_code == 200
        wrong = ("Bearer open", "sesame", "Bearer now", "Bearer opensesamenow")
        assert [status(given) for given in wrong] == [401] * 4


def test_a_byte_order_mark_is_no_part_of_a_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(b"\xef\xbb\xbfsesame\r\n")
    assert read_tokens(str(tmp_path / "tokens")) == ["sesame"]


def test_a_password_counts_with_json_however_it_is_declared() -> None:
    with served({"words": Reranker(DeterministicScorer())}, tokens=["sesame"]) as (_, client):

        def status(content_type: str) -> int:
            headers = {"content-type": content_type}
            body = b'{"query": "fox", "texts": ["dog"]}'
            return client.post(
                "/rerank", content=body, headers=headers, auth=("me", "sesame")
            ).status_code

        assert status("application/json") == 200
        assert status("Application/JSON; charset=utf-8") == 200
        assert status("text/plain") == 401
        assert status("text/plain; a=application/json") == 401


def test_a_variable_without_a_token_lets_no_one_in_by_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RERANK_TOKEN", " \n")
    with pytest.raises(InvalidInputError, match=r"The variable RERANK_TOKEN has no token\. Write"):
        read_tokens(None)
    monkeypatch.setenv("RERANK_TOKEN", "")
    assert read_tokens(None) == []
