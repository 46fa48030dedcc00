"""Scores on the calibrated scale: the file, whose scores it belongs to, and the curve."""

import asyncio
import json
import math
import shlex
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from rerank_plugins import (
    CrossEncoderScorer,
    Identity,
    InvalidInputError,
    Reranker,
    Scorer,
    UnsupportedOptionError,
    compile_model,
)
from rerank_plugins.backends import choice
from rerank_plugins.calibration.curves import Curve, Isotonic, Platt
from rerank_plugins.calibration.file import Calibration, read_calibrations, write_calibration
from rerank_plugins.cli import main
from rerank_plugins.models.files import CALIBRATION_FILE
from rerank_plugins.models.identity import model_digest
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.testing import DeterministicScorer
from tests.tiny_models import save_tiny_cross_encoder
from tests.wrappers import WRAPPERS

QUERY = "red fox"
PASSAGES = ["a dog", "the red fox", "the sea", "a red dog", "fire"]
PLATT = Platt(0.5, -2.0)
BENDS = Isotonic((-4.0, 0.0, 4.0), (0.01, 0.2, 0.7))


class Own(DeterministicScorer):
    identity = Identity("own, version 1")  # type: ignore[assignment]


class WithFile(Own):
    calibration_file = None

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.calibration_file = file  # type: ignore[assignment]


