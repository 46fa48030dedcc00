"""Rankings for other programs: tab-separated lines and JSON."""

import json
from dataclasses import asdict
from typing import Any

from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.results import ELLIPSIS, Ranked, RankedList, in_order, kept_text
from rerank_plugins.texts.passage import Passage


def as_lines(request: QueryPassages, ranking: RankedList, *, spans: bool = False) -> str:
    """Returns one line per passage: rank, score, id and text, separated by tabs, without a header.

    A passage without an id gets its position in the input, from 0. Each run of white space in the
    text becomes one space, so that a passage stays on one line. A passage that a time budget left
    without a score has an empty one.

    Args:
        request: The request.
        ranking: Its ranking.
        spans: Add a column with the text of the spans, the best first.
    """
    lines = []
    for rank, (index, ranked) in enumerate(in_order(ranking), start=1):
        score = "" if ranked is None else f"{ranked.score:.6f}"
        columns = [str(rank), score, id_of(request, index), text_of(request, index, ranked)]
        if spans:
            found = [span["text"] for span in _spans(request, index, ranked)]
            columns.append(one_line(ELLIPSIS.join(found)))
        lines.append("\t".join(columns) + "\n")
    return "".join(lines)


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


def text_of(request: QueryPassages, index: int, ranked: Ranked | None) -> str:
    """The text of the passage at a position in the input, on one line."""
    return one_line(_shortened(request, index, ranked))


def _rows(request: QueryPassages, ranking: RankedList) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": request.passages[index].id,
            "score": ranked and ranked.score,
            "scale": ranked and ranked.scale,
            "model_score": ranked and ranked.model_score,
            "truncated": ranked and ranked.truncated,
            "windows": ranked and ranked.windows,
            "window": ranked and ranked.window,
            "spans": _spans(request, index, ranked),
            "text": _shortened(request, index, ranked),
        }
        for index, ranked in in_order(ranking)
    ]


def _spans(request: QueryPassages, index: int, ranked: Ranked | None) -> list[dict[str, Any]]:
    """The spans of a result, each with its text."""
    text = Passage.of(request.passages[index].text).text
    return [
        {**asdict(span), "text": text[span.start : span.end]}
        for span in (() if ranked is None else ranked.spans)
    ]


def _shortened(request: QueryPassages, index: int, ranked: Ranked | None) -> str:
    """The text of a result with its title, shortened by `compress`."""
    passage = Passage.of(request.passages[index].text)
    return f"{passage.header}{kept_text(passage.text, ranked)}{passage.footer}"


def _dumped(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
