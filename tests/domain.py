"""A small domain to fine-tune on: thirty questions, each with a passage that answers it."""

import json
from pathlib import Path
from typing import Any

COLOURS = ("red", "green", "blue", "old", "new")
THINGS = ("fox", "dog", "cat", "bird", "fish", "tree")


def domain_rows() -> list[dict[str, Any]]:
    """Rows of a file of pairs."""
    return [
        {
            "query": f"where is the {colour} {thing}",
            "positive": f"the {colour} {thing} is in the {place} house",
        }
        for colour in COLOURS
        for thing, place in zip(
            THINGS, ("big", "small", "good", "bad", "left", "right"), strict=True
        )
    ]


def write_pairs(file: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """Writes the rows as JSON Lines."""
    lines = map(json.dumps, domain_rows() if rows is None else rows)
    file.write_text("\n".join(lines))
    return file
