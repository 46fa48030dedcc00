"""This project's scorer, in the environment that runs the benchmark."""

from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, serve
from rerank_plugins import CrossEncoderScorer


class OurWorker(Worker):
    """Options: `backend` and `precision`."""

    def __init__(self, weights: Path, backend: str = "auto", precision: str = "fp32") -> None:
        """Loads the model; int8 is quantised the first time."""
        self._scorer = CrossEncoderScorer(weights, backend=backend, precision=precision)
        self._scorer.warm_up()

    def rank(self, *prepared: Any) -> Any:
        """`score`."""
        return self._scorer.score(*prepared)


if __name__ == "__main__":
    serve(OurWorker)
