"""The scorer on real tiny cross-encoders: same scores as CrossEncoder, whatever was saved."""

import asyncio
import copy
import gc
import pickle
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    LabelRequiredError,
    Reranker,
    ScorerClosedError,
    UnsupportedOptionError,
)
from rerank_plugins.backends import half_precision
from rerank_plugins.backends.half_precision import pays, slowdown
from rerank_plugins.engine import registry
from tests.forked import run_forked
from tests.tiny_models import WORDS, save_as_the_library_does, save_tiny_cross_encoder

PAIRS = [
    ("what is a red fox", "the red fox is a small dog"),
    ("where is the sea", "a river is not the sea"),
    ("", "an empty query"),
    ("an empty passage", ""),
    ("", ""),
    ("fox " * 100, "a query longer than the model"),
    ("a passage longer than the model", "sea " * 300),
    ("both", "star " * 200),
    ("unknown words", "zyzzyva 東京 🦊"),
]


def reference(folder: Path, pairs: list[tuple[str, str]]) -> np.ndarray:
    """What sentence-transformers gives, one pair at a time, without an activation."""
    model = CrossEncoder(str(folder), device="cpu")
    return model.predict(pairs, activation_fn=torch.nn.Identity(), batch_size=1)


@pytest.mark.parametrize("activation", ["sigmoid", "identity", "none"])
def test_scores_are_logits_whatever_activation_was_saved(activation: str, tmp_path: Path) -> None:
    folder = save_tiny_cross_encoder(tmp_path, activation=activation)
    with CrossEncoderScorer(folder) as scorer:
        scores = scorer.score_pairs(PAIRS)
        ranked = Reranker(scorer).rank(*[PAIRS[0][0], [PAIRS[0][1]]])[0]
    assert scores.dtype == np.float32
    assert scores.shape == (len(PAIRS),)
    np.testing.assert_allclose(scores, reference(folder, PAIRS), atol=1e-5)
    sigmoid = torch.sigmoid(torch.tensor(scores[0], dtype=torch.float64)).item()
    assert ranked.score == pytest.approx(sigmoid, abs=1e-6)


def test_score_and_score_pairs_and_their_async_forms_agree(tiny_model: Path) -> None:
    passages = [passage for _, passage in PAIRS]
    with CrossEncoderScorer(tiny_model) as scorer:
        wanted = scorer.score_pairs([("red fox", passage) for passage in passages])
        np.testing.assert_array_equal(scorer.score("red fox", passages), wanted)

        async def both() -> tuple[np.ndarray, np.ndarray]:
            await scorer.awarm_up()
            pairs = [("red fox", passage) for passage in passages]
            return await scorer.ascore("red fox", passages), await scorer.ascore_pairs(pairs)

        for scores in asyncio.run(both()):
            np.testing.assert_array_equal(scores, wanted)


def test_no_passages_give_an_empty_array(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model) as scorer:
        scores = scorer.score("q", [])
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def test_a_score_does_not_depend_on_the_batch_it_fell_in(tiny_model: Path) -> None:
    generator = np.random.default_rng(5)
    pairs = [
        (" ".join(generator.choice(WORDS, 5)), " ".join(generator.choice(WORDS, size)))
        for size in generator.integers(1, 50, 60)
    ]
    wanted = reference(tiny_model, pairs)
    for max_batch_tokens in (1, 64, 500, None):
        with CrossEncoderScorer(tiny_model, max_batch_tokens=max_batch_tokens) as scorer:
            order = generator.permutation(len(pairs))
            scores = scorer.score_pairs([pairs[index] for index in order])
        np.testing.assert_allclose(scores, wanted[order], atol=1e-5)


def test_a_pair_is_reported_cut_exactly_when_it_is_longer_than_max_length(
    tiny_model: Path,
) -> None:
    # three special tokens and a query of two words leave five of ten for the passage
    with CrossEncoderScorer(tiny_model, max_length=10) as scorer:
        ranking = Reranker(scorer).rank("red fox", ["sea " * words for words in (1, 5, 6, 60)])
    cut = {ranked.index: ranked.truncated for ranked in ranking}
    assert cut == {0: False, 1: False, 2: True, 3: True}


def test_max_length_cuts_as_cross_encoder_does(tiny_model: Path) -> None:
    model = CrossEncoder(str(tiny_model), device="cpu", max_length=12)
    wanted = model.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)
    with CrossEncoderScorer(tiny_model, max_length=12) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)