class Noting(Own):
    """Notes the threads that ask for its identity, which takes seconds for a large model."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[threading.Thread] = set()

    @property
    def identity(self) -> Identity:  # type: ignore[override]
        self.threads.add(threading.current_thread())
        return Own.identity  # type: ignore[return-value]

    def was_asked_beside_the_loop(self) -> bool:
        return bool(self.threads) and threading.current_thread() not in self.threads


def written(file: Path, scorer: Scorer, curve: Curve = PLATT, weight: float = 0.0) -> Path:
    assert scorer.identity is not None
    write_calibration(file, Calibration(scorer.name, scorer.identity, weight, curve))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "own.json", Own())


def calibrated(file: Path | str, scorer: Scorer | None = None, **options: Any) -> Reranker:
    return Reranker(scorer or Own(), calibration=file, scale="calibrated", **options)


def test_a_score_is_what_the_curve_says_and_the_models_own_stands_beside_it(file: Path) -> None:
    plain = Reranker(Own(), scale="logit").rank(QUERY, PASSAGES)
    ranking = calibrated(file).rank(QUERY, PASSAGES)
    assert [each.index for each in ranking] == [each.index for each in plain]
    for each, before in zip(ranking, plain, strict=True):
        assert each.scale == "calibrated"
        assert each.score == pytest.approx(1 / (1 + math.exp(2.0 - 0.5 * before.score)))
        assert each.model_score == pytest.approx(1 / (1 + math.exp(-before.score)))


def test_writes_to_one_file_at_the_same_time_lose_none_of_them(tmp_path: Path) -> None:
    file, names = tmp_path / "own.json", [f"model {number}" for number in range(8)]
    together = Barrier(len(names))

    def write(name: str) -> None:
        together.wait()
        fitted_on = {"queries": ["why"] * 500}
        write_calibration(file, Calibration(name, Identity(name), 0.0, PLATT, fitted_on))

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(write, names))
    assert sorted(each.name for each in read_calibrations(file)) == names
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_to_a_file_stays_one_and_its_target_is_written(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file.name)
    written(link, Own(), weight=1.0)
    assert link.is_symlink()
    assert [each.first_stage_weight for each in read_calibrations(file)] == [0.0, 1.0]


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "own.json.partial").mkdir()
    with pytest.raises(InvalidInputError, match=r"cannot write .*own\.json: Is a directory"):
        written(tmp_path / "own.json", Own())


def test_a_curve_that_bends_is_read_between_its_points_and_level_outside() -> None:
    scores = np.array([-9.0, -4.0, -2.0, 2.0, 4.0, 9.0])
    assert BENDS(scores) == pytest.approx([0.01, 0.01, 0.105, 0.45, 0.7, 0.7])


def test_passages_with_one_probability_keep_the_order_of_their_logits(tmp_path: Path) -> None:
    level = Isotonic((-9.0, 9.0), (0.3, 0.3))
    file = written(tmp_path / "level.json", Own(), level)
    ranking = calibrated(file).rank(QUERY, PASSAGES)
    assert [each.score for each in ranking] == pytest.approx([0.3] * 5)
    assert [e.index for e in ranking] == [e.index for e in Reranker(Own()).rank(QUERY, PASSAGES)]


def test_a_threshold_acts_on_the_calibrated_score_also_where_a_call_asks_for_logits(
    file: Path,
) -> None:
    everything = calibrated(file).rank(QUERY, PASSAGES)
    reranker = calibrated(file, score_threshold=everything[1].score)
    kept = [each.index for each in everything[:2]]
    assert [each.index for each in reranker.rank(QUERY, PASSAGES)] == kept
    for scale in ("logit", "probability"):
        ranking = reranker.rank(QUERY, PASSAGES, scale=scale)
        assert [each.index for each in ranking] == kept
        assert {each.scale for each in ranking} == {scale}
    assert reranker.rank(QUERY, PASSAGES, score_threshold=0.99) == []


async def test_the_other_ways_to_ask_say_the_same(file: Path) -> None:
    reranker = calibrated(file)
    ranking = reranker.rank(QUERY, PASSAGES)
    assert await reranker.arank(QUERY, PASSAGES) == ranking
    assert reranker.rank_many([QUERY], [PASSAGES]) == [ranking]
    pairs = [(QUERY, PASSAGES[each.index]) for each in ranking]
    assert reranker.score_pairs(pairs) == [each.score for each in ranking]
    assert await reranker.ascore_pairs(pairs) == [each.score for each in ranking]
    assert reranker.rank(QUERY, []) == reranker.score_pairs([]) == []


def test_one_file_has_a_curve_for_each_weight_of_the_first_stage(tmp_path: Path) -> None:
    file = written(tmp_path / "both.json", Own())
    written(file, Own(), BENDS, weight=1.5)
    fused = Reranker(Own(), scale="logit", first_stage_weight=1.5).rank(QUERY, PASSAGES)
    ranking = calibrated(file, first_stage_weight=1.5).rank(QUERY, PASSAGES)
    assert [each.index for each in ranking] == [each.index for each in fused]
    assert {each.scale for each in ranking} == {"calibrated"}
    assert [each.score for each in ranking] == pytest.approx(
        BENDS(np.array([each.score for each in fused])).tolist()
    )
    assert calibrated(file).rank(QUERY, PASSAGES)[0].score == pytest.approx(
        PLATT(np.array([Reranker(Own(), scale="logit").rank(QUERY, PASSAGES)[0].score]))[0]
    )


def test_a_calibration_replaces_the_one_of_the_same_scores(file: Path) -> None:
    written(file, Own(), BENDS)
    (only,) = read_calibrations(file)
    assert only.curve == BENDS
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def refusal(call: Callable[[], object], error: type[Exception] = InvalidInputError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_a_calibration_of_another_model_is_refused(file: Path) -> None:
    other = Own()
    other.identity = Identity("own, version 2")  # type: ignore[misc, assignment]
    message = refusal(lambda: calibrated(file, other).rank(QUERY, PASSAGES))
    assert (
        "own.json' has no calibration of these scores: it was fitted to 'deterministic', or an"
        in (message)
    )
    assert "calibrate COLLECTION --model deterministic --output FILE" in message


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        (
            Identity("own, version 1", "bf16"),
            "fitted to , and the model runs in bf16. Set precision",
        ),
        (
            Identity("own, version 1", "", ("max_length=99", "the first page")),
            "has max_length=99, the first page. Leave max_length, the first page out. Or make",
        ),
    ],
)
def test_a_calibration_of_the_model_in_another_way_is_refused(
    identity: Identity, says: str, file: Path
) -> None:
    other = Own()
    other.identity = identity  # type: ignore[misc, assignment]
    assert says in refusal(lambda: calibrated(file, other).rank(QUERY, PASSAGES))


def test_a_calibration_with_another_weight_is_refused(file: Path) -> None:
    fused = calibrated(file, first_stage_weight=1.5)
    says = (
        "with first_stage_weight 0 (0 is none), and these scores have 1.5. Leave first_stage_weight"
    )
    message = refusal(lambda: fused.rank(QUERY, PASSAGES))
    assert says in message
    assert "--model deterministic --first-stage-weight 1.5 --output FILE" in message
    assert says in refusal(fused.warm_up)
    written(file, Own(), BENDS, weight=2.0)
    again = calibrated(file, first_stage_weight=1.5)
    message = refusal(lambda: again.rank(QUERY, PASSAGES))
    assert (
        "weight 0, 2 (0 is none), and these scores have 1.5. Set first_stage_weight=2.0" in message
    )


def test_single_pairs_are_not_told_to_set_a_weight(tmp_path: Path) -> None:
    file = written(tmp_path / "fused.json", Own(), weight=1.5)
    reranker = calibrated(file, first_stage_weight=1.5)
    assert reranker.rank(QUERY, PASSAGES)
    says = "For a ranking set first_stage_weight=1.5; single pairs have none."
    assert says in refusal(lambda: reranker.score_pairs([(QUERY, PASSAGES[0])]))


def test_a_calibration_in_a_home_that_is_not_there_is_refused() -> None:
    message = refusal(lambda: calibrated("~nobody-of-that-name/c.json"))
    assert "calibration='~nobody-of-that-name/c.json' cannot be looked up" in message
    assert "Give an absolute path" in message


def test_scores_of_the_first_stage_are_not_what_the_curve_knows(tmp_path: Path) -> None:
    file = written(tmp_path / "fused.json", Own(), weight=1.5)
    reranker = calibrated(file, first_stage_weight=1.5)
    given = {"first_stage_scores": [5.0, 4.0, 3.0, 2.0, 1.0]}
    message = refusal(lambda: reranker.rank(QUERY, PASSAGES, **given))
    assert "Leave first_stage_scores (first_stage_score_field of a wrapper) out" in message
    assert reranker.rank(QUERY, PASSAGES, scale="probability", **given)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": "calibrated"}, "needs a calibration. Give calibration='auto'"),
        (
            {"calibration": "auto"},
            "is used with scale='calibrated', and the scale is 'probability'",
        ),
        (
            {"calibration": 3},
            "must be a file of `rerank calibrate` or 'auto', but got int 3. To use",
        ),
        ({"calibration": "absent.json", "scale": "calibrated"}, "'absent.json': No such file"),
        ({"scale": "calibrated", "score_threshold": 2}, "between 0 and 1 on the calibrated scale"),
    ],
)
def test_options_that_do_not_go_together_are_refused_at_once(
    options: dict[str, Any], says: str
) -> None:
    assert says in refusal(lambda: Reranker(Own(), **options))


def test_a_call_cannot_ask_for_a_scale_that_nothing_fits() -> None:
    message = refusal(lambda: Reranker(Own()).rank(QUERY, PASSAGES, scale="calibrated"))
    assert "scale='calibrated' needs a calibration" in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices must be integers"),
        ("{}", "it has no 'format'"),
        ("[" * 9000, "it is nested too deeply"),
        (
            '{"format": "x"}',
            "its format is 'x', and this version reads 'rerank-plugins calibration 1'",
        ),
        ({"curve": {"kind": "spline"}}, "a curve of kind 'spline'"),
        ({"curve": {"kind": "platt", "slope": -1, "intercept": 0}}, "a slope of -1.0 with"),
        ({"curve": {"kind": "platt", "slope": 1}}, "it has no 'intercept'"),
        (
            {"curve": {"kind": "isotonic", "scores": [1, 0], "probabilities": [0.1, 0.2]}},
            "its points do not rise from 0 to 1",
        ),
    ],
)
def test_a_damaged_file_is_an_error_that_says_what_to_give(
    content: str | dict[str, Any], says: str, file: Path
) -> None:
    if isinstance(content, dict):
        whole = json.loads(file.read_text())
        whole["calibrations"][0] |= content
        content = json.dumps(whole)
    file.write_text(content)
    message = refusal(lambda: calibrated(file))
    assert says in message
    assert "calibrate` wrote, or 'auto' for the rerank_calibration.json in" in message


def test_a_scorer_of_ones_own_that_has_no_calibration_or_identity_says_so(file: Path) -> None:
    message = refusal(lambda: calibrated("auto").rank(QUERY, PASSAGES), UnsupportedOptionError)
    assert (
        "'deterministic' has no calibration, so calibration='auto' has nothing to take" in message
    )
    assert "for a scorer of your own with calibrate() and write_calibration()" in message
    nameless = calibrated(file, DeterministicScorer())
    message = refusal(lambda: nameless.rank(QUERY, PASSAGES), UnsupportedOptionError)
    assert "names no identity, so no calibration can be said to belong to it" in message
    assert calibrated("auto", WithFile(file)).rank(QUERY, PASSAGES)[0].scale == "calibrated"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder with a calibration of its fp32 scores in it."""
    folder = tmp_path / "model"
    save_tiny_cross_encoder(folder)
    with CrossEncoderScorer(folder) as scorer:
        written(folder / CALIBRATION_FILE, scorer)
    return folder


