"""Measures a cross-encoder beside BM25 and a bi-encoder; run it with ``python -m``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import Figure, ScoreFunction, as_table, compare, read_collection
from rerank_plugins.evaluation.scorers import cosine_scorer, cross_encoder_scorer


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table of nDCG@10; returns 0, or 2 after a message about bad input."""
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(as_table(_measure(options)) + "\n")
    except InvalidInputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _measure(options: argparse.Namespace) -> list[Figure]:
    folders = sorted(path for path in options.data.glob("*") if (path / "qrels.tsv").is_file())
    if not folders:
        message = f"{options.data} holds no collection: no folder in it has a qrels.tsv"
        raise InvalidInputError(message)
    collections = [
        read_collection(folder).sample(options.sample, options.seed) for folder in folders
    ]
    scorers = _scorers(options)
    total = len(scorers) * sum(len(collection.queries) for collection in collections)
    figures: list[Figure] = []
    with tqdm(total=total, unit="query") as bar:
        for collection in collections:
            bar.set_description(collection.name)
            figures += compare(collection, scorers, options.depth, bar.update)
    return figures


def _scorers(options: argparse.Namespace) -> dict[str, ScoreFunction]:
    scorers: dict[str, ScoreFunction] = {}
    if options.bi_encoder:
        scorers[f"{Path(options.bi_encoder).name} cosine"] = cosine_scorer(options.bi_encoder)
    if options.model:
        name = Path(options.model).name
        scorers[name] = cross_encoder_scorer(options.model, options.max_length)
    return scorers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rerank_plugins.evaluation", description=__doc__
    )
    parser.add_argument("data", type=Path, help="folder of collections in BEIR layout")
    parser.add_argument("--model", help="cross-encoder: folder, hub id or embedded")
    parser.add_argument("--bi-encoder", help="folder or hub id of a bi-encoder")
    parser.add_argument("--depth", type=int, default=100, help="candidates reranked for a query")
    parser.add_argument("--max-length", type=int, default=384, help="tokens of a pair")
    parser.add_argument("--sample", type=int, default=sys.maxsize, help="queries of a collection")
    parser.add_argument("--seed", type=int, default=0, help="which queries are sampled")
    return parser


if __name__ == "__main__":
    sys.exit(main())
