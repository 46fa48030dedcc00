"""The rerankers of a server, as its options describe them."""

import os
from collections.abc import Mapping
from typing import Any

from rerank_plugins.reranker import Reranker
from rerank_plugins.scorer import CrossEncoderScorer


def rerankers_of(
    models: Mapping[str, str | os.PathLike[str]],
    calibration: str | os.PathLike[str] | None,
    **scorer: Any,
) -> dict[str, Reranker]:
    """A reranker per model, by the same names; nothing is loaded yet.

    Args:
        models: References of models by name.
        calibration: What calibrated scores are calibrated by; `None` is the file of each model's
            folder, looked for when a request asks.
        **scorer: The other options of `CrossEncoderScorer`. A full queue fails unless they say
            otherwise, so that clients are told.

    Raises:
        InvalidInputError: An option is not allowed.
    """
    ranking: dict[str, Any] = (
        {} if calibration is None else {"scale": "calibrated", "calibration": calibration}
    )
    options = {"when_full": "fail", **scorer}
    return {
        name: Reranker(CrossEncoderScorer(model, **options), **ranking)
        for name, model in models.items()
    }