def test_a_models_folder_holds_its_calibration_and_stays_the_same_model(model: Path) -> None:
    digest = model_digest(model)
    with Reranker.from_options(model=model, calibration="auto", scale="calibrated") as reranker:
        reranker.warm_up()
        assert {each.scale for each in reranker.rank(QUERY, PASSAGES)} == {"calibrated"}
    (model / CALIBRATION_FILE).unlink()
    assert model_digest(model) == digest
    with Reranker.from_options(model=model, calibration="auto", scale="calibrated") as reranker:
        message = refusal(reranker.warm_up, UnsupportedOptionError)
    assert "has no calibration, so calibration='auto' has nothing to take. Make one:" in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"precision": "bf16"},
            "it was fitted to fp32, and the model runs in bf16. Set precision='fp32'",
        ),
        (
            {"max_length": 16},
            "it was fitted with other options of what the model reads, and this scorer has "
            "max_length=16. Leave max_length out. Or make one:",
        ),
        (
            {"prompt": "find:", "label": 0},
            "has label=0, prompt='find:'. Leave label, prompt out. Or make one:",
        ),
        (
            {"long_passages": "windows", "window_tokens": 20},
            "has long_passages='windows', max_windows=24, window_tokens=20. "
            "Set long_passages='truncate'. Or make one:",
        ),
    ],
)
def test_a_models_calibration_is_for_the_options_it_was_fitted_with(
    options: dict[str, Any], says: str, model: Path
) -> None:
    with Reranker.from_options(
        model=model, backend="torch", calibration="auto", scale="calibrated", **options
    ) as reranker:
        assert says in refusal(lambda: reranker.rank(QUERY, PASSAGES))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"window_tokens": 100, "max_length": 200},
            "has max_length=200, window_tokens=100. Set window_overlap=48, window_tokens=192. "
            "Leave max_length out.",
        ),
        (
            {"long_passages": "truncate", "prompt": "find:"},
            "has prompt='find:'. Leave prompt out.",
        ),
        ({"max_windows": 3}, "has max_windows=3. Set max_windows=24."),
    ],
)
def test_the_refusal_names_the_options_of_the_calibration_that_differs_least(
    options: dict[str, Any], says: str
) -> None:
    with Reranker.from_options(
        model="embedded", calibration="auto", scale="calibrated", **options
    ) as reranker:
        assert says in refusal(reranker.warm_up)


