"""The Haystack ranker: its conventions, and the faults of others that it does not have."""

import asyncio
import copy
import inspect
import json
import pickle
import re
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.dataclasses import ByteStream
from haystack.tools import ComponentTool
from haystack.utils import ComponentDevice, Device, DeviceMap, Secret

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker
from haystack_integrations.components.rankers.rerank_plugins._token import SecretToken
from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    LabelRequiredError,
    PairScores,
    RerankError,
    Scorer,
)
from rerank_plugins.testing import DeterministicScorer
from rerank_plugins.wrappers import NoTextWarning

TEXTS = ["the sea is blue", "a red fox", "fire", "red"]


def documents() -> list[Document]:
    return [
        Document(id=f"d{i}", content=text, meta={"page": {"number": i}}, score=0.1 * i) for i, text in enumerate(TEXTS)
    ]


def ranker(**options: Any) -> CrossEncoderRanker:
    return CrossEncoderRanker(scorer=DeterministicScorer(), **options)


def ids(output: dict[str, list[Document]]) -> list[str]:
    return [document.id for document in output["documents"]]


def test_documents_come_back_best_first_with_a_plain_float_score() -> None:
    output = ranker(top_k=2, annotate=True).run("red fox", documents())
    assert ids(output) == ["d1", "d3"]
    best = output["documents"][0]
    assert type(best.score) is float
    assert best.meta["relevance_score_scale"] == "probability"
    assert best.meta["relevance_truncated"] is False
    json.dumps(best.to_dict())


def test_run_does_not_modify_the_callers_documents() -> None:
    given = documents()
    before = copy.deepcopy(given)
    output = ranker().run("red fox", given)
    assert given == before
    assert not {id(document.meta) for document in given} & {id(document.meta) for document in output["documents"]}


def test_the_first_stage_score_is_kept_through_a_second_ranking() -> None:
    subject = ranker(annotate=True, keep_retrieval_score=True)
    once = subject.run("red fox", documents())["documents"]
    twice = subject.run("sea", once)["documents"]
    for found in (once, twice):
        scores = {document.id: document.meta["retrieval_score"] for document in found}
        assert scores == {"d0": 0.0, "d1": 0.1, "d2": 0.2, "d3": pytest.approx(0.3)}
    fresh = subject.run("red", [Document(content="red")])["documents"][0]
    assert "retrieval_score" not in fresh.meta


def test_a_second_ranking_does_not_take_the_first_for_the_first_stage() -> None:
    subject = ranker(annotate=True, keep_retrieval_score=True)
    once = subject.run("red", [Document(content="red")])["documents"]
    assert "retrieval_score" not in subject.run("sea", once)["documents"][0].meta


def test_a_first_stages_numpy_score_survives_json() -> None:
    document = Document(content="red", score=np.float32(0.25))
    found = ranker(keep_retrieval_score=True).run("red", [document])["documents"][0]
    assert json.loads(json.dumps(found.to_dict()))["retrieval_score"] == 0.25


def test_meta_fields_and_separator_assigned_later_are_checked() -> None:
    titled = [Document(content="sea", meta={"title": "red fox"}), Document(content="red fox")]
    subject = ranker()
    subject.meta_fields_to_embed = ["title"]
    assert subject.run("red fox", titled)["documents"][0].content == "sea"
    subject.meta_fields_to_embed = None
    assert subject.run("red fox", titled)["documents"][0].content == "red fox"
    for name, value in (("meta_fields_to_embed", "title"), ("embedding_separator", None)):
        subject = ranker()
        setattr(subject, name, value)
        with pytest.raises(InvalidInputError, match=f"{name} must be a"):
            subject.run("red fox", titled)


def test_it_survives_pickle_without_a_token_that_is_written_out() -> None:
    subject = CrossEncoderRanker(model="embedded", top_k=2, token=Secret.from_token("hf_secret"))
    wanted = subject.run("red fox", documents())
    pickled = pickle.dumps(subject)
    assert b"hf_secret" not in pickled
    assert pickle.loads(pickled).run("red fox", documents()) == wanted
    kept = Secret.from_env_var("OWN_TOKEN", strict=False)
    assert pickle.loads(pickle.dumps(CrossEncoderRanker(model="embedded", token=kept))).token == kept


