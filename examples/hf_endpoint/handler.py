"""A reranker behind a Hugging Face Inference Endpoint.

The endpoint's container makes one `EndpointHandler` of the repository that this file lies in, and
calls it with the body of each request. What it returns becomes JSON, and what it raises becomes
status 400 with the message.
"""

from typing import Any

from rerank_plugins import CrossEncoderScorer, InvalidInputError, Reranker

PARAMETERS = ("top_k", "score_threshold", "scale", "first_stage_weight", "time_budget")
"""Options of `Reranker.rank` that a request may set."""

FORMS = (
    '{"query": "...", "texts": ["...", "..."]} for a ranking, or [["query", "text"], ...] for the '
    "score of each pair"
)


class EndpointHandler:
    """Ranks texts, or scores pairs.

    Args:
        path: The folder of the repository: the model, and this file.
    """

    def __init__(self, path: str) -> None:
        self._reranker = Reranker(CrossEncoderScorer(path))
        self._reranker.warm_up()

    def __call__(self, data: dict[str, Any]) -> Any:
        """What the model says to a request.

        Args:
            data: `inputs` is a query with texts, or a list of pairs; `parameters` has options.

        Returns:
            For a query, `index` and `score` of each text, best first, and the text itself if
            `return_documents` is true. For pairs, their `scores` in the order of the request.

        Raises:
            InvalidInputError: The request is not allowed; the message says what to send.
        """
        match data.get("inputs"), data.get("parameters") or {}:
            case {"query": query, "texts": list(texts), **rest}, dict(parameters):
                return self._ranking(query, texts, {**rest, **parameters})
            case [[_, _], *_] as pairs, dict(parameters) if all(map(_is_pair, pairs)):
                return {"scores": self._scores(pairs, parameters)}
        message = f"`inputs` must be {FORMS}. `parameters`, if there are any, must be an object."
        raise InvalidInputError(message)

    def _ranking(
        self, query: str, texts: list[str], parameters: dict[str, Any]
    ) -> list[dict[str, Any]]:
        with_texts = parameters.pop("return_documents", False)
        ranking = self._reranker.rank(query, texts, **_options(parameters, PARAMETERS))
        return [
            {"index": one.index, "score": one.score}
            | ({"text": texts[one.index]} if with_texts else {})
            for one in ranking
        ]

    def _scores(self, pairs: list[tuple[str, str]], parameters: dict[str, Any]) -> list[float]:
        queries, texts = zip(*pairs, strict=True)
        options = _options(parameters, ("scale",))
        rankings = self._reranker.rank_many(queries, [[text] for text in texts], **options)
        return [ranking[0].score for ranking in rankings]


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _options(parameters: dict[str, Any], allowed: tuple[str, ...]) -> dict[str, Any]:
    """The parameters, if all of them are allowed; the ranking checks their values."""
    for name in parameters:
        if name not in allowed:
            message = f"There is no parameter {name!r} here. There are: {', '.join(allowed)}."
            raise InvalidInputError(message)
    return parameters