def test_the_command_that_makes_another_calibration_has_the_options_of_the_scores(
    model: Path,
) -> None:
    options = {"precision": "bf16", "max_length": 16, "prompt": "find: "}
    with Reranker.from_options(
        model=model, backend="torch", calibration="auto", scale="calibrated", **options
    ) as reranker:
        message = refusal(lambda: reranker.rank(QUERY, PASSAGES))
    typed = shlex.split(message.partition("Or make one: ")[2])
    given = dict(zip(typed[3::2], typed[4::2], strict=True))
    assert given == {
        "--model": str(model),
        "--precision": "bf16",
        "--long-passages": "truncate",
        "--max-length": "16",
        "--prompt": "find: ",
        "--output": "FILE",
    }


def test_a_calibration_of_windows_says_how_to_get_them(model: Path) -> None:
    (model / CALIBRATION_FILE).unlink()
    with CrossEncoderScorer(model, long_passages="windows", window_tokens=20) as scorer:
        written(model / CALIBRATION_FILE, scorer)
    with Reranker.from_options(model=model, calibration="auto", scale="calibrated") as reranker:
        assert (
            "this scorer has long_passages='truncate'. Set long_passages='windows', "
            "max_windows=24, window_tokens=20. Or make one:"
        ) in refusal(reranker.warm_up)


