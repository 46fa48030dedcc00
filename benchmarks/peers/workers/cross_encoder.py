"""sentence-transformers' `CrossEncoder.predict`, with any of its backends."""

from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, serve


class CrossEncoderWorker(Worker):
    """Options: `backend`, and `dtype` of the torch backend."""

    def __init__(self, weights: Path, backend: str = "torch", dtype: str = "") -> None:
        """Loads the peer."""
        import torch
        from sentence_transformers import CrossEncoder

        kwargs: dict[str, Any] = {"model_kwargs": {"dtype": getattr(torch, dtype)}} if dtype else {}
        self._model = CrossEncoder(str(weights), device="cpu", backend=backend, **kwargs)

    def prepare(self, query: str, passages: list[str]) -> tuple[Any, ...]:
        """Pairs."""
        return ([(query, passage) for passage in passages],)

    def rank(self, *prepared: Any) -> Any:
        """`predict`."""
        return self._model.predict(*prepared)


if __name__ == "__main__":
    serve(CrossEncoderWorker)
