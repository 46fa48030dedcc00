"""`examples/hf_endpoint`, called as Hugging Face's inference toolkit calls a custom handler.

The toolkit (0.5.6) finds `handler.py` in the model's folder, makes an `EndpointHandler` of the
folder's path as a string, and calls it in a thread with the decoded body. An error of any kind is
status 400 with its message.
"""

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rerank_plugins import CrossEncoderScorer, Reranker, __version__
from rerank_plugins.models.references import EMBEDDED_FOLDER
from tests.pages import ROOT

EXAMPLE = ROOT / "examples" / "hf_endpoint"
QUERY = "Why does bread dough rise?"
TEXTS = ["Copper roofs turn green.", "Yeast makes gas, which lifts the dough."]


def toolkit(model_dir: str) -> Starlette:
    """The web service of the toolkit, as far as a custom handler meets it."""
    spec = importlib.util.spec_from_file_location(
        "handler.EndpointHandler", Path(model_dir, "handler.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["handler.EndpointHandler"] = module
    spec.loader.exec_module(module)
    handler = module.EndpointHandler(model_dir)

    async def predict(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
            if "inputs" not in body and "instances" not in body:
                message = "Body needs to provide a inputs key"
                raise ValueError(message)
            return JSONResponse(await run_in_threadpool(handler, body))
        except Exception as error:
            return JSONResponse({"error": str(error)}, 400)

    return Starlette(routes=[Route("/", predict, methods=["POST"])])


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    """The toolkit with a model's repository to which the example's files were added."""
    repository = tmp_path_factory.mktemp("repository")
    for folder in (EMBEDDED_FOLDER, EXAMPLE):
        shutil.copytree(folder, repository, dirs_exist_ok=True)
    yield toolkit(str(repository))
    del sys.modules["handler.EndpointHandler"]


async def ask(app: Starlette, **body: Any) -> tuple[int, Any]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
        answer = await client.post("/", json=body)
    return answer.status_code, answer.json()


async def test_a_query_with_texts_is_ranked(app: Starlette) -> None:
    with CrossEncoderScorer("embedded") as scorer:
        wanted = Reranker(scorer).rank(QUERY, TEXTS)
    rows = [{"index": one.index, "score": pytest.approx(one.score, abs=1e-5)} for one in wanted]
    inputs = {"query": QUERY, "texts": TEXTS}
    assert await ask(app, inputs=inputs) == (200, rows)
    assert await ask(app, inputs=inputs, parameters={"top_k": 1}) == (200, rows[:1])
    for extra in ({"inputs": {**inputs, "return_documents": True}}, {"inputs": inputs}):
        parameters = {"return_documents": True}
        _, answer = await ask(app, **extra, parameters=parameters)
        assert [row["text"] for row in answer] == TEXTS[::-1]


async def test_pairs_get_their_scores_in_their_order(app: Starlette) -> None:
    pairs = [[QUERY, TEXTS[0]], [QUERY, TEXTS[1]], ["green roofs", TEXTS[0]]]
    status, answer = await ask(app, inputs=pairs)
    assert status == 200
    low, *high = answer["scores"]
    assert 0 < low < min(high) < 1
    _, answer = await ask(app, inputs=pairs, parameters={"scale": "logit"})
    assert answer["scores"][0] < 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": "fox"}, '`inputs` must be {"query": "...", "texts": ["...", "..."]} for a'),
        ({"inputs": None}, "`inputs` must be"),
        ({"inputs": []}, "`inputs` must be"),
        ({"inputs": [["fox", "dog"], ["fox"]]}, "`inputs` must be"),
        ({"inputs": {"query": "fox"}}, "`inputs` must be"),
        ({"inputs": {"query": "fox", "texts": "dog"}}, "`inputs` must be"),
        ({"inputs": {"query": 1, "texts": ["dog"]}}, "query"),
        ({"inputs": {"query": "fox", "texts": [1]}}, "passage"),
        ({"inputs": [["fox", 1]]}, "passage"),
        ({"inputs": [["fox", "dog"]], "parameters": [1]}, "`parameters`, if there are any, must"),
        (
            {"inputs": {"query": "fox", "texts": ["dog"]}, "parameters": {"cascade": "model"}},
            "There is no parameter 'cascade' here. There are: top_k, score_threshold",
        ),
        ({"inputs": [["fox", "dog"]], "parameters": {"top_k": 1}}, "There are: scale."),
        ({"inputs": {"query": "fox", "texts": ["dog"], "top_k": 0}}, "top_k must be"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
async def test_what_is_not_allowed_is_said(app: Starlette, body: dict[str, Any], said: str) -> None:
    status, answer = await ask(app, **body)
    assert (status, said in answer["error"]) == (400, True), answer


def test_its_requirements_take_this_version() -> None:
    (line,) = (EXAMPLE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert Requirement(line).specifier.contains(__version__)