def test_copies_in_the_process_keep_the_token_and_are_apart() -> None:
    subject = CrossEncoderRanker(model="embedded", top_k=2, token=Secret.from_token("hf_secret"))
    for copied in (copy.copy(subject), copy.deepcopy(subject)):
        assert copied.token == subject.token
        copied.top_k = 1
        assert len(copied.run("red fox", documents())["documents"]) == 1
        assert len(subject.run("red fox", documents())["documents"]) == 2
    copied = copy.deepcopy(ranker(meta_fields_to_embed=["title"]))
    copied.meta_fields_to_embed.append("page")
    assert subject.meta_fields_to_embed == []


class OfOurs(CrossEncoderRanker):
    """A class of a user's own."""

    def __init__(self, team: str) -> None:
        super().__init__("embedded", top_k=2, meta_fields_to_embed=[])
        self.team = team


def test_a_copy_of_a_users_class_keeps_its_attributes_and_calls_no_constructor() -> None:
    subject = OfOurs("search")
    subject.team = "shop"
    wanted = subject.run("red fox", documents())
    for copied in (copy.copy(subject), copy.deepcopy(subject), pickle.loads(pickle.dumps(subject))):
        assert (type(copied), copied.team) == (OfOurs, "shop")
        assert copied.run("red fox", documents()) == wanted
        copied.meta_fields_to_embed.append("page")
        copied.close()
    assert subject.meta_fields_to_embed == []
    assert subject.run("red fox", documents()) == wanted


def joined(subject: CrossEncoderRanker) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("joiner", DocumentJoiner())
    pipeline.add_component("ranker", subject)
    pipeline.connect("joiner.documents", "ranker.documents")
    return pipeline


def test_a_copy_of_a_ranker_that_is_in_a_pipeline_goes_into_another() -> None:
    inputs = {"joiner": {"documents": documents()}, "ranker": {"query": "red fox"}}
    subject = CrossEncoderRanker(model="embedded", top_k=2)
    first = joined(subject)
    wanted = first.run(inputs)
    second = joined(copy.copy(subject))
    assert second.run(inputs) == wanted == first.run(inputs)
    assert subject.__haystack_input__.documents.senders == ["joiner"]


def test_a_whole_pipeline_survives_pickle_and_deep_copies() -> None:
    inputs = {"joiner": {"documents": documents()}, "ranker": {"query": "red fox"}}
    first = joined(CrossEncoderRanker(model="embedded", top_k=2))
    wanted = first.run(inputs)
    for copied in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert copied.run(inputs) == wanted


def test_from_dict_refuses_an_option_that_there_is_not() -> None:
    data = CrossEncoderRanker(model="embedded").to_dict()
    data["init_parameters"]["top_n"] = 3
    with pytest.raises(TypeError, match="top_n"):
        CrossEncoderRanker.from_dict(data)


def test_documents_of_one_id_are_ranked_once_in_both_paths() -> None:
    twice = [Document(id="a", content="sea", score=0.1), Document(id="a", content="red", score=0.9)]
    for found in (ranker().run("red", twice), asyncio.run(ranker().run_async("red", twice))):
        assert [document.content for document in found["documents"]] == ["red"]


def test_run_options_win_over_those_of_the_constructor() -> None:
    subject = ranker(top_k=1, score_threshold=0.9)
    output = subject.run("red fox", documents(), top_k=3, score_threshold=-4.5, scale="logit")
    assert len(output["documents"]) == 3
    assert [document.score for document in output["documents"]] == [4.0, 0.0, -4.0]
    assert ids(subject.run("red fox", documents())) == ["d1"]


