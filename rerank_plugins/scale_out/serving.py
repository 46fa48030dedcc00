"""The server of `rerank serve` as a deployment of Ray Serve."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from rerank_plugins.checks.declaration import checked, spelled_out
from rerank_plugins.messages.names import served_name
from rerank_plugins.options import SCORER_OPTIONS, ScorerOptions
from rerank_plugins.process.extras import require
from rerank_plugins.reranker import Reranker
from rerank_plugins.scale_out.share import with_own_threads
from rerank_plugins.scorer import CrossEncoderScorer
from rerank_plugins.server.options import LIMIT_OPTIONS, LimitOptions

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application


class ServeOptions(LimitOptions, ScorerOptions, total=False):
    """The options of `serve_app`."""


@spelled_out
def serve_app(
    models: str | os.PathLike[str] | Mapping[str, str] = "embedded",
    *,
    token_file: str | None = None,
    deployment: Mapping[str, Any] | None = None,
    **options: Unpack[ServeOptions],
) -> "Application":
    """The application of `rerank serve` for `ray.serve.run`: each replica has all of the models.

    Replicas load their models before requests reach them, with as many threads as Ray gives them
    processors. Requests of one replica share its batches.

    Args:
        models: A hub id, a folder, a bundle or `"embedded"`; or several of them, by the names that
            requests choose them by.
        token_file: As the option of `rerank serve`; each replica reads it, or its environment.
        deployment: Options of `ray.serve.deployment`: `num_replicas`, `autoscaling_config`,
            `ray_actor_options` and others. Without `max_ongoing_requests` a replica has up to
            `max_requests` open requests, and others wait for it.
        **options: The limits of `rerank serve`, and the other options of `CrossEncoderScorer`.

    Raises:
        InvalidInputError: An option is not allowed.
        MissingExtraError: Ray Serve or the server's packages are not installed.
    """
    for module in ("ray.serve", "fastapi", "prometheus_client"):
        require(module, extra="ray", purpose="serve_app")
    from ray import serve

    scorer: dict[str, Any] = {**options}
    limits = {name: scorer.pop(name) for name in LIMIT_OPTIONS.keys() & scorer.keys()}
    checked(scorer, SCORER_OPTIONS, "serve_app")
    most = checked(limits, LIMIT_OPTIONS, "serve_app")["max_requests"]
    named = dict(models) if isinstance(models, Mapping) else {served_name(models): models}

    def application() -> "FastAPI":
        return _application(named, scorer, limits, token_file)

    given = {"name": "rerank", "max_ongoing_requests": most, **(deployment or {})}
    return serve.deployment(**given)(serve.ingress(application)()).bind()


def _application(
    models: Mapping[str, str | os.PathLike[str]],
    scorer: Mapping[str, Any],
    limits: Mapping[str, Any],
    token_file: str | None,
) -> "FastAPI":
    """The application of one replica, with its models loaded."""
    from rerank_plugins.server.app import make_app
    from rerank_plugins.server.service import Service
    from rerank_plugins.server.token_file import read_tokens

    def loaded(**options: Any) -> dict[str, Reranker]:
        rerankers = {
            name: Reranker(CrossEncoderScorer(model, **{"when_full": "fail", **options}))
            for name, model in models.items()
        }
        for reranker in rerankers.values():
            reranker.warm_up()
        return rerankers

    rerankers = with_own_threads(loaded, scorer)
    return make_app(Service(rerankers, **limits), tokens=read_tokens(token_file))