def test_prompt_prefixes_and_suffixes_are_put_around_the_texts(tiny_model: Path) -> None:
    with (
        CrossEncoderScorer(tiny_model) as plain,
        CrossEncoderScorer(
            tiny_model,
            prompt="how ",
            query_prefix="big ",
            query_suffix=" fast",
            passage_prefix="old ",
            passage_suffix=" blue",
        ) as scorer,
        CrossEncoderScorer(tiny_model, passage_suffix=" blue") as suffixed,
    ):
        wanted = plain.score("how big red fox fast", ["old dog blue", "old sea blue"])
        np.testing.assert_array_equal(scorer.score("red fox", ["dog", "sea"]), wanted)
        wanted = plain.score("red fox", ["dog blue"])
        np.testing.assert_array_equal(suffixed.score("red fox", ["dog"]), wanted)


def test_a_prompt_saved_with_the_model_is_used_unless_another_is_given(tmp_path: Path) -> None:
    folder = save_tiny_cross_encoder(tmp_path)
    model = CrossEncoder(str(folder), device="cpu", prompts={"q": "how "}, default_prompt_name="q")
    save_as_the_library_does(model, folder)
    with CrossEncoderScorer(folder) as scorer, CrossEncoderScorer(folder, prompt="") as plain:
        np.testing.assert_array_equal(scorer.score("red", ["a"]), plain.score("how red", ["a"]))
        assert scorer.score("red", ["a"]) != plain.score("red", ["a"])


@pytest.mark.parametrize("label", [2, "exact"])
def test_a_chosen_column_scores_by_its_softmax(three_column_model: Path, label: object) -> None:
    model = CrossEncoder(str(three_column_model), device="cpu")
    softmax = model.predict(PAIRS[:2], apply_softmax=True)[:, 2]
    with CrossEncoderScorer(three_column_model, label=label) as scorer:
        scores = [Reranker(scorer).rank(query, [text])[0].score for query, text in PAIRS[:2]]
    np.testing.assert_allclose(scores, softmax, atol=1e-6)


@pytest.mark.parametrize("label", [None, 3, "best"])
def test_several_columns_without_a_right_label_are_an_error_that_lists_them(
    three_column_model: Path, label: object
) -> None:
    with (
        CrossEncoderScorer(three_column_model, label=label) as scorer,
        pytest.raises(LabelRequiredError, match=r"'related'.*Pass label with"),
    ):
        scorer.warm_up()


def test_a_label_for_a_single_column_is_checked_too(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model, label=0) as scorer:
        assert scorer.score("q", ["a"]).shape == (1,)
    with CrossEncoderScorer(tiny_model, label=1) as scorer, pytest.raises(LabelRequiredError):
        scorer.score("q", ["a"])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_is_near_fp32_and_still_float32_outside(
    tiny_model: Path, precision: str
) -> None:
    with CrossEncoderScorer(tiny_model, precision=precision) as scorer:
        scores = scorer.score_pairs(PAIRS)
    assert scores.dtype == np.float32
    assert np.abs(scores - reference(tiny_model, PAIRS)).max() < 0.1


@pytest.mark.parametrize(
    ("precision", "has_it", "told"),
    [("bf16", False, 1), ("fp16", False, 1), ("bf16", True, 0), ("fp32", False, 0)],
)
def test_the_log_tells_where_torch_emulates_a_half_precision(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    precision: str,
    has_it: bool,
    told: int,
) -> None:
    monkeypatch.setattr("rerank_plugins.backends.torch.pays", lambda dtype: has_it)
    monkeypatch.setattr("rerank_plugins.backends.torch.slowdown", lambda dtype: 12.3)
    options = {"backend": "torch", "device": "cpu", "precision": precision}
    with CrossEncoderScorer(tiny_model, **options, max_batch_tokens=77) as scorer:
        scorer.warm_up()
    messages = [record.getMessage() for record in caplog.records if "emulates" in record.message]
    assert len(messages) == told
    assert all(f"runs in {precision}" in m and "12 times" in m for m in messages)
    assert all("precision='auto'" in m for m in messages)


