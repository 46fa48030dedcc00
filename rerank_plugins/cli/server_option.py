"""The option `--server`: a server's address, or all the options of an `HttpScorer`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.checks.declaration import changed
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.options import SCORER_OPTIONS, common_to_stages


def server_arguments(
    server: str, of_scorer: Mapping[str, Any], cascade: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """The arguments of `Reranker.from_options` that stand for those of a model.

    Args:
        server: What was typed.
        of_scorer: The options of a model, which a server does not take.
        cascade: The stages before the server, whose models have some of these options.

    Raises:
        InvalidInputError: It is no JSON object, or an option of a model was typed too.
    """
    own = {**of_scorer, "model": SCORER_OPTIONS["model"].default}
    typed = ["model"] if of_scorer["model"] != "embedded" else []
    given = changed(own, SCORER_OPTIONS)
    if typed := [*typed, *(name for name in given if name not in common_to_stages(cascade))]:
        message = (
            f"--server and {option(typed[0])} exclude each other: a server has its model and "
            "options already. Leave one of them out."
        )
        raise InvalidInputError(message)
    if not server.lstrip().startswith("{"):
        return {**given, "scorer": {"url": server}}
    try:
        return {**given, "scorer": json.loads(server)}
    except (ValueError, RecursionError) as error:
        message = (
            f"--server {server!r} is not a JSON object: {error}. Give an address, or an object "
            'such as {"url": "http://localhost:8080", "dialect": "cohere"}.'
        )
        raise InvalidInputError(message) from error
