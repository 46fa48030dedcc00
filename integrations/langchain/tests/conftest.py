"""The tiny real models of the core's tests, and their cache."""

from tests.conftest import headless_model, own_cache, three_column_model, tiny_model

__all__ = ["headless_model", "own_cache", "three_column_model", "tiny_model"]
