"""The public door: what it exports, what it costs to open, what the errors are."""

import importlib
import inspect
import subprocess
import sys

import pytest

import rerank_plugins
from rerank_plugins import errors


def test_all_is_sorted_and_everything_in_it_exists() -> None:
    assert rerank_plugins.__all__ == sorted(rerank_plugins.__all__)
    for name in rerank_plugins.__all__:
        assert hasattr(rerank_plugins, name)


def test_every_public_name_of_the_core_modules_is_exported() -> None:
    public = set()
    for module_name in ("errors", "results", "reranker", "scorer"):
        module = importlib.import_module(f"rerank_plugins.{module_name}")
        public |= {
            name
            for name, value in vars(module).items()
            if inspect.isclass(value)
            and value.__module__ == module.__name__
            and not name.startswith("_")
        }
    assert public - set(rerank_plugins.__all__) == set()


@pytest.mark.parametrize("module", ["torch", "sentence_transformers", "transformers", "rich"])
def test_import_does_not_load_heavy_packages(module: str) -> None:
    code = f"import rerank_plugins, sys; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_error_is_a_rerank_error_and_a_builtin_error() -> None:
    builtin = (ValueError, RuntimeError, ImportError, ConnectionError)
    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.RerankError)
        if error is not errors.RerankError:
            assert issubclass(error, builtin)
        assert f"{name} " in errors.__doc__ or name == "RerankError"
        assert name in rerank_plugins.__all__