@pytest.mark.parametrize("top_k", [0, -4])
def test_top_k_is_checked_also_when_there_are_no_documents(top_k: int) -> None:
    with pytest.raises(ValueError, match=f"top_k must be > 0, but got {top_k}"):
        CrossEncoderRanker(top_k=top_k)
    with pytest.raises(ValueError, match=f"top_k must be > 0, but got {top_k}"):
        ranker().run("red", [], top_k=top_k)


def test_run_zero_top_k_does_not_fall_back_to_the_rankers_own() -> None:
    with pytest.raises(ValueError, match="top_k must be > 0"):
        ranker(top_k=2).run("red", documents(), top_k=0)


def test_no_documents_give_every_declared_output() -> None:
    assert ranker().run("red", []) == {"documents": []}


def test_of_documents_with_the_same_id_the_best_of_the_first_stage_is_ranked_once() -> None:
    twins = [
        Document(id="same", content="red", score=0.1),
        Document(id="same", content="red fox", score=0.9),
        Document(id="other", content="fox", score=None),
    ]
    output = ranker().run("red fox", twins)
    assert ids(output) == ["same", "other"]
    assert output["documents"][0].content == "red fox"


def test_of_documents_with_the_same_id_the_nearest_is_ranked_where_scores_are_distances() -> None:
    near, far = Document(id="same", content="near", score=0.1), Document(id="same", content="far", score=0.9)
    other = Document(id="other", content="fox", score=0.3)
    same = DeterministicScorer(lambda query, passage: 0.0)
    options = {"scorer": same, "first_stage_weight": 1.0, "first_stage_score_field": "score"}
    subject = CrossEncoderRanker(**options, higher_is_better=False)
    for found in (subject.run("q", [near, other, far]), asyncio.run(subject.run_async("q", [far, other, near]))):
        assert [document.content for document in found["documents"]] == ["near", "fox"]


def test_of_documents_with_the_same_id_the_best_by_the_named_score_is_ranked() -> None:
    twins = [
        Document(id="same", content="red", score=0.9, meta={"bm25": 1}),
        Document(id="same", content="red fox", score=0.1, meta={"bm25": 7}),
    ]
    subject = ranker(first_stage_weight=1.0, first_stage_score_field="bm25")
    assert [document.content for document in subject.run("q", twins)["documents"]] == ["red fox"]


def test_meta_fields_are_read_before_the_content_and_falsy_values_count() -> None:
    scorer = DeterministicScorer()
    subject = CrossEncoderRanker(
        scorer=scorer,
        meta_fields_to_embed=["title", "year", "draft", "missing", "nothing"],
        embedding_separator=" | ",
    )
    meta = {"title": "Animals", "year": 0, "draft": False, "nothing": None}
    subject.run("fox", [Document(content="a fox", meta=meta)])
    assert scorer.calls == [[("fox", "Animals | 0 | False | a fox")]]


def test_a_document_without_text_is_read_as_empty_unless_meta_gives_a_text() -> None:
    picture = Document(id="blob", content=None, blob=ByteStream(b"picture"), meta={"caption": "a red fox"})
    scorer = DeterministicScorer()
    with pytest.warns(NoTextWarning, match=r"^1 of 2 documents without text"):
        found = CrossEncoderRanker(scorer=scorer).run("red", [picture, Document(id="text", content="red")])
    assert scorer.calls == [[("red", ""), ("red", "red")]]
    assert ids(found) == ["text", "blob"]
    assert ids(ranker(meta_fields_to_embed=["caption"]).run("red", [picture])) == ["blob"]