def test_a_slowdown_compares_the_fastest_product_of_each_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    took = iter([9.0, 3.0, 6.0, 2.0, 8.0, 5.0, 7.0, 4.0])  # half, full, half, full, ...
    now, running = 0.0, False

    def clock() -> float:
        nonlocal now, running
        now, running = now + next(took) if running else now, not running
        return now

    monkeypatch.setattr(half_precision, "time", SimpleNamespace(perf_counter=clock))
    assert slowdown.__wrapped__("bfloat16") == 3.0


def test_half_precision_pays_where_it_is_not_far_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    for measured, worth_it in ((0.5, True), (1.1, True), (6.0, False)):
        monkeypatch.setattr(half_precision, "slowdown", lambda dtype, m=measured: m)
        assert pays("bfloat16") == worth_it


def test_text_with_broken_unicode_is_scored(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model) as scorer:
        scores = scorer.score("fox \ud800", ["the \udfff fox", "the fox"])
    assert np.isfinite(scores).all()


def test_a_model_is_loaded_once_under_concurrent_first_use(tiny_model: Path) -> None:
    scorers = [CrossEncoderScorer(tiny_model, max_batch_tokens=333) for _ in range(8)]
    start = threading.Barrier(8)

    def first_use(scorer: CrossEncoderScorer) -> tuple[float, int]:
        start.wait()
        score = float(scorer.score(*["red fox", ["the fox"]])[0])
        return score, id(scorer._shared.engine.backends[0])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(first_use, scorers))
    assert len({backend for _, backend in results}) == 1
    scores = [score for score, _ in results]  # of batches of several sizes: equal but for rounding
    np.testing.assert_allclose(scores, scores[0], atol=1e-5)
    for scorer in scorers:
        scorer.close()


def test_scorers_with_other_settings_do_not_share_a_model(tiny_model: Path) -> None:
    with (
        CrossEncoderScorer(tiny_model) as one,
        CrossEncoderScorer(tiny_model, max_length=9) as same_model,
        CrossEncoderScorer(tiny_model, precision="bf16") as other,
    ):
        assert one._shared is same_model._shared
        assert one._shared is not other._shared


def test_a_folder_that_holds_another_model_now_is_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, spread in (("one", 1.0), ("two", 2.0)):
        save_tiny_cross_encoder(tmp_path / name / "model", spread=spread)
    (tmp_path / "current").symlink_to("one")

    def score(scorer: CrossEncoderScorer) -> float:
        return float(scorer.score("red fox", ["the fox"])[0])

    one, two = (score(CrossEncoderScorer(tmp_path / name / "model")) for name in ("one", "two"))
    assert one != two
    monkeypatch.chdir(tmp_path / "one")
    relative, link = CrossEncoderScorer("model"), CrossEncoderScorer(tmp_path / "current" / "model")
    late = CrossEncoderScorer("model", max_length=20)
    assert score(relative) == score(link) == one
    monkeypatch.chdir(tmp_path / "two")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("two")
    assert score(CrossEncoderScorer("model")) == two
    assert score(CrossEncoderScorer(tmp_path / "current" / "model")) == two
    assert score(late) == score(relative) == score(link) == one
    save_tiny_cross_encoder(tmp_path / "one" / "model", spread=2.0)
    assert score(CrossEncoderScorer(tmp_path / "one" / "model")) == two


def test_what_is_loaded_counts_for_sharing_wherever_it_lies_and_nothing_else(
    tmp_path: Path,
) -> None:
    save_tiny_cross_encoder(tmp_path)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "model.safetensors").write_bytes(b"one")
    first = CrossEncoderScorer(tmp_path)
    (tmp_path / "train.log").write_text("epoch 1")
    second = CrossEncoderScorer(tmp_path)
    (tmp_path / "part" / "model.safetensors").write_bytes(b"another")
    third = CrossEncoderScorer(tmp_path)
    assert first._shared is second._shared
    assert first._shared is not third._shared


def test_a_cache_folder_in_no_home_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidInputError, match=r"cache_folder='~nobody-here/x'.*an absolute path"):
        CrossEncoderScorer("some/model", cache_folder="~nobody-here/x")


