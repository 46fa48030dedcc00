"""`/playground`: a page where a person ranks passages, and the first stage of its demo corpus."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rerank_plugins.demo import DemoPassage, load_corpus, load_questions
from rerank_plugins.retrieval.bm25 import Bm25Search
from rerank_plugins.server.bodies import Json, json_body
from rerank_plugins.server.fields import Fields

_DEPTH = 30
"""Passages of the demo that are ranked for a question, as in `rerank demo`."""

_MOST_BYTES = 100_000
"""Of a question."""


def add_playground(app: FastAPI) -> None:
    """Adds the page, which asks the routes of the dialects as any client does, and its demo."""
    page = files(__package__).joinpath("playground.html").read_text(encoding="utf-8")
    headers = {
        "content-security-policy": _policy(page),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }

    async def playground() -> Response:
        return HTMLResponse(page, headers=headers)

    async def questions() -> Response:
        return Json({"questions": [question.query for question in load_questions()]})

    async def search(request: Request) -> Response:
        query = Fields(await json_body(request, _MOST_BYTES)).text("query")
        found = await run_in_threadpool(_found, query)
        return Json({"passages": [{"title": one.title, "text": one.text} for one in found]})

    for route, answer, method in (
        ("/playground", playground, "GET"),
        ("/playground/demo", questions, "GET"),
        ("/playground/demo", search, "POST"),
    ):
        app.add_api_route(route, answer, methods=[method], include_in_schema=False)


def _policy(page: str) -> str:
    """Lets a browser run the page's own script and style, and ask this server alone."""
    hashes = {}
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
        hashes[tag] = b64encode(sha256(text.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; "
        f"style-src 'sha256-{hashes['style']}'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _demo() -> tuple[list[DemoPassage], Bm25Search]:
    passages = load_corpus()
    return passages, Bm25Search([f"{passage.title} {passage.text}" for passage in passages])


def _found(query: str) -> list[DemoPassage]:
    """The demo's passages that share a word with a question, in BM25's order."""
    passages, search = _demo()
    return [passages[hit.index] for hit in search.search(query, _DEPTH)]
