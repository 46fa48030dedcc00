"""One case table for the three wrappers: equal rankings, equal scores, equal refusals."""

import asyncio
import copy
import inspect
import json
import pickle
import re
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haystack_integrations.components.rankers.sentence_transformers import (
    SentenceTransformersSimilarityRanker,
)
from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
from llama_index.core.postprocessor import SentenceTransformerRerank
from pydantic import BaseModel, ValidationError

from langchain_rerank_plugins import CrossEncoderCompressor, RerankCrossEncoder
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank
from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    Ranked,
    Reranker,
    RerankError,
    Scorer,
    Statistics,
    UnsupportedOptionError,
    compile_model,
)
from rerank_plugins.options import RANKING_OPTIONS
from rerank_plugins.testing import DeterministicScorer
from rerank_plugins.wrappers import NoTextWarning, result_metadata
from tests.wrappers import WRAPPERS, Passages, Ranking, Wrapper

DOCS = Path(__file__).parent.parent / "docs"
QUERY = "red fox"
PASSAGES = [
    "a dog and a cat",
    "the red fox is fast",
    "the sea is blue",
    "a red fox",
    "fire and water",
    "what is a star",
]


@dataclass(frozen=True)
class Case:
    """Options in the core's words, the order of PASSAGES they lead to, and what is without text."""

    name: str
    order: list[int]
    query: str = "red fox"
    passages: Passages = field(default_factory=lambda: PASSAGES)
    options: dict[str, Any] = field(default_factory=dict)
    blank: int = 0
    scores: list[float] | None = None


class Naming(DeterministicScorer):
    """The scorer of all cases; it names a weight for the first stage's opinion."""

    first_stage_weight = 12.0


SHORTEST = DeterministicScorer(lambda query, passage: -len(passage))
EMBEDDED = {"model": "embedded", "keep": 2}
LOGITS, HALF = {"scale": "logit"}, {"score_threshold": 0.5}
FOUND, DISTANCES = [0.1, 0.9, 0.2, 0.3, 0.95, 0.4], [0.1, 0.2, 0.3, 0.4, 0.9, 0.5]
BY_SCORE = {"first_stage_weight": 12, "first_stage_score_field": "score"}
LATE = {"time_budget": 1e-9}
BY_DISTANCE = {**BY_SCORE, "higher_is_better": False}

CASES = [
    Case("everything, ties in first-stage order", [1, 3, 0, 2, 4, 5]),
    Case("limit", [1, 3, 0], options={"limit": 3}),
    Case("no limit", [1, 3, 0, 2, 4, 5], options={"limit": None}),
    Case("limit beyond the list", [1, 3, 0, 2, 4, 5], options={"limit": 100}),
    Case("threshold", [1, 3], options={"score_threshold": 0.5}),
    Case("threshold on logits", [1, 3], options={"score_threshold": 4, "scale": "logit"}),
    Case("threshold that nothing reaches", [], query="moon", options={"score_threshold": 0.9}),
    Case("limit and threshold", [1], options={"limit": 1, "score_threshold": 0.5}),
    Case("logits", [1, 3, 0, 2, 4, 5], options={"scale": "logit"}),
    Case("no passages", [], passages=[]),
    Case("an empty passage", [1, 0], passages=["", "red fox"], blank=1),
    Case("pictures, blanks and a text", [1, 0, 2], passages=[None, "red fox", " \n"], blank=2),
    Case("pictures alone", [0, 1], passages=[None, None], blank=2),
    Case("facts in the metadata", [1, 3, 0, 2, 4, 5], options={"annotate": True}),
    Case("the score before", [1, 3, 0, 2, 4, 5], options={"keep_retrieval_score": True}),
    Case("equal passages", [0, 1], passages=["red fox", "red fox"]),
    Case("an empty query", [0, 1, 2, 3, 4, 5], query=""),
    Case("letters outside ASCII", [1, 0], query="東京 🦊", passages=["大阪", "東京 🦊"]),
    Case("fusion by place", [1, 0, 3, 2, 4, 5], options={"first_stage_weight": 12}),
    Case("fusion by itself", [1, 0, 3], options={"first_stage_weight": "auto", "limit": 3}),
    Case("fused logits", [0, 1], options={**LOGITS, "first_stage_weight": 1000, "limit": 2}),
    Case("a hopeless list", [], query="moon", options={"first_stage_weight": 9, **HALF}),
    Case("a fused threshold", [1, 3], options={"first_stage_weight": 1000, **HALF}),
    Case("fusion by score", [1, 4, 3, 5, 2, 0], options=BY_SCORE, scores=FOUND),
    Case("fusion by distance", [1, 3, 0, 2, 5, 4], options=BY_DISTANCE, scores=DISTANCES),
    Case("fusion without documents", [], passages=[], options={"first_stage_weight": "auto"}),
    Case("cascade", [3, 4, 5], options={"cascade": [{"scorer": SHORTEST, "keep": 3}], "limit": 3}),
    Case("cascade of models", [1, 3], options={"cascade": [EMBEDDED], "limit": 2}),
    Case("time enough", [1, 3, 0, 2, 4, 5], options={"time_budget": 600}),
    Case("no time", [0, 1, 2, 3, 4, 5], options=LATE),
    Case("no time up to the limit", [0, 1], options={**LATE, "limit": 2}),
    Case("no time for a threshold", [], options={**LATE, **HALF}),
    Case(
        "no time to fuse",
        [0, 1, 2, 3, 4, 5],
        options={**LATE, **BY_SCORE},
        scores=FOUND,
    ),
]


