"""The tiny real models of the core's tests."""

from tests.conftest import headless_model, three_column_model, tiny_model

__all__ = ["headless_model", "three_column_model", "tiny_model"]
