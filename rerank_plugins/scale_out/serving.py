"""The server of `rerank serve` as a deployment of Ray Serve."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from rerank_plugins.checks.declaration import checked, declared, spelled_out
from rerank_plugins.messages.names import served_name
from rerank_plugins.options import SCORER_OPTIONS, CalibrationOption, ScorerOptions
from rerank_plugins.process.extras import require
from rerank_plugins.reranker import Reranker
from rerank_plugins.scale_out.share import with_own_threads
from rerank_plugins.server.options import LIMIT_OPTIONS, AppOptions
from rerank_plugins.server.rerankers import rerankers_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ServedOptions(AppOptions, CalibrationOption, total=False):
    """The options of the application and of what its rerankers add to a scorer."""


class ServeOptions(ServedOptions, ScorerOptions, total=False):
    """The options of `serve_app`."""


_SERVED_OPTIONS = declared(ServedOptions)


@spelled_out
def serve_app(
    models: str | os.PathLike[str] | Mapping[str, str] = "embedded",
    *,
    deployment: Mapping[str, Any] | None = None,
    **options: Unpack[ServeOptions],
) -> "Application":
    """The application of `rerank serve` for `ray.serve.run`: each replica has all of the models.

    Replicas load their models before requests reach them, with as many threads as Ray gives them
    processors. Requests of one replica share its batches.

    Args:
        models: A hub id, a folder, a bundle or `"embedded"`; or several of them, by the names that
            requests choose them by.
        deployment: Options of `ray.serve.deployment`: `num_replicas`, `autoscaling_config`,
            `ray_actor_options` and others. Without `max_ongoing_requests` a replica has up to
            `max_requests` open requests, and others wait for it.
        **options: The options of `rerank serve`, but for those of its port, log and end, and the
            other options of `CrossEncoderScorer`. Each replica reads the files that they name.

    Raises:
        InvalidInputError: An option is not allowed.
        MissingExtraError: Ray Serve or the server's packages are not installed.
    """
    for module in ("ray.serve", "fastapi", "prometheus_client"):
        require(module, extra="ray", purpose="serve_app")
    from ray import serve

    scorer: dict[str, Any] = {**options}
    own = {name: scorer.pop(name) for name in _SERVED_OPTIONS.keys() & scorer.keys()}
    checked(scorer, SCORER_OPTIONS, "serve_app")
    served = checked(own, _SERVED_OPTIONS, "serve_app")
    named = dict(models) if isinstance(models, Mapping) else {served_name(models): models}

    def application() -> "FastAPI":
        return _application(named, scorer, served)

    given = {
        "name": "rerank",
        "max_ongoing_requests": served["max_requests"],
        **(deployment or {}),
    }
    return serve.deployment(**given)(serve.ingress(application)()).bind()


def _application(
    models: Mapping[str, str | os.PathLike[str]],
    scorer: Mapping[str, Any],
    served: Mapping[str, Any],
) -> "FastAPI":
    """The application of one replica, with its models loaded."""
    from rerank_plugins.server.app import make_app
    from rerank_plugins.server.service import Service
    from rerank_plugins.server.token_file import read_tokens

    def loaded(**options: Any) -> dict[str, Reranker]:
        rerankers = rerankers_of(models, served["calibration"], **options)
        for reranker in rerankers.values():
            reranker.warm_up()
        return rerankers

    service = Service(
        with_own_threads(loaded, scorer), **{name: served[name] for name in LIMIT_OPTIONS}
    )
    tokens = read_tokens(served["token_file"])
    app = make_app(service, tokens=tokens, cors_origin=served["cors_origin"])
    app.add_middleware(_WithoutId)
    return app


class _WithoutId:
    """Leaves out the id of a request, which Ray Serve adds to each answer itself."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answers a request."""

        async def sent(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                message["headers"] = [one for one in headers if one[0] != b"x-request-id"]
            await send(message)

        await self._app(scope, receive, sent)
