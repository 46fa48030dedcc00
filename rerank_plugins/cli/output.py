"""Rankings for other programs: tab-separated lines and JSON."""

import json
from typing import Any

from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.results import RankedList, in_order


def as_lines(request: QueryPassages, ranking: RankedList) -> str:
    """Returns one line per passage: rank, score, id and text, separated by tabs, without a header.

    A passage without an id gets its position in the input, from 0. Each run of white space in the
    text becomes one space, so that a passage stays on one line. A passage that a time budget left
    without a score has an empty one.
    """
    return "".join(
        f"{rank}\t{'' if ranked is None else format(ranked.score, '.6f')}\t"
        f"{id_of(request, index)}\t{text_of(request, index)}\n"
        for rank, (index, ranked) in enumerate(in_order(ranking), start=1)
    )


def as_json(request: QueryPassages, ranking: RankedList) -> str:
    """Returns one JSON array with an object per passage, best first."""
    return _dumped(_rows(request, ranking))


def as_json_by_query(requests: list[QueryPassages], rankings: list[RankedList]) -> str:
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


def id_of(request: QueryPassages, index: int) -> str:
    """The id of the passage at a position in the input, or that position, on one line."""
    own = request.passages[index].id
    return str(index) if own is None else one_line(own)


def text_of(request: QueryPassages, index: int) -> str:
    """The text of the passage at a position in the input, on one line."""
    return one_line(request.passages[index].text)


def _rows(request: QueryPassages, ranking: RankedList) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": request.passages[index].id,
            "score": ranked and ranked.score,
            "scale": ranked and ranked.scale,
            "model_score": ranked and ranked.model_score,
            "truncated": ranked and ranked.truncated,
            "text": request.passages[index].text,
        }
        for index, ranked in in_order(ranking)
    ]


def _dumped(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