def in_words_of(wrapper: Wrapper, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the framework's own words for the limit and for a document's score."""
    named = {wrapper.limit if name == "limit" else name: v for name, v in options.items()}
    if "first_stage_score_field" in named:
        named["first_stage_score_field"] = wrapper.score_field
    return named


def no_text_warning(blank: int, documents: int) -> AbstractContextManager[Any]:
    """Expects one warning that tells how many documents are without text, or none at all."""
    if not blank:
        return nullcontext()  # warnings are errors in tests
    return pytest.warns(NoTextWarning, match=rf"^{blank} of {documents} (documents|nodes) without")


@pytest.mark.parametrize("path", ["rank", "arank"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_ranks_as_the_table_says(framework: str, case: Case, path: str) -> None:
    wrapper = WRAPPERS[framework]
    options = in_words_of(wrapper, case.options)
    with no_text_warning(case.blank, len(case.passages)):
        ranking = getattr(wrapper, path)(
            case.query, case.passages, case.scores, scorer=Naming(), **options
        )
    assert [int(name) for name, _ in ranking] == case.order
    given = {"top_k" if name == "limit" else name: v for name, v in case.options.items()}
    core = Reranker(Naming(), **{name: v for name, v in given.items() if name in RANKING_OPTIONS})
    texts = [passage or "" for passage in case.passages]
    found = core.rank(case.query, texts, first_stage_scores=case.scores)
    unscored = [None] * len(found.backfill)
    assert [score for _, score in ranking] == [*(ranked.score for ranked in found), *unscored]
    assert all(type(score) is float for _, score in ranking[: len(found)])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_length": 12},
        {"precision": "bf16"},
        {"prompt": "how ", "query_prefix": "big ", "passage_prefix": "old "},
        {"query_suffix": " fast", "passage_suffix": " blue"},
        {"max_batch_tokens": 16, "limit": 2, "scale": "logit"},
    ],
    ids=str,
)
def test_every_wrapper_gives_the_scores_of_the_core_on_a_real_model(
    tiny_model: Path, options: dict[str, Any]
) -> None:
    cut = {"limit": "top_k", "scale": "scale"}
    model_options = {name: value for name, value in options.items() if name not in cut}
    with CrossEncoderScorer(tiny_model, **model_options) as scorer:
        reranker = Reranker(scorer, **{cut[k]: v for k, v in options.items() if k in cut})
        core = reranker.rank("red fox", PASSAGES)
    for framework, wrapper in WRAPPERS.items():
        for path in (wrapper.rank, wrapper.arank):
            given = in_words_of(wrapper, options)
            ranking = path("red fox", PASSAGES, model=str(tiny_model), **given)
            assert [int(name) for name, _ in ranking] == [ranked.index for ranked in core]
            assert [score for _, score in ranking] == pytest.approx(
                [ranked.score for ranked in core], abs=1e-6
            ), framework


def test_every_wrapper_runs_a_bundle_as_it_was_compiled_and_refuses_another_precision(
    tiny_model: Path, tmp_path: Path
) -> None:
    pairs = [("red fox", passage) for passage in PASSAGES]
    bundle = compile_model(tiny_model, tmp_path / "b", precision="int8", calibration=pairs)
    with CrossEncoderScorer(bundle, precision="int8") as scorer:
        wanted = sorted(map(float, scorer.score("red fox", PASSAGES)), reverse=True)
    for framework, wrapper in WRAPPERS.items():
        options = {"model": str(bundle), "scale": "logit"}
        ranking = wrapper.rank("red fox", PASSAGES, **options)
        assert [score for _, score in ranking] == wanted, framework
        with pytest.raises(UnsupportedOptionError, match=r"is a bundle for .*'int8'; got .*'fp32'"):
            wrapper.rank("red fox", PASSAGES, precision="fp32", **options)


@pytest.mark.parametrize("label", [1, "related"])
def test_every_wrapper_scores_by_the_chosen_column(three_column_model: Path, label: object) -> None:
    rankings = [
        wrapper.rank("red fox", PASSAGES, model=str(three_column_model), label=label)
        for wrapper in WRAPPERS.values()
    ]
    assert rankings[0] == rankings[1] == rankings[2]
    assert len(rankings[0]) == len(PASSAGES)


REFUSALS = [
    {"limit": 0},
    {"limit": -1},
    {"limit": 2.5},
    {"limit": True},
    {"score_threshold": float("nan")},
    {"score_threshold": 1.5},
    {"scale": "percent"},
    {"model": ""},
    {"backend": "tensorflow"},
    {"precision": "int4"},
    {"threads": 0},
    {"max_length": 3},
    {"max_batch_tokens": 0},
    {"label": -1},
    {"timeout": 0},
    {"max_queue_pairs": 0},
    {"when_full": "never"},
    {"first_stage_weight": -1},
    {"first_stage_weight": "automatic"},
    {"higher_is_better": "no"},
    {"time_budget": 0},
    {"cascade": "embedded"},
    {"cascade": [{"model": "embedded"}]},
    {"cascade": [{"scorer": "embedded", "keep": 20}]},
]


@pytest.mark.parametrize("options", REFUSALS, ids=str)
def test_every_wrapper_refuses_bad_options_in_the_words_of_the_core(
    options: dict[str, Any],
) -> None:
    messages = []
    for wrapper in WRAPPERS.values():
        given = in_words_of(wrapper, options)
        if "model" not in given:
            given["model"] = "embedded"
        with pytest.raises(InvalidInputError, match="but got") as caught:
            wrapper.make(**given)
        messages.append(str(caught.value).replace(wrapper.limit, "top_k"))
    with pytest.raises(RerankError) as core:
        Reranker.from_options(**{"top_k" if k == "limit" else k: v for k, v in options.items()})
    assert messages == [str(core.value)] * len(WRAPPERS)


@pytest.mark.parametrize("path", ["run", "arun"])
@pytest.mark.parametrize("documents", [None, "red fox", 3, {"a": 1}.items()], ids=str)
def test_every_wrapper_refuses_what_is_no_list_of_documents(documents: object, path: str) -> None:
    for wrapper in WRAPPERS.values():
        component = wrapper.make(scorer=DeterministicScorer())
        with pytest.raises(InvalidInputError, match=rf"must be a.* {wrapper.kind}, but got "):
            getattr(wrapper, path)(component, "q", documents)


@pytest.mark.parametrize("path", ["run", "arun"])
def test_every_wrapper_names_a_document_of_another_kind_by_position(path: str) -> None:
    for wrapper in WRAPPERS.values():
        component = wrapper.make(scorer=DeterministicScorer())
        documents = [*wrapper.documents(["a"]), "a text"]
        with pytest.raises(InvalidInputError, match=rf"\[1\] must be a {wrapper.kind}, but got"):
            getattr(wrapper, path)(component, "q", documents)


@pytest.mark.parametrize("path", ["run", "arun"])
def test_every_wrapper_names_the_package_of_a_document_that_only_is_called_alike(path: str) -> None:
    packages = {"haystack": "haystack", "llama_index": "llama_index", "langchain": "langchain_core"}
    for framework, package in packages.items():
        wrapper = WRAPPERS[framework]
        kind = f"{package} {wrapper.kind}"
        other = type(wrapper.kind, (), {"__module__": "others.documents"})()
        told = rf"must be a {kind}, but got one of others\.documents\. Make a {kind} of it first"
        with pytest.raises(InvalidInputError, match=told):
            getattr(wrapper, path)(wrapper.make(scorer=DeterministicScorer()), "q", [other])


@pytest.mark.parametrize(
    ("framework", "given", "says"),
    [
        ("haystack", "langchain", "a haystack Document, but got one of langchain_core.documents"),
        ("langchain", "haystack", "a langchain_core Document, but got one of haystack.dataclasses"),
    ],
)
def test_a_document_of_another_framework_is_told_apart(
    framework: str, given: str, says: str
) -> None:
    component = WRAPPERS[framework].make(scorer=DeterministicScorer())
    documents = WRAPPERS[given].documents(["a"])
    with pytest.raises(InvalidInputError, match=rf"documents\[0\] must be {says}"):
        WRAPPERS[framework].run(component, "q", documents)


@pytest.mark.parametrize("path", ["run", "arun"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_ranks_all_that_an_iterator_gives(framework: str, path: str) -> None:
    wrapper = WRAPPERS[framework]
    component = wrapper.make(scorer=DeterministicScorer())
    output = getattr(wrapper, path)(component, "red fox", iter(wrapper.documents(PASSAGES)))
    assert [int(name) for name, _ in wrapper.ranking(output)] == [1, 3, 0, 2, 4, 5]


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_ranks_by_an_option_that_was_assigned_later(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    component = wrapper.make(scorer=DeterministicScorer())
    documents = wrapper.documents(PASSAGES)
    wrapper.run(component, "red fox", documents)
    setattr(component, wrapper.limit, 2)
    component.scale = "logit"
    assert wrapper.ranking(wrapper.run(component, "red fox", documents)) == [("1", 4), ("3", 4)]


NUMBERS = {
    "limit": (np.int64(3), 3),
    "score_threshold": (np.float32(0.5), 0.5),
    "max_length": (np.int32(20), 20),
    "max_batch_tokens": (np.int64(99), 99),
    "label": (np.uint8(1), 1),
    "timeout": (np.float64(2.5), 2.5),
    "max_queue_pairs": (np.int64(50), 50),
    "cache_folder": (Path("models"), "models"),
}


@pytest.mark.parametrize("assigned", [False, True])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_writes_down_numpys_numbers_and_paths(
    framework: str, *, assigned: bool
) -> None:
    wrapper = WRAPPERS[framework]
    given, plain = (
        in_words_of(wrapper, {name: pair[at] for name, pair in NUMBERS.items()}) for at in (0, 1)
    )
    component = wrapper.make(model="embedded", **({} if assigned else given))
    if assigned:
        for name, value in given.items():
            setattr(component, name, value)
    assert wrapper.dump(component) == wrapper.dump(wrapper.make(model="embedded", **plain))
    for name, value in plain.items():
        assert type(getattr(component, name)) is type(value), name


@pytest.mark.parametrize("framework", ["llama_index", "langchain"])
def test_a_token_that_is_assigned_as_a_string_is_used_and_shown_nowhere(framework: str) -> None:
    component = WRAPPERS[framework].make(model="some/model")
    component.token = "hf_secret"
    copied = WRAPPERS[framework].make(model="some/model").model_copy(update={"token": "hf_secret"})
    for one in (component, copied):
        assert one._ready().scorer._settings.token == "hf_secret"
        shown = repr(one) + str(one.model_dump()) + one.model_dump_json()
        assert "hf_secret" not in shown
        assert b"hf_secret" not in pickle.dumps(one)
        one.top_n = 3  # and every later assignment works
        one.token = None
        assert one._ready().scorer._settings.token is None


@pytest.mark.parametrize("refused", [{"limit": 0}, {"nope": 0}, {"token": ["hf_secret"]}])
@pytest.mark.parametrize("framework", ["llama_index", "langchain"])
def test_a_token_is_not_shown_where_an_option_is_refused(
    framework: str, refused: dict[str, Any]
) -> None:
    wrapper = WRAPPERS[framework]
    with pytest.raises(ValueError, match=r"validation error|but got") as caught:
        wrapper.make(**{"token": "hf_secret", **in_words_of(wrapper, refused)})
    assert "hf_secret" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("framework", ["llama_index", "langchain"])
def test_an_assignment_that_fails_changes_nothing(framework: str) -> None:
    component = WRAPPERS[framework].make(model="embedded", token="hf_first")
    with pytest.raises(InvalidInputError, match=r"token must be a SecretStr, but got list\."):
        component.token = ["hf_secret"]
    with pytest.raises(InvalidInputError, match="cache_folder must be a folder's path"):
        component.cache_folder = 3
    assert component.token.get_secret_value() == "hf_first"
    assert component.cache_folder is None
    component.top_n = 3


@pytest.mark.parametrize("framework", ["llama_index", "langchain"])
def test_options_that_need_each_other_are_changed_in_a_copy(framework: str) -> None:
    component = WRAPPERS[framework].make(model="embedded")
    both = r"To change both, take model_copy\(update=\{'scale': \.\.\., 'calibration': \.\.\.\}\)\."
    for name, value in (("scale", "calibrated"), ("calibration", "auto")):
        with pytest.raises(InvalidInputError, match=both):
            setattr(component, name, value)
    for name, value in (("scale", "nope"), ("calibration", 3)):
        with pytest.raises(InvalidInputError) as caught:
            setattr(component, name, value)
        assert "model_copy" not in str(caught.value)  # it is wrong alone
    changed = component.model_copy(update={"scale": "calibrated", "calibration": "auto"})
    assert (changed.scale, changed.calibration) == ("calibrated", "auto")
    assert (component.scale, component.calibration) == ("probability", None)


@pytest.mark.parametrize("framework", ["llama_index", "langchain"])
def test_a_copy_with_an_option_of_another_name_is_refused(framework: str) -> None:
    component = WRAPPERS[framework].make(model="embedded")
    with pytest.raises(InvalidInputError, match=r"has no option 'top_k'\. Its options are .*top_n"):
        component.model_copy(update={"top_k": 3})


def in_use(framework: str, model: Path) -> tuple[Wrapper, Any, Any, Ranking]:
    """A wrapper, a component of it that has loaded the model, documents and their ranking."""
    wrapper = WRAPPERS[framework]
    component = wrapper.make(model=str(model))
    documents = wrapper.documents(PASSAGES)
    return wrapper, component, documents, wrapper.ranking(wrapper.run(component, QUERY, documents))


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_loads_the_model_again_when_it_is_used_after_close(
    framework: str, tiny_model: Path
) -> None:
    wrapper, component, documents, before = in_use(framework, tiny_model)
    component.close()
    component.close()
    assert wrapper.ranking(wrapper.run(component, QUERY, documents)) == before
    component.close()


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_call_while_another_thread_closes_the_wrapper_loads_the_model_again(
    framework: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper, component, documents, before = in_use(framework, tiny_model)
    closing, may_end = threading.Event(), threading.Event()
    close = CrossEncoderScorer.close

    def slow_close(scorer: CrossEncoderScorer) -> None:
        closing.set()
        may_end.wait(60)
        close(scorer)

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(CrossEncoderScorer, "close", slow_close)
        closed = pool.submit(component.close)
        assert closing.wait(60)
        try:
            meanwhile = wrapper.ranking(wrapper.run(component, QUERY, documents))
        finally:
            may_end.set()
        closed.result(60)
    assert meanwhile == before
    component.close()


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_copy_of_a_wrapper_outlives_the_closing_of_the_first(
    framework: str, tiny_model: Path
) -> None:
    wrapper, component, documents, before = in_use(framework, tiny_model)
    copied = copy.copy(component)
    component.close()
    assert wrapper.ranking(wrapper.run(copied, QUERY, documents)) == before
    copied.close()


@pytest.mark.parametrize("framework", WRAPPERS)
async def test_the_event_loop_runs_while_a_wrapper_closes(
    framework: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper, component, documents, before = in_use(framework, tiny_model)
    may_close, ended = threading.Event(), []
    close = CrossEncoderScorer.close

    def slow_close(scorer: CrossEncoderScorer) -> None:
        """Ends, as one with queued work does, after a while."""
        ended.append(may_close.wait(30))
        close(scorer)

    with monkeypatch.context() as patch:
        patch.setattr(CrossEncoderScorer, "close", slow_close)
        aclose = component.close_async if framework == "haystack" else component.aclose
        closing = asyncio.create_task(aclose())
        await asyncio.sleep(0)  # only a free loop gets here, to let it close
        may_close.set()
        await closing
        assert ended == [True]
        await aclose()
        assert ended == [True]
    assert wrapper.ranking(wrapper.run(component, QUERY, documents)) == before
    component.close()


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_leaves_a_scorer_open_that_was_handed_in(framework: str) -> None:
    scorer = DeterministicScorer()
    WRAPPERS[framework].make(scorer=scorer).close()
    assert not scorer.closed


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_refuses_a_scorer_together_with_model_options(framework: str) -> None:
    with pytest.raises(ValueError, match="scorer"):
        WRAPPERS[framework].rank("q", ["a"], scorer=DeterministicScorer(), max_length=20)


@pytest.mark.parametrize("path", ["rank", "arank"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_lets_a_model_error_through(framework: str, path: str) -> None:
    with pytest.raises(RerankError, match="There is no directory"):
        getattr(WRAPPERS[framework], path)("q", ["a"], model="./nowhere")


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_scores_each_request_in_one_call(framework: str) -> None:
    scorer = DeterministicScorer()
    WRAPPERS[framework].rank("red fox", PASSAGES, scorer=scorer)
    assert scorer.calls == [[("red fox", passage) for passage in PASSAGES]]


def test_every_wrapper_has_the_options_of_the_core_with_the_same_defaults() -> None:
    from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker

    core = {
        name: parameter.default
        for name, parameter in inspect.signature(CrossEncoderScorer.__init__).parameters.items()
        if name != "self"
    }
    ranker = inspect.signature(CrossEncoderRanker.__init__).parameters
    for name, default in core.items():
        assert name in ranker
        if name != "token":  # Haystack has secrets of its own
            assert ranker[name].default == default, name
    for model in (CrossEncoderRerank, CrossEncoderCompressor):
        for name, default in core.items():
            assert model.model_fields[name].get_default(call_default_factory=True) == default, name
        assert model.model_fields["top_n"].default == ranker["top_k"].default


def test_each_page_says_how_many_we_keep_and_how_many_the_stock_class_keeps() -> None:
    haystacks = inspect.signature(SentenceTransformersSimilarityRanker.__init__).parameters
    llama_indexs = inspect.signature(SentenceTransformerRerank.__init__).parameters
    stock = {
        "haystack": ("SentenceTransformersSimilarityRanker", haystacks["top_k"].default),
        "llama_index": ("SentenceTransformerRerank", llama_indexs["top_n"].default),
        "langchain": ("CrossEncoderReranker", CrossEncoderReranker.model_fields["top_n"].default),
    }
    for framework, (name, kept) in stock.items():
        page = " ".join((DOCS / f"{framework}.md").read_text(encoding="utf-8").split())
        assert re.search(rf"`{name}`,?( which)? keeps {kept}\b", page), framework
        wrapper = WRAPPERS[framework]
        documents = wrapper.documents(["red"] * 20)
        output = wrapper.run(wrapper.make(scorer=DeterministicScorer()), "red", documents)
        assert len(wrapper.ranking(output)) == 10
        assert re.search(rf"At most ten come back unless `{wrapper.limit}` says otherwise", page)


class Bare(Scorer):
    """What the documentation asks of a scorer of one's own, and no more."""

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        return DeterministicScorer().submit(pairs)


@pytest.mark.parametrize("path", ["rank", "arank"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_takes_a_scorer_with_nothing_but_submit(framework: str, path: str) -> None:
    scorer = Bare()
    ranking = getattr(WRAPPERS[framework], path)("red fox", PASSAGES, scorer=scorer)
    assert len(ranking) == len(PASSAGES)
    assert scorer.name == "Bare"


def test_haystacks_telemetry_names_a_scorer_with_nothing_but_submit() -> None:
    component = WRAPPERS["haystack"].make(scorer=Bare())
    assert component._get_telemetry_data() == {"model": "Bare"}


@pytest.mark.parametrize("path", ["run", "arun"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_adds_nothing_to_metadata_but_what_it_is_asked_for(
    framework: str, path: str
) -> None:
    wrapper = WRAPPERS[framework]
    documents = wrapper.documents(["red fox", "sea " * 9], score=0.25)
    scale = {"relevance_score_scale": "logit"}
    facts = [
        {**scale, "relevance_model_score": 4.0, "relevance_truncated": False},
        {**scale, "relevance_model_score": -4.0, "relevance_truncated": True},
    ]
    before = [{"retrieval_score": 0.25}] * 2
    nothing: list[dict[str, Any]] = [{}, {}]
    for annotate, keep in [(False, False), (True, False), (False, True), (True, True)]:
        scorer = DeterministicScorer(max_words=8)
        given = {"annotate": annotate, "keep_retrieval_score": keep}
        component = wrapper.make(scorer=scorer, scale="logit", **given)
        found = wrapper.metadata(getattr(wrapper, path)(component, "red fox", documents))
        for at, (fact, score) in enumerate(
            zip(facts if annotate else nothing, before if keep else nothing, strict=True)
        ):
            assert found[str(at)] == {"page": at, **fact, **score}


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_leaves_a_users_own_retrieval_score_alone(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    document = wrapper.documents(["red fox"], score=0.25)[0]
    inner = getattr(document, "node", document)
    getattr(inner, "metadata", getattr(inner, "meta", None))["retrieval_score"] = "mine"
    for options in ({}, {"keep_retrieval_score": True}):
        component = wrapper.make(scorer=DeterministicScorer(), **options)
        found = wrapper.metadata(wrapper.run(component, "red fox", [document]))
        assert found["0"] == {"page": 0, "retrieval_score": "mine"}


@pytest.mark.parametrize("name", ["annotate", "keep_retrieval_score"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_takes_no_word_for_true(framework: str, name: str) -> None:
    wrapper = WRAPPERS[framework]
    with pytest.raises(InvalidInputError, match=f"{name} must be True or False, but got str 'no'"):
        wrapper.make(scorer=DeterministicScorer(), **{name: "no"})


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_annotates_after_a_round_trip_and_after_assignment(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    given = {"annotate": True, "keep_retrieval_score": True, wrapper.limit: 3}
    component = wrapper.make(model="embedded", **given)
    again = wrapper.load(wrapper.dump(component))
    assert {name: getattr(again, name) for name in given} == given
    documents = wrapper.documents(PASSAGES, score=0.25)
    wanted = wrapper.metadata(wrapper.run(component, QUERY, documents))
    assert set(wanted["1"]) - {"page"} == {
        "relevance_score_scale",
        "relevance_model_score",
        "relevance_truncated",
        "relevance_windows",
        "relevance_window",
        "retrieval_score",
    }
    for other in (again, copy.copy(component), pickle.loads(pickle.dumps(component))):
        assert wrapper.metadata(wrapper.run(other, QUERY, documents)) == wanted
    again.annotate = False
    assert "relevance_truncated" not in wrapper.metadata(wrapper.run(again, QUERY, documents))["1"]


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_says_what_was_cut_in_its_statistics(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    component = wrapper.make(scorer=DeterministicScorer(max_words=8))
    documents = wrapper.documents(["red fox", "sea " * 9])
    assert component.statistics == Statistics(pairs=0, truncated=0)
    wrapper.run(component, "red fox", documents)
    wrapper.arun(component, "red fox", documents)
    assert component.statistics == Statistics(pairs=4, truncated=2)


@pytest.mark.parametrize("framework", WRAPPERS)
def test_one_picture_among_fifty_documents_fails_no_call_and_warns_once(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    passages = ["the sea"] * 25 + [None] + ["red fox"] * 24
    with pytest.warns(NoTextWarning) as caught:
        ranking = wrapper.rank("red fox", passages, scorer=DeterministicScorer())
    assert [str(warning.message).partition(" without")[0] for warning in caught] in (
        ["1 of 50 documents"],
        ["1 of 50 nodes"],
    )
    assert len(ranking) == 10
    with pytest.raises(InvalidInputError, match=r"passages\[25\] must be a string"):
        Reranker(DeterministicScorer()).rank("red fox", passages)  # type: ignore[arg-type]


PYDANTIC = [CrossEncoderRerank, CrossEncoderCompressor, RerankCrossEncoder]


@pytest.mark.parametrize("kind", PYDANTIC)
def test_every_pydantic_wrapper_has_a_json_schema_of_what_json_can_hold(kind: Any) -> None:
    schema = kind.model_json_schema()
    fields = set(kind.model_fields) - {"scorer", "callback_manager"}
    assert set(schema["properties"]) - {"callback_manager", "class_name"} == fields
    assert schema["properties"]["scale"]["enum"] == ["probability", "logit", "calibrated"]
    assert json.dumps(schema)
    assert json.dumps(kind.model_json_schema(mode="serialization"))


@pytest.mark.parametrize("kind", PYDANTIC)
def test_a_settings_class_may_hold_a_pydantic_wrapper(kind: Any) -> None:
    class Settings(BaseModel):
        """As an application's configuration."""

        name: str = "search"
        reranker: kind

    assert "reranker" in Settings.model_json_schema()["properties"]
    settings = Settings.model_validate({"reranker": {"model": "embedded", "scale": "logit"}})
    assert type(settings.reranker) is kind
    again = Settings.model_validate_json(settings.model_dump_json())
    assert again.reranker.model_dump() == settings.reranker.model_dump()
    assert again.reranker.scale == "logit"
    with pytest.raises(
        ValidationError, match="scale must be 'probability', 'logit' or 'calibrated'"
    ):
        Settings.model_validate({"reranker": {"model": "embedded", "scale": "percent"}})


@pytest.mark.parametrize("kind", PYDANTIC)
def test_every_pydantic_wrapper_takes_back_what_it_dumped(kind: Any) -> None:
    given = kind(model="embedded", scale="logit", max_length=99, timeout=2.5)
    for again in (
        kind.model_validate(given.model_dump()),
        kind.model_validate_json(given.model_dump_json()),
        kind.model_validate(given.model_dump(mode="json")),
        kind(**given.model_dump()),
        kind.model_validate(given),
    ):
        assert type(again) is kind
        assert again.model_dump() == given.model_dump()
        assert again._ready().scorer._options["max_length"] == 99
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind.model_validate({**given.model_dump(), "class_name": "Another"})


@pytest.mark.parametrize("kind", PYDANTIC)
def test_a_scorer_is_not_silently_replaced_by_a_model_when_a_dump_is_taken_back(kind: Any) -> None:
    given = kind(scorer=DeterministicScorer())
    assert given.model_dump()["scorer"] == "deterministic"
    for take_back in (
        lambda: kind.model_validate(given.model_dump()),
        lambda: kind.model_validate_json(given.model_dump_json()),
    ):
        with pytest.raises(ValueError, match=r"scorer must be a Scorer, but got str"):
            take_back()
    again = kind.model_validate({**given.model_dump(), "scorer": DeterministicScorer()})
    assert again.model_dump() == given.model_dump()


def kept_metadata(metadata: dict[str, Any], score: Any) -> dict[str, Any]:
    """What is added where everything is asked for."""
    ranked = Ranked(index=0, score=0.5, scale="probability", model_score=0.5, truncated=False)
    both = {"annotate": True, "keep_retrieval_score": True, "spans": False}
    return result_metadata(ranked, metadata, retrieval_score=score, **both)


def test_a_score_of_numpys_is_kept_as_one_of_pythons() -> None:
    for score in (np.float32(0.25), np.float64(0.25)):
        found = kept_metadata({"page": 1}, score)
        assert (type(found["retrieval_score"]), found["retrieval_score"]) == (float, 0.25)
        again = kept_metadata({"retrieval_score": score}, 0.5)
        assert json.loads(json.dumps(again))["retrieval_score"] == 0.25


def test_the_score_of_an_earlier_reranking_is_not_taken_for_the_first_stages() -> None:
    once = kept_metadata({"page": 1}, None)
    assert "retrieval_score" not in kept_metadata(once, 0.9)
    kept = kept_metadata({**once, "retrieval_score": 0.1}, 0.9)
    assert kept["retrieval_score"] == 0.1
    assert kept_metadata({"page": 1}, 0.9)["retrieval_score"] == 0.9