def test_a_token_does_not_keep_scorers_of_a_model_on_disk_apart(tiny_model: Path) -> None:
    for model in (tiny_model, "embedded"):
        with (
            CrossEncoderScorer(model) as one,
            CrossEncoderScorer(model, token="hf_secret") as other,
            CrossEncoderScorer(model, token=lambda: None) as third,
        ):
            assert one._shared is other._shared is third._shared
    with (
        CrossEncoderScorer("cross-encoder/some-model") as one,
        CrossEncoderScorer("cross-encoder/some-model", token="hf_secret") as other,
    ):
        assert one._shared is not other._shared


def test_the_last_close_releases_model_and_thread(tiny_model: Path) -> None:
    first, second = CrossEncoderScorer(tiny_model), CrossEncoderScorer(tiny_model)
    first.warm_up()
    engine = first._shared.engine
    backend = weakref.ref(engine.backends[0].forward)
    threads = list(engine._threads.values())
    assert any(thread.is_alive() for thread in threads)
    first.close()
    assert second.score("q", ["a"]).shape == (1,)
    second.close()
    gc.collect()
    assert backend() is None
    assert not any(thread.is_alive() for thread in threads)
    assert first._shared.key not in registry._models


def test_a_scorer_that_is_forgotten_releases_its_model(tiny_model: Path) -> None:
    scorer = CrossEncoderScorer(tiny_model, device="cpu")
    scorer.warm_up()
    key = scorer._shared.key
    backend = weakref.ref(scorer._shared.engine.backends[0].forward)
    assert key in registry._models
    del scorer
    gc.collect()
    for _ in range(600):  # the janitor's thread does it, soon
        if key not in registry._models and backend() is None:
            break
        time.sleep(0.05)
    assert key not in registry._models
    assert backend() is None


def test_collecting_a_scorer_inside_the_registrys_lock_does_not_wait_for_it(
    tiny_model: Path,
) -> None:
    # the garbage collector can run between any two instructions: also while this very thread
    # holds the registry's lock
    def forget_in_a_cycle() -> None:
        cycle = [CrossEncoderScorer(tiny_model, device="cpu")]
        cycle.append(cycle)

    forget_in_a_cycle()
    with registry._lock:
        gc.collect()


def test_a_closed_scorer_says_so_and_can_be_closed_again(tiny_model: Path) -> None:
    scorer = CrossEncoderScorer(tiny_model)
    scorer.close()
    scorer.close()
    for use in (lambda: scorer.score("q", ["a"]), scorer.warm_up):
        with pytest.raises(ScorerClosedError, match="Create a new CrossEncoderScorer"):
            use()


def test_a_scorer_survives_pickle_and_deepcopy_without_leaking_its_token(
    tiny_model: Path,
) -> None:
    scorer = CrossEncoderScorer(tiny_model, token="hf_secret", max_length=20, label=0)
    assert b"hf_secret" not in pickle.dumps(scorer)
    assert "hf_secret" not in repr(scorer) + repr(scorer._settings)
    loaded = pickle.loads(pickle.dumps(scorer))
    assert loaded._options == {**scorer._options, "token": None}
    for copied in (copy.copy(scorer), copy.deepcopy(scorer)):
        assert copied._options == scorer._options
        copied.close()
    assert scorer.score("red fox", ["the fox"]).shape == (1,)


class Inherited(CrossEncoderScorer):
    """A class of a user's own."""


def test_a_scorer_of_a_users_class_keeps_it_when_it_is_pickled(tiny_model: Path) -> None:
    scorer = Inherited(tiny_model, max_length=20)
    assert type(pickle.loads(pickle.dumps(scorer))) is Inherited
    assert type(copy.deepcopy(scorer)) is Inherited