def test_a_tool_made_of_the_ranker_tells_a_model_what_each_parameter_is() -> None:
    tool = ComponentTool(component=ranker(), name="rank", description="Ranks documents.")
    told = {name: schema["description"] for name, schema in tool.parameters["properties"].items()}
    assert set(told) == {"query", "documents", "top_k", "score_threshold", "scale", "time_budget"}
    own = r" If `None`, the ranker's own setting is used\.$"
    for name, meaning in {
        "top_k": r"^How many documents .* a whole number from 1 up\.",
        "score_threshold": r'at least this score, .* from 0 to 1 for `"probability"`, any number for `"logit"`\.',
        "scale": r'`"probability"`, from 0 .* to 1 .*, `"logit"`, .* higher is better, or `"calibrated"`, .*\.',
    }.items():
        assert re.search(meaning + own, " ".join(told[name].split())), name
    assert "question" in told["query"]
    assert "rank" in told["documents"]
    given = [{"id": document.id, "content": document.content} for document in documents()]
    found = tool.invoke(query="red fox", documents=given, top_k=2, scale="logit", score_threshold=-1)
    assert [(document.id, document.score) for document in found["documents"]] == [("d1", 4.0), ("d3", 0.0)]


async def test_run_async_equals_run_and_has_the_same_signature() -> None:
    subject = ranker(top_k=3)
    given = documents()
    assert await subject.run_async("red fox", given) == subject.run("red fox", given)
    run, run_async = (inspect.signature(m).parameters for m in (subject.run, subject.run_async))
    assert dict(run) == dict(run_async)


class LaterScorer(Scorer):
    """Answers, and gets ready, when told to."""

    name = "later"

    def __init__(self) -> None:
        self.futures: list[Future[PairScores]] = []
        self.ready = asyncio.Event()

    def submit(self, pairs: Any) -> "Future[PairScores]":
        self.futures.append(Future())
        return self.futures[-1]

    async def awarm_up(self) -> None:
        await self.ready.wait()


async def test_the_event_loop_runs_while_documents_are_ranked_and_models_loaded() -> None:
    scorer = LaterScorer()
    subject = CrossEncoderRanker(scorer=scorer)
    warming = asyncio.create_task(subject.warm_up_async())
    await asyncio.sleep(0)  # only a free loop gets here, to say that it is ready
    assert not warming.done()
    scorer.ready.set()
    await warming
    waiting = asyncio.create_task(subject.run_async("red", documents()[:1]))
    while not scorer.futures:
        await asyncio.sleep(0)  # only a free loop gets here again, to answer
    scorer.futures[0].set_result(PairScores(np.array([1.0], dtype=np.float32)))
    assert ids(await waiting) == ["d0"]


async def test_the_event_loop_runs_while_a_ranker_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    may_close, closed = threading.Event(), []
    close = CrossEncoderScorer.close

    def slow_close(scorer: CrossEncoderScorer) -> None:
        """Ends, as one with queued work does, after a while."""
        closed.append(may_close.wait(30))
        close(scorer)

    monkeypatch.setattr(CrossEncoderScorer, "close", slow_close)
    closing = asyncio.create_task(CrossEncoderRanker(model="embedded").close_async())
    await asyncio.sleep(0)  # only a free loop gets here, to let it close
    may_close.set()
    await closing
    assert closed == [True]


async def test_an_async_pipeline_does_not_load_the_model_on_the_loop() -> None:
    scorer = LaterScorer()
    pipeline = Pipeline()
    pipeline.add_component("ranker", CrossEncoderRanker(scorer=scorer))
    inputs = {"ranker": {"query": "red", "documents": documents()[:1]}}
    running = asyncio.create_task(pipeline.run_async(inputs))
    scorer.ready.set()
    while not scorer.futures:
        await asyncio.sleep(0)
    scorer.futures[0].set_result(PairScores(np.array([1.0], dtype=np.float32)))
    assert ids((await running)["ranker"]) == ["d0"]


def test_to_dict_keys_are_the_constructors_parameters_and_json_able() -> None:
    data = CrossEncoderRanker().to_dict()
    parameters = set(inspect.signature(CrossEncoderRanker.__init__).parameters) - {"self"}
    assert set(data["init_parameters"]) == parameters
    assert json.loads(json.dumps(data)) == data


