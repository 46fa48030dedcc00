"""The page on models on a server: its code, which asks a real server, and its tables."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from rerank_plugins.remote.dialects import DIALECTS
from rerank_plugins.remote.options import HTTP_OPTIONS, HttpDialect
from tests.pages import ROOT, difference, run_blocks
from tests.servers import served

PAGE = Path("docs/http-scorer.md")
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def test_the_code_of_the_page_prints_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_TOKEN", "")  # the page sets it
    blocks = re.findall(r"```py\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == TEXT.count("```py\n")
    with served() as (_, client):
        here = "http://localhost:8080", str(client.base_url)
        printed = run_blocks(PAGE, [code.replace(*here) for code, _ in blocks])
    for (code, shown), found in zip(blocks, printed, strict=True):
        assert difference(found.replace(*reversed(here)), shown) is None, code


def test_the_table_of_options_says_of_each_its_default_and_its_sentence() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert [(name, ast.literal_eval(default), said) for name, default, said in rows] == [
        (option.name, option.default, option.description)
        for option in HTTP_OPTIONS.values()
        if option.name != "url"
    ]


def test_the_table_of_dialects_has_their_routes_and_scales() -> None:
    rows = re.findall(r'^\| `"([\w.-]+)"` \| .*?`(/\S+)`.*? \| (\w+) \|', TEXT, re.MULTILINE)
    scales = {"logits": "logit", "probabilities": "probability"}
    assert {name: (route, scales[scale]) for name, route, scale in rows} == {
        name: (dialect.route, dialect.scale) for name, dialect in DIALECTS.items()
    }
    assert {name for name, *_ in rows} == set(get_args(HttpDialect))
