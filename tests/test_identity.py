"""What makes a scorer's numbers what they are: kept scores and calibrations go by it."""

import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from transformers import BertForSequenceClassification

from rerank_plugins import (
    CrossEncoderScorer,
    Identity,
    InvalidInputError,
    PairScores,
    Scorer,
    UnsupportedOptionError,
    compile_model,
)
from rerank_plugins.scoring.identity import named_identity
from rerank_plugins.testing import DeterministicScorer
from tests.tiny_models import retrain, save_tiny_cross_encoder


def named(model: object, **options: object) -> Identity:
    with CrossEncoderScorer(model, **options) as scorer:  # type: ignore[arg-type]
        identity = scorer.identity
    assert identity is not None
    return identity


def test_it_is_the_same_for_two_scorers_and_in_another_process(tiny_model: Path) -> None:
    code = "import sys; from rerank_plugins import CrossEncoderScorer as C; "
    code += "print(C(sys.argv[1], max_length=20).identity.digest)"
    command = [sys.executable, "-c", code, str(tiny_model)]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert named(tiny_model, max_length=20).digest == other


def test_it_is_the_same_before_and_after_loading_and_nothing_is_loaded_for_it(
    tmp_path: Path,
) -> None:
    with CrossEncoderScorer(save_tiny_cross_encoder(tmp_path)) as scorer:
        before = scorer.identity
        assert not scorer._shared.engine.backends
        scorer.warm_up()
        assert scorer.identity == before
        assert pickle.loads(pickle.dumps(before)) == before


@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 20},
        {"prompt": "find: "},
        {"prompt": ""},
        {"query_prefix": "q: "},
        {"query_suffix": " ?"},
        {"passage_prefix": "p: "},
        {"passage_suffix": " ."},
        {"label": 0},
        {"precision": "bf16", "backend": "torch"},
    ],
    ids=str,
)
def test_what_changes_a_score_changes_its_meaning(
    options: dict[str, object], tiny_model: Path
) -> None:
    assert named(tiny_model).meaning != named(tiny_model, **options).meaning


def test_what_changes_no_score_changes_nothing(tiny_model: Path) -> None:
    same = {"max_batch_tokens": 7, "timeout": 9.0, "precision": "fp32", "max_queue_pairs": 5}
    assert named(tiny_model, **same) == named(tiny_model)


def test_another_backend_is_another_runtime_and_the_meaning_of_fp32_stays(
    tiny_model: Path,
) -> None:
    backends = ("torch", "onnx", "jax")
    found = [named(tiny_model, backend=backend) for backend in backends]
    assert len({each.meaning for each in found}) == 1
    assert len({each.digest for each in found}) == len(backends)


def test_a_graph_that_is_written_in_another_way_is_another_runtime(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx, torch = (named(tiny_model, backend=each) for each in ("onnx", "torch"))
    monkeypatch.setattr("rerank_plugins.backends.identity.GRAPHS", "graphs of tomorrow")
    assert named(tiny_model, backend="onnx").meaning == onnx.meaning
    assert named(tiny_model, backend="onnx").digest != onnx.digest
    assert named(tiny_model, backend="torch").digest == torch.digest


def test_a_bundle_means_what_the_model_means_that_it_was_compiled_from(
    tiny_model: Path, tmp_path: Path
) -> None:
    bundle = compile_model(tiny_model, tmp_path / "bundle", backend="onnx")
    of_bundle, of_model = named(bundle), named(tiny_model, backend="onnx")
    assert of_bundle.meaning == of_model.meaning
    assert of_bundle.digest != of_model.digest


def test_a_copy_of_the_folder_is_the_same_model_and_other_weights_are_another(
    tiny_model: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    assert named(copy) == named(tiny_model)
    retrain(copy, BertForSequenceClassification)
    assert named(copy).meaning != named(tiny_model).meaning


def test_a_folder_that_was_written_again_is_another_model_for_whom_has_not_loaded_it(
    tmp_path: Path,
) -> None:
    save_tiny_cross_encoder(tmp_path)
    with CrossEncoderScorer(tmp_path) as scorer:
        assert scorer.identity is not None
        retrain(tmp_path, BertForSequenceClassification)
        assert scorer.identity is None
    with CrossEncoderScorer(tmp_path) as scorer:
        scorer.warm_up()
        loaded = scorer.identity
        save_tiny_cross_encoder(tmp_path)
        assert scorer.identity == loaded  # what is in memory stays what it is


def test_a_model_that_is_not_on_this_disk_names_none(tmp_path: Path) -> None:
    with CrossEncoderScorer(
        "example/absent", cache_folder=tmp_path, local_files_only=True
    ) as scorer:
        assert scorer.identity is None
        with pytest.raises(UnsupportedOptionError, match=r"names no identity, .*call warm_up\(\)"):
            named_identity(scorer, "its scores cannot be kept")


class Service(Scorer):
    """Somebody's own scorer."""

    identity = Identity("service, version 3")

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        return DeterministicScorer().submit(pairs)


def test_a_scorer_of_ones_own_may_name_one() -> None:
    assert named_identity(Service(), "x").digest == Identity("service, version 3").digest
    assert Identity("service, version 4").meaning != Service().identity.meaning


def test_one_that_names_none_is_told_how_to() -> None:
    message = (
        r"'deterministic' names no identity, so it has no calibration\. .* "
        r'set identity = Identity\("my model, version 1"\)'
    )
    with pytest.raises(UnsupportedOptionError, match=message):
        named_identity(DeterministicScorer(), "it has no calibration")


def test_a_name_of_another_type_is_an_error_that_says_what_to_set() -> None:
    class Wrong(Service):
        identity = "version 3"  # type: ignore[assignment]

    message = r"must name an Identity, but names str 'version 3'\. Set identity = Identity\("
    with pytest.raises(InvalidInputError, match=message):
        named_identity(Wrong(), "x")