def test_every_option_survives_the_round_trip(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "model": "embedded",
        "top_k": 3,
        "score_threshold": 0.25,
        "scale": "logit",
        "annotate": True,
        "keep_retrieval_score": True,
        "meta_fields_to_embed": ["title"],
        "embedding_separator": " ",
        "device": ComponentDevice.from_str("cpu"),
        "backend": "torch",
        "precision": "bf16",
        "revision": "main",
        "max_length": 99,
        "max_batch_tokens": 999,
        "prompt": "p",
        "query_prefix": "q",
        "passage_prefix": "d",
        "query_suffix": "?",
        "passage_suffix": ".",
        "label": "yes",
        "local_files_only": True,
        "token": Secret.from_env_var("MY_TOKEN", strict=False),
        "cache_folder": tmp_path,
        "trust_remote_code": True,
        "progress_bar": True,
        "timeout": 2.5,
        "max_queue_pairs": 50,
        "when_full": "fail",
    }
    data = CrossEncoderRanker(**options).to_dict()
    again = CrossEncoderRanker.from_dict(copy.deepcopy(data))
    assert again.to_dict() == data
    for name, value in options.items():
        assert getattr(again, name) == (str(value) if name == "cache_folder" else value), name


def test_serialising_changes_neither_the_ranker_nor_the_data(tmp_path: Path) -> None:
    subject = CrossEncoderRanker(model="embedded", meta_fields_to_embed=["title"])
    data = subject.to_dict()
    data["init_parameters"]["meta_fields_to_embed"].append("changed")
    assert subject.meta_fields_to_embed == ["title"]
    assert ids(subject.run("red fox", documents()))[0] == "d1"  # to_dict before the first load
    untouched = copy.deepcopy(data)
    CrossEncoderRanker.from_dict(data)
    assert data == untouched


def test_a_token_is_resolved_late_and_never_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = CrossEncoderRanker(token=Secret.from_env_var("LATE_TOKEN"))
    assert "LATE_TOKEN" in json.dumps(subject.to_dict())
    monkeypatch.setenv("LATE_TOKEN", "hf_secret")
    assert "hf_secret" not in json.dumps(subject.to_dict())
    with pytest.raises(ValueError, match="Cannot serialize token-based secret"):
        CrossEncoderRanker(token=Secret.from_token("hf_secret")).to_dict()


def test_a_blank_variable_is_passed_over_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_TOKEN", " ")
    token = SecretToken(Secret.from_env_var(["FIRST_TOKEN", "SECOND_TOKEN"], strict=False))
    monkeypatch.delenv("SECOND_TOKEN", raising=False)
    assert token() is None
    monkeypatch.setenv("SECOND_TOKEN", "hf_secret")
    assert token() == "hf_secret"


def test_a_pipeline_read_twice_shares_one_model() -> None:
    pipeline = Pipeline()
    pipeline.add_component("ranker", CrossEncoderRanker(model="embedded"))
    read = [Pipeline.loads(pipeline.dumps()).get_component("ranker") for _ in range(2)]
    first, second = (each._ready().scorer._shared for each in read)
    assert first is second


def test_rankers_share_a_model_if_their_tokens_are_equal_and_no_token_is_shown() -> None:
    first, second, other = (
        CrossEncoderRanker(model="some/model", token=Secret.from_token(token))._ready().scorer
        for token in ("hf_secret", "hf_secret", "hf_other")
    )
    assert first._shared is second._shared
    assert first._shared is not other._shared
    assert first._settings.token() == "hf_secret"
    assert "hf_secret" not in repr(first._settings.token) + repr(first._settings) + repr(first)


def test_a_scorer_object_is_not_silently_lost_in_serialisation() -> None:
    with pytest.raises(InvalidInputError, match="cannot be serialised"):
        ranker().to_dict()


def test_a_whole_pipeline_survives_yaml_with_equal_results() -> None:
    pipeline = Pipeline()
    pipeline.add_component("ranker", CrossEncoderRanker(model="embedded", top_k=2))
    inputs = {"ranker": {"query": "red fox", "documents": documents()}}
    wanted = pipeline.run(inputs)
    assert Pipeline.loads(pipeline.dumps()).run(inputs) == wanted
    assert ids(wanted["ranker"])[0] == "d1"


