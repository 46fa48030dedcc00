"""Options of wrappers as plain values."""

from collections.abc import Mapping
from inspect import signature
from os import PathLike, fspath
from typing import Any

from rerank_plugins.options import check_flag
from rerank_plugins.reranker import Reranker
from rerank_plugins.scorer import CrossEncoderScorer

SCORER_OPTIONS = tuple(signature(CrossEncoderScorer).parameters)
"""The names of the options that say which model scores and how."""

RESULT_OPTIONS = ("annotate", "keep_retrieval_score")
"""The names of the options that say what is written into metadata besides the score."""

_OPTIONS = (*SCORER_OPTIONS, "score_threshold", "scale", "scorer")
_NUMBERS = ("max_length", "max_batch_tokens", "label", "timeout", "max_queue_pairs")


def check_result_options(options: Mapping[str, Any]) -> None:
    """Checks those of `RESULT_OPTIONS` that there are.

    Raises:
        InvalidInputError: One is neither True nor False.
    """
    for name in RESULT_OPTIONS:
        if name in options:
            check_flag(options[name], name)


def plain_options(options: Mapping[str, Any], reranker: Reranker) -> dict[str, Any]:
    """Those of the options that the core took as another value, for a wrapper to write back.

    numpy's numbers and paths are allowed, and neither JSON nor YAML can be made of them.

    Args:
        options: What `Reranker.from_options` was given.
        reranker: What it gave.

    Returns:
        Python's own numbers and text, by the name of the option.
    """
    cut, scorer = reranker._cut, reranker.scorer
    taken = {"top_k": cut.top_k, "score_threshold": cut.score_threshold}
    if options.get("scorer") is None and isinstance(scorer, CrossEncoderScorer):
        taken |= {name: value for name, value in scorer._arguments().items() if name in _NUMBERS}
    paths = {name: fspath(value) for name, value in options.items() if isinstance(value, PathLike)}
    return {
        name: value for name, value in {**taken, **paths}.items() if value is not options.get(name)
    }
