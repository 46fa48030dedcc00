"""Rankings for other programs: tab-separated lines and JSON."""

import json
from typing import Any

from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.results import Ranked


def as_lines(request: QueryPassages, ranking: list[Ranked]) -> str:
    """Returns one line per passage: rank, score, id and text, separated by tabs, without a header.

    A passage without an id gets its position in the input, from 0. Each run of white space in the
    text becomes one space, so that a passage stays on one line.
    """
    return "".join(
        f"{rank}\t{ranked.score:.6f}\t{id_of(request, ranked)}\t{text_of(request, ranked)}\n"
        for rank, ranked in enumerate(ranking, start=1)
    )


def as_json(request: QueryPassages, ranking: list[Ranked]) -> str:
    """Returns one JSON array with an object per passage, best first."""
    return _dumped(_rows(request, ranking))


def as_json_by_query(requests: list[QueryPassages], rankings: list[list[Ranked]]) -> str:
    """Returns one JSON array with an object per query, each with its passages, best first."""
    return _dumped(
        [
            {
                "query_id": request.id,
                "query": request.query,
                "ranking": _rows(request, ranking),
            }
            for request, ranking in zip(requests, rankings, strict=True)
        ]
    )


def one_line(text: str) -> str:
    """The text with each run of white space replaced by one space."""
    return " ".join(text.split())


def id_of(request: QueryPassages, ranked: Ranked) -> str:
    """The passage's own id, or its position in the input, on one line."""
    own = request.passages[ranked.index].id
    return str(ranked.index) if own is None else one_line(own)


def text_of(request: QueryPassages, ranked: Ranked) -> str:
    """The passage's text on one line."""
    return one_line(request.passages[ranked.index].text)


def _rows(request: QueryPassages, ranking: list[Ranked]) -> list[dict[str, Any]]:
    return [
        {
            "index": ranked.index,
            "id": request.passages[ranked.index].id,
            "score": ranked.score,
            "scale": ranked.scale,
            "truncated": ranked.truncated,
            "text": request.passages[ranked.index].text,
        }
        for ranked in ranking
    ]


def _dumped(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
