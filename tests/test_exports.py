"""The public door: what it exports, what it costs to open, what the errors are."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import rerank_plugins
from rerank_plugins import errors


def test_all_is_sorted_and_everything_in_it_exists() -> None:
    assert rerank_plugins.__all__ == sorted(rerank_plugins.__all__)
    for name in rerank_plugins.__all__:
        assert hasattr(rerank_plugins, name)


def test_every_public_name_of_the_core_modules_is_exported() -> None:
    public = set()
    core = ("errors", "reranker", "results", "scorer", "scoring.contract", "scoring.identity")
    for module_name in (*core, "texts.passage"):
        module = importlib.import_module(f"rerank_plugins.{module_name}")
        public |= {
            name
            for name, value in vars(module).items()
            if inspect.isclass(value)
            and value.__module__ == module.__name__
            and not name.startswith("_")
        }
    assert public - set(rerank_plugins.__all__) == set()


def test_import_loads_numpy_and_nothing_else_that_is_installed() -> None:
    # What an import costs in seconds is in docs/benchmarks.md; machines are too unlike for a test.
    code = "import sys; before = set(sys.modules); import rerank_plugins; "
    code += "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) - set(sys.stdlib_module_names) == {"numpy", "rerank_plugins"}


@pytest.mark.parametrize(
    ("called", "positional"),
    [
        (rerank_plugins.CrossEncoderScorer, ["model"]),
        (rerank_plugins.Reranker, ["scorer"]),
        (rerank_plugins.Reranker.rank, ["self", "query", "passages"]),
        (rerank_plugins.Reranker.rank_many, ["self", "queries", "passages"]),
    ],
)
def test_options_are_keyword_only(called: Callable[..., object], positional: list[str]) -> None:
    parameters = inspect.signature(called).parameters.values()
    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == positional
    kinds = {p.kind for p in parameters if p.name not in positional}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


@pytest.mark.parametrize(
    ("owner", "methods"),
    [
        (rerank_plugins.CrossEncoderScorer, ["score", "score_pairs", "plan", "warm_up", "close"]),
        (rerank_plugins.Reranker, ["rank", "rank_many", "score_pairs", "warm_up", "close"]),
    ],
)
def test_what_scores_or_loads_has_an_async_twin(owner: type, methods: list[str]) -> None:
    for name in methods:
        twin = getattr(owner, f"a{name}")
        assert inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin) == inspect.signature(getattr(owner, name))


def test_every_error_is_a_rerank_error_and_a_builtin_error() -> None:
    builtin = (ValueError, RuntimeError, ImportError, TimeoutError, ConnectionError)
    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.RerankError)
        if error is not errors.RerankError:
            assert issubclass(error, builtin)
        assert f"{name} " in errors.__doc__ or name == "RerankError"
        assert name in rerank_plugins.__all__


def test_the_page_on_errors_shows_the_same_tree() -> None:
    page = Path(__file__).parent.parent / "docs" / "errors.md"
    tree = errors.__doc__[errors.__doc__.index("RerankError\n├") :]
    assert tree.strip() in page.read_text(encoding="utf-8")


def test_classes_default_to_the_hub_model_and_commands_to_the_one_that_needs_no_network() -> None:
    from rerank_plugins.cli.app import app
    from tests.wrappers import WRAPPERS

    assert rerank_plugins.CrossEncoderScorer().name == "cross-encoder/ms-marco-MiniLM-L4-v2"
    for wrapper in WRAPPERS.values():
        assert wrapper.make().model == "cross-encoder/ms-marco-MiniLM-L4-v2"
    defaults = {
        command.callback.__name__: inspect.signature(command.callback).parameters["model"].default
        for command in app.registered_commands
        if command.callback and "model" in inspect.signature(command.callback).parameters
    }
    del defaults["compile_bundle"]  # it needs a model to be named
    assert {str(model) for model in defaults.values() if model is not None} == {"embedded"}
