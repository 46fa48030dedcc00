"""Every option is declared once, and each constructor says the same about it."""

import inspect
from typing import Any

import pytest

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker
from langchain_rerank_plugins import CrossEncoderCompressor, RerankCrossEncoder
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank
from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.checks.declaration import Option
from rerank_plugins.cli.app import app
from rerank_plugins.options import (
    DOCUMENT_OPTIONS,
    RANKING_OPTIONS,
    RESULT_OPTIONS,
    SCORER_OPTIONS,
)

EVERY_OPTION = {**SCORER_OPTIONS, **RANKING_OPTIONS, **DOCUMENT_OPTIONS, **RESULT_OPTIONS}
PYDANTIC = [CrossEncoderRerank, CrossEncoderCompressor, RerankCrossEncoder]


def parameters_of(constructor: Any) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(constructor).parameters)
    return {name: each for name, each in found.items() if name not in ("scorer", "self")}


def as_declared(options: dict[str, Option]) -> dict[str, tuple[Any, Any]]:
    return {name: (option.type, option.default) for name, option in options.items()}


def test_the_signatures_of_the_core_are_what_is_declared() -> None:
    for constructor, options in (
        (CrossEncoderScorer, SCORER_OPTIONS),
        (Reranker, RANKING_OPTIONS),
    ):
        parameters = parameters_of(constructor)
        found = {name: (each.annotation, each.default) for name, each in parameters.items()}
        assert found == as_declared(options)


def test_haystacks_signature_has_every_option_with_types_of_its_own_for_two() -> None:
    parameters = parameters_of(CrossEncoderRanker.__init__)
    found = {name: (each.annotation, each.default) for name, each in parameters.items()}
    declared = as_declared(EVERY_OPTION)
    differ = {name for name in declared if found[name] != declared[name]}
    assert differ == {"device", "token", "top_k"}
    assert set(found) - set(declared) == {"meta_fields_to_embed", "embedding_separator"}


@pytest.mark.parametrize("kind", PYDANTIC)
def test_pydantic_fields_have_the_declared_defaults_and_sentences(kind: Any) -> None:
    schema = kind.model_json_schema()["properties"]
    for name, field in kind.model_fields.items():
        if name in ("scorer", "callback_manager"):
            continue
        option = EVERY_OPTION["top_k" if name == "top_n" else name]
        assert field.description == schema[name]["description"] == option.description
        assert field.default == (10 if name == "top_n" else option.default)
    of_lists = {*RANKING_OPTIONS, *DOCUMENT_OPTIONS, *RESULT_OPTIONS} - {"scale", "calibration"}
    without = of_lists if kind is RerankCrossEncoder else {"top_k"}
    assert set(EVERY_OPTION) - set(kind.model_fields) == without


def test_every_option_that_can_be_typed_is_an_option_of_the_command() -> None:
    from typer.main import get_command

    command = get_command(app).commands["rank"]  # type: ignore[attr-defined]
    typed = {parameter.name: parameter.help for parameter in command.params}
    only_python = {
        *("cache_folder", "max_batch_tokens", "max_queue_pairs"),
        *("progress_bar", "score_cache_size", "timeout", "token", "when_full"),
    }
    options = {**SCORER_OPTIONS, **RANKING_OPTIONS, **DOCUMENT_OPTIONS}
    assert set(options) - set(typed) == only_python
    for name in set(options) & set(typed):
        said = options[name].help.replace("`", "").replace('"', "")
        assert typed[name].startswith(said), name


@pytest.mark.parametrize("constructor", [CrossEncoderScorer, CrossEncoderRanker])
def test_an_option_that_does_not_exist_is_pythons_own_error(constructor: Any) -> None:
    message = rf"{constructor.__name__}\(\) got an unexpected keyword argument 'max_len'"
    with pytest.raises(TypeError, match=message):
        constructor("embedded", max_len=8)