def test_the_device_reaches_the_model(tiny_model: Path) -> None:
    subject = CrossEncoderRanker(model=tiny_model, device=ComponentDevice.from_str("cuda:1"))
    assert subject._ready().scorer._settings.device == "cuda:1"
    subject = CrossEncoderRanker(model=tiny_model, device=ComponentDevice.from_str("cpu"))
    subject.warm_up()
    assert len(subject.run("red", documents())["documents"]) == 4


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"device": "cpu"}, r"device must be a ComponentDevice, but got str\. .*from_str"),
        ({"token": "hf_secret"}, r"token must be a Secret, but got str\. .*from_token"),
        ({"meta_fields_to_embed": "title"}, r"meta_fields_to_embed must be a list of str, but got str 'title'"),
        ({"meta_fields_to_embed": [1]}, r"meta_fields_to_embed\[0\] must be a str"),
        ({"embedding_separator": None}, r"embedding_separator must be a str, but got NoneType None"),
    ],
    ids=str,
)
def test_options_of_haystacks_own_kinds_say_how_to_make_one(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidInputError, match=hint) as caught:
        CrossEncoderRanker(model="embedded", **options)
    assert "hf_secret" not in str(caught.value)


def test_what_is_assigned_is_what_is_serialised_and_used() -> None:
    subject = CrossEncoderRanker(model="embedded", top_k=3)
    subject.top_k = 1
    again = CrossEncoderRanker.from_dict(subject.to_dict())
    assert again.run("red fox", documents()) == subject.run("red fox", documents())
    subject.top_k = 0
    with pytest.raises(InvalidInputError, match="top_k must be > 0"):
        subject.run("red fox", documents())


def test_a_device_map_shares_the_work_out(tiny_model: Path) -> None:
    both = ComponentDevice.from_multiple(DeviceMap({"first": Device.cpu(), "second": Device.cpu()}))
    subject = CrossEncoderRanker(model=tiny_model, device=both)
    assert CrossEncoderRanker.from_dict(subject.to_dict()).device == both
    subject.warm_up()
    assert len(subject._ready().scorer._shared.engine.backends) == 2
    wanted = CrossEncoderRanker(model=tiny_model).run("red fox", documents())
    assert ids(subject.run("red fox", documents())) == ids(wanted)


async def test_closing_on_the_loop_waits_for_what_is_queued_elsewhere(tiny_model: Path) -> None:
    subject = CrossEncoderRanker(model=tiny_model)
    running = asyncio.ensure_future(subject.run_async("red fox", documents()))
    await asyncio.sleep(0)
    await subject.close_async()
    assert len((await running)["documents"]) == 4


def test_warm_up_is_idempotent_and_a_run_after_close_works(tiny_model: Path) -> None:
    subject = CrossEncoderRanker(model=tiny_model)
    subject.warm_up()
    subject.warm_up()
    wanted = subject.run("red fox", documents())
    subject.close()
    subject.close()
    asyncio.run(subject.close_async())
    assert subject.run("red fox", documents()) == wanted


def test_a_run_works_while_another_thread_closes_the_ranker() -> None:
    class ClosedAtOnce(CrossEncoderRanker):
        """As soon as it has made what it ranks by, somebody closes it."""

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if getattr(self, "closing", False) and value is not None:
                self.close()

    subject = ClosedAtOnce(scorer=DeterministicScorer())
    subject.close()
    subject.closing = True
    assert ids(subject.run("red fox", documents()))[0] == "d1"


def test_a_model_that_cannot_be_loaded_says_so_at_warm_up() -> None:
    with pytest.raises(RerankError, match="There is no directory"):
        CrossEncoderRanker(model="./nowhere").warm_up()


def test_a_head_with_several_columns_is_refused_without_a_label(three_column_model: Path) -> None:
    with pytest.raises(LabelRequiredError):
        CrossEncoderRanker(model=three_column_model).warm_up()


def test_telemetry_names_the_model_only() -> None:
    assert CrossEncoderRanker(model="embedded")._get_telemetry_data() == {"model": "embedded"}