class Abbreviations(CrossEncoderScorer):
    """Spells out what a query abbreviates."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, max_length=20, token="hf_secret")
        self.words: dict[str, str] = {}
        self.lock = threading.Lock()

    def submit(self, pairs: Any, **given: Any) -> Any:
        spelled = [(self.words.get(query, query), passage) for query, passage in pairs]
        return super().submit(spelled, **given)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["lock"]
        return state

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("copied", "shares", "token"),
    [
        (copy.copy, True, "hf_secret"),
        (copy.deepcopy, False, "hf_secret"),
        (lambda scorer: pickle.loads(pickle.dumps(scorer)), False, None),
    ],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_of_a_users_class_keeps_its_attributes_and_calls_no_constructor(
    tiny_model: Path, copied: Any, shares: bool, token: str | None
) -> None:
    with Abbreviations(tiny_model) as scorer:
        scorer.words["canine"] = "red fox"
        scorer.name = "our scorer"
        scorer.itself = scorer
        wanted = scorer.score("canine", ["the fox"])
        assert wanted == CrossEncoderScorer(tiny_model, max_length=20).score("red fox", ["the fox"])
        with copied(scorer) as other:
            assert other.score("canine", ["the fox"]) == wanted
            assert (other.words is scorer.words) is shares
            assert other.itself is (scorer if shares else other)
            assert other.lock is not scorer.lock
            assert other.name == "our scorer"
            assert other._options == {**scorer._options, "token": token}
            assert other.statistics.pairs == 1
        assert scorer.score("canine", ["the fox"]) == wanted
        assert scorer.statistics.pairs == 2


def test_pickles_and_copies_hold_nothing_that_is_open(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model) as scorer:
        scorer.score("red fox", ["the fox"])
        assert scorer.__getstate__().keys() == {"_options", "name"}


def test_a_plan_asked_for_while_another_thread_closes_says_so(tiny_model: Path) -> None:
    class ClosedMeanwhile(CrossEncoderScorer):
        def warm_up(self) -> None:
            super().warm_up()
            self.close()

    scorer = ClosedMeanwhile(tiny_model)
    with pytest.raises(ScorerClosedError, match="Create a new CrossEncoderScorer"):
        _ = scorer.plan()


def test_many_threads_get_the_scores_that_one_gets(tiny_model: Path) -> None:
    # Batches of one pair: scores do not depend on who else calls, to the last digit.
    with (
        CrossEncoderScorer(tiny_model, max_batch_tokens=1) as scorer,
        ThreadPoolExecutor(8) as pool,
    ):
        wanted = scorer.score_pairs(PAIRS)
        for scores in pool.map(lambda _: scorer.score_pairs(PAIRS), range(40)):
            np.testing.assert_array_equal(scores, wanted)


def test_threads_that_cut_at_other_lengths_do_not_disturb_each_other(tiny_model: Path) -> None:
    # truncation is state of a fast tokenizer; sharing one between settings is what fails elsewhere
    scorers = [
        CrossEncoderScorer(tiny_model, max_length=length, max_batch_tokens=1)
        for length in (10, 20, None)
    ]
    wanted = [scorer.score_pairs(PAIRS) for scorer in scorers]
    with ThreadPoolExecutor(9) as pool:
        found = list(pool.map(lambda turn: scorers[turn % 3].score_pairs(PAIRS), range(60)))
    for turn, scores in enumerate(found):
        np.testing.assert_array_equal(scores, wanted[turn % 3])
    for scorer in scorers:
        scorer.close()


@pytest.mark.parametrize("loaded", [True, False])
def test_after_a_fork_a_model_works_or_says_why_not(tiny_model: Path, *, loaded: bool) -> None:
    code = (
        "import multiprocessing\n"
        "from rerank_plugins import CrossEncoderScorer\n"
        "def score():\n"
        "    try:\n"
        "        answer.put(float(scorer.score('red fox', ['the fox'])[0]))\n"
        "    except Exception as error:\n"
        "        answer.put(type(error).__name__)\n"
        "context = multiprocessing.get_context('fork')\n"
        f"scorer = CrossEncoderScorer({str(tiny_model)!r})\n"
        f"{'scorer.warm_up()' if loaded else ''}\n"
        "answer = context.Queue()\n"
        "child = context.Process(target=score)\n"
        "child.start()\n"
        "print(answer.get(timeout=300))\n"
        "child.join()\n"
    )
    done = run_forked(code)
    assert done.returncode == 0, done.stderr
    answer = done.stdout.split()[-1]
    if loaded:
        assert answer == "ForkedProcessError"
    else:
        assert np.isfinite(float(answer))


QUIET_SESSION = """
import logging, os, sys, warnings
import sentence_transformers, torch

def state():
    root = logging.getLogger()
    return dict(os.environ), root.level, root.handlers[:], warnings.filters[:], torch.initial_seed()

before = state()
from rerank_plugins import CrossEncoderScorer
for model in sys.argv[1:]:
    CrossEncoderScorer(model).score("q", ["a", "b"])