def test_the_calibration_of_a_model_is_refused_by_another(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "moved.json"
    shutil.copyfile(model / CALIBRATION_FILE, file)
    with Reranker.from_options(model="embedded", calibration=file, scale="calibrated") as reranker:
        message = refusal(lambda: reranker.rank(QUERY, PASSAGES))
    assert f"it was fitted to {str(model)!r}, or an older version of it" in message
    assert "calibrate COLLECTION --model embedded --long-passages windows " in message


@pytest.mark.parametrize("framework", WRAPPERS)
def test_wrappers_give_calibrated_scores_and_an_empty_list_where_nothing_passes(
    framework: str, file: Path
) -> None:
    wrapper = WRAPPERS[framework]
    given = {"scorer": Own(), "scale": "calibrated", "calibration": file}
    wanted = [(str(each.index), each.score) for each in calibrated(file).rank(QUERY, PASSAGES)]
    assert wrapper.rank(QUERY, PASSAGES, **given) == wanted
    assert wrapper.arank(QUERY, PASSAGES, **given) == wanted
    assert wrapper.rank(QUERY, PASSAGES, **given, score_threshold=0.99) == []
    assert wrapper.arank(QUERY, PASSAGES, **given, score_threshold=0.99) == []
    documents = wrapper.documents(PASSAGES)
    output = wrapper.run(wrapper.make(**given, annotate=True), QUERY, documents)
    said = {each["relevance_score_scale"] for each in wrapper.metadata(output).values()}
    assert said == {"calibrated"}


@pytest.mark.parametrize("framework", WRAPPERS)
def test_wrappers_write_the_option_down_and_read_it_again(framework: str, model: Path) -> None:
    wrapper = WRAPPERS[framework]
    file = model / CALIBRATION_FILE
    component = wrapper.make(model=str(model), scale="calibrated", calibration=file)
    again = wrapper.load(wrapper.dump(component))
    assert (again.calibration, again.scale) == (str(file), "calibrated")
    documents = wrapper.documents(PASSAGES)
    assert wrapper.ranking(wrapper.run(again, QUERY, documents)) == wrapper.ranking(
        wrapper.run(component, QUERY, documents)
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda reranker: reranker.arank(QUERY, PASSAGES),
        lambda reranker: reranker.arank_many([QUERY], [PASSAGES]),
        lambda reranker: reranker.ascore_pairs([(QUERY, PASSAGES[1])]),
        lambda reranker: reranker.awarm_up(),
    ],
    ids=["arank", "arank_many", "ascore_pairs", "awarm_up"],
)
def test_the_model_is_identified_beside_the_event_loop(
    ask: Callable[[Reranker], Any], file: Path
) -> None:
    scorer = Noting()
    asyncio.run(ask(calibrated(file, scorer)))
    assert scorer.was_asked_beside_the_loop()


def test_the_model_is_identified_beside_the_event_loop_for_a_threshold_alone(file: Path) -> None:
    scorer = Noting()
    reranker = calibrated(file, scorer, score_threshold=0.01)
    asyncio.run(reranker.arank(QUERY, PASSAGES, scale="logit"))
    assert scorer.was_asked_beside_the_loop()


@pytest.mark.parametrize("framework", WRAPPERS)
def test_wrappers_identify_the_model_beside_the_event_loop(framework: str, file: Path) -> None:
    scorer = Noting()
    given = {"scorer": scorer, "scale": "calibrated", "calibration": file}
    assert WRAPPERS[framework].arank(QUERY, PASSAGES, **given)
    assert scorer.was_asked_beside_the_loop()


def test_a_bundle_holds_the_calibration_of_its_model(model: Path, tmp_path: Path) -> None:
    bundle = compile_model(model, tmp_path / "bundle")
    own, copied = (read_calibrations(each / CALIBRATION_FILE) for each in (model, bundle))
    assert own == copied
    given = {"calibration": "auto", "scale": "calibrated"}
    with (
        Reranker.from_options(model=bundle, **given) as compiled,
        Reranker.from_options(model=model, **given) as plain,
    ):
        wanted = [each.score for each in plain.rank(QUERY, PASSAGES)]
        assert [each.score for each in compiled.rank(QUERY, PASSAGES)] == pytest.approx(wanted)
    compile_model(model, bundle)  # a bundle with the file is still one to be replaced


def test_the_command_takes_a_calibration_and_its_scale_with_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passages = tmp_path / "passages.txt"
    passages.write_text("\n".join(PASSAGES))
    typed = ["rank", QUERY, str(passages), "--model", str(model), "--calibration", "auto"]
    assert main([*typed, "--json"]) == 0
    assert {each["scale"] for each in json.loads(capsys.readouterr().out)} == {"calibrated"}
    assert main([*typed, "--score-threshold", "0.99"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*typed, "--scale", "logit"]) == 1
    message = "--calibration is used with --scale calibrated, and the scale is 'logit'. Set --scale"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("long_passages", [None, "truncate"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("weight", [None, "auto"])
def test_the_embedded_model_ships_a_calibration_of_its_scores(
    precision: str, weight: str, long_passages: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenVINO runs bf16 on every processor, slowly where there are no instructions for it.
    monkeypatch.setattr(choice, "cpu_has_bf16", lambda: True)
    with Reranker.from_options(
        model="embedded",
        backend="openvino",
        precision=precision,
        long_passages=long_passages,
        first_stage_weight=weight,
        calibration="auto",
        scale="calibrated",
    ) as reranker:
        identity = reranker.scorer.identity
        ranking = reranker.rank("what is quick and red", ["The fox is quick and red.", "Soup."])
    assert ranking[0].index == 0
    assert ranking[0].score > ranking[1].score
    shipped = read_calibrations(EMBEDDED_FOLDER / CALIBRATION_FILE)
    (own,) = (each for each in shipped if each.fits(identity, 1.0 if weight else 0.0))
    assert own.fitted_on["queries"] > 100