assert state() == before
assert not logging.getLogger("rerank_plugins").handlers
"""


def test_loading_and_scoring_print_nothing_and_leave_logging_and_environment_alone(
    tiny_model: Path,
) -> None:
    done = run_forked(QUIET_SESSION, tiny_model, "embedded")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_progress_bar_is_shown_if_asked_for(
    tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with CrossEncoderScorer(tiny_model, progress_bar=True) as scorer:
        scorer.score("q", ["a", "b"])
    assert "2/2" in capfd.readouterr().err


class Unhashable:
    """Gives a token, and cannot be a part of a key."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self) -> str:
        return "hf_secret"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": ""}, "model must be a hub id"),
        ({"model": None}, "model must be a hub id"),
        ({"model": "~no-user/model"}, "'~no-user/model' cannot be looked up: .*home directory"),
        ({"model": "x" * 5000}, r"xxx\.\.\. cannot be looked up: File name too long"),
        ({"revision": 3}, "revision must be a string"),
        ({"device": 0}, "device must be a string"),
        ({"device": []}, "device must be a string or a list of strings"),
        ({"device": ["cpu", 1]}, "device must be a string or a list of strings"),
        ({"backend": "tensorflow"}, "backend must be one of 'auto', 'torch', 'onnx'"),
        ({"precision": "int4"}, "precision must be one of 'auto', 'fp32', 'bf16', 'fp16', 'int8'"),
        ({"threads": 0}, "threads must be > 0"),
        ({"threads": 1.5}, "threads must be > 0"),
        ({"max_length": 0}, "max_length must be > 0"),
        ({"max_length": 5}, "max_length must be at least 8"),
        ({"max_batch_tokens": -1}, "max_batch_tokens must be > 0"),
        ({"prompt": 3}, "prompt must be a string"),
        ({"query_prefix": None}, "query_prefix must be a string"),
        ({"passage_prefix": 1}, "passage_prefix must be a string"),
        ({"query_suffix": None}, "query_suffix must be a string"),
        ({"label": -1}, "label must be the index"),
        ({"label": True}, "label must be the index"),
        ({"label": 1.0}, "label must be the index"),
        ({"token": 7}, "token must be a string"),
        ({"token": Unhashable()}, "hashable function .* got Unhashable"),
        ({"cache_folder": 5}, "cache_folder must be a folder's path"),
        ({"local_files_only": "no"}, "local_files_only must be True or False"),
        ({"trust_remote_code": "false"}, "trust_remote_code must be True or False"),
        ({"progress_bar": 1}, "progress_bar must be True or False"),
        ({"timeout": 0}, "timeout must be a number of seconds > 0"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds > 0"),
        ({"timeout": True}, "timeout must be a number of seconds > 0"),
        ({"max_queue_pairs": 0}, "max_queue_pairs must be > 0.*pass None"),
        ({"when_full": "never"}, "when_full must be one of 'auto', 'wait', 'fail'"),
    ],
)
def test_bad_options_are_refused_by_the_constructor(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CrossEncoderScorer(**options)


@pytest.mark.parametrize("pairs", ["ab", None, 3])
def test_pairs_that_are_not_a_list_are_refused(tiny_model: Path, pairs: object) -> None:
    scorer = CrossEncoderScorer(tiny_model)
    with pytest.raises(InvalidInputError, match="pairs must be a list"):
        scorer.score_pairs(pairs)


@pytest.mark.parametrize("pair", ["ab", ("a",), ("a", None), ("a", "b", "c"), None])
def test_a_pair_that_is_not_two_strings_is_named_by_position(
    tiny_model: Path, pair: object
) -> None:
    scorer = CrossEncoderScorer(tiny_model)
    with pytest.raises(InvalidInputError, match=r"pairs\[1\] must be a \(query, passage\)"):
        scorer.score_pairs([("a", "b"), pair])


def test_a_max_length_beyond_the_model_is_an_error_that_names_its_limit(
    tiny_model: Path,
) -> None:
    with (
        CrossEncoderScorer(tiny_model, max_length=65) as scorer,
        pytest.raises(UnsupportedOptionError, match="at most 64"),
    ):
        scorer.warm_up()


def test_a_device_that_is_not_there_is_an_error_that_says_what_to_do(tiny_model: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with (
        CrossEncoderScorer(tiny_model, device="cuda:7") as scorer,
        pytest.raises(UnsupportedOptionError, match="Pass device='cpu'"),
    ):
        scorer.warm_up()
