"""A run that is started again: where it goes on, and what makes it another run."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification

from embedded_model.models.student import build_student, load_tokenizer, save_student
from embedded_model.training import loop
from embedded_model.training.loop import train
from examples.embedded_model.tests.tiny_runs import (
    logged_steps,
    run,
    stop_in_step,
    tiny_config,
    tiny_rows,
    weights_of,
    write_source,
)
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.fine_tuning.run_folder import sole_run
from tests.tiny_models import retrain, save_tiny_encoder


def test_interrupted_and_resumed_gives_the_weights_of_an_uninterrupted_run(
    base: Path, data: Path, tmp_path: Path
) -> None:
    whole = run(tiny_config(base), data, tmp_path / "whole")
    stop_in_step(5, tiny_config(base), data, tmp_path / "parts")
    assert (tmp_path / "parts" / "checkpoint.pt").is_file()
    with (tmp_path / "parts" / "log.jsonl").open("a") as lines:
        lines.write('{"step": 5, "sec')  # killed while it wrote
    resumed = run(tiny_config(base), data, tmp_path / "parts")
    assert resumed.steps == whole.steps
    assert logged_steps(tmp_path / "parts") == [1, 2, 3, 4, 5, 6]
    for name, weights in weights_of(whole).items():
        torch.testing.assert_close(weights_of(resumed)[name], weights, msg=name)


def test_a_run_without_resume_starts_anew(base: Path, data: Path, tmp_path: Path) -> None:
    first = weights_of(run(tiny_config(base), data, tmp_path))
    second = weights_of(run(tiny_config(base), data, tmp_path, resume=False))
    for name, weights in first.items():
        torch.testing.assert_close(second[name], weights, msg=name)


def test_a_run_begun_anew_and_stopped_before_its_first_checkpoint_begins_again(
    base: Path, data: Path, tmp_path: Path
) -> None:
    run(tiny_config(base), data, tmp_path)
    stop_in_step(1, tiny_config(base), data, tmp_path, resume=False)
    run(tiny_config(base), data, tmp_path)
    assert logged_steps(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_a_run_of_slow_steps_goes_on_where_it_stopped_however_few_it_did(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)  # as if every step took that long
    config = tiny_config(base, checkpoint_every=100)
    stop_in_step(5, config, data, tmp_path)
    (tmp_path / "log.jsonl").unlink()
    run(config, data, tmp_path)
    assert logged_steps(tmp_path) == [5, 6]


def test_a_finished_run_is_measured_and_not_trained_again(
    base: Path, data: Path, tmp_path: Path
) -> None:
    first = run(tiny_config(base), data, tmp_path)
    second = run(tiny_config(base), data, tmp_path)
    assert (second.steps, second.development) == (first.steps, first.development)


def test_moving_the_end_of_a_run_keeps_what_it_learned(
    base: Path, data: Path, tmp_path: Path
) -> None:
    run(tiny_config(base), data, tmp_path)
    longer = run(tiny_config(base, steps=8), data, tmp_path)
    assert longer.steps == 8


@pytest.mark.parametrize(
    "options",
    [{"precision": "bf16", "average_decay": 0.5}, {"optimizer": "muon"}],
    ids=["bf16", "muon"],
)
def test_a_run_of_other_settings_resumes_as_if_it_had_not_stopped(
    base: Path, data: Path, tmp_path: Path, bf16_everywhere: None, options: dict[str, object]
) -> None:
    whole = run(tiny_config(base, **options), data, tmp_path / "whole")
    short = tiny_config(base, steps=4, decay_steps=0, **options)
    run(short, data, tmp_path / "parts")
    rest = tiny_config(base, **options)
    resumed = run(rest, data, tmp_path / "parts")
    for name, weights in weights_of(whole).items():
        torch.testing.assert_close(weights_of(resumed)[name], weights, msg=name)


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("name", ["model/config.json", "checkpoint.pt", "log.jsonl"])
def test_what_no_run_made_is_never_removed_or_written_over(
    base: Path, data: Path, tmp_path: Path, name: str, resume: bool
) -> None:
    thesis = tmp_path / "out" / name
    thesis.parent.mkdir(parents=True)
    torch.save({"epoch": 7}, thesis)
    before = thesis.read_bytes()
    with pytest.raises(InvalidInputError, match=r"which no recipe's run made.*output="):
        run(tiny_config(base), data, tmp_path / "out", resume=resume)
    assert thesis.read_bytes() == before
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_folder_has_one_run_at_a_time(base: Path, data: Path, tmp_path: Path) -> None:
    with sole_run(tmp_path), pytest.raises(InvalidInputError, match=r"Another run .*output="):
        run(tiny_config(base), data, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_stopped_before_its_first_checkpoint_begins_again(
    base: Path, data: Path, tmp_path: Path
) -> None:
    stop_in_step(1, tiny_config(base), data, tmp_path)
    (tmp_path / "log.jsonl").touch()
    assert run(tiny_config(base), data, tmp_path).steps == 6


def test_a_run_of_before_is_known_by_its_checkpoint(base: Path, data: Path, tmp_path: Path) -> None:
    run(tiny_config(base), data, tmp_path)
    (tmp_path / "training.json").unlink()
    assert run(tiny_config(base), data, tmp_path, resume=False).steps == 6


def test_a_checkpoint_of_another_recipe_is_an_error_until_the_run_starts_anew(
    base: Path, data: Path, tmp_path: Path
) -> None:
    run(tiny_config(base), data, tmp_path)
    other_seed, other_rate = (
        replace(tiny_config(base), seed=14),
        tiny_config(base, learning_rate=1e-5),
    )
    for other in (replace(tiny_config(base), layers=(0,)), other_seed, other_rate):
        with pytest.raises(InvalidInputError, match=r"another recipe.*resume=False"):
            run(other, data, tmp_path)
    assert run(other_rate, data, tmp_path, resume=False).steps == 6
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries if "loss" in entry] == [1, 2, 3, 4, 5, 6]


def test_new_weights_in_the_starts_or_the_teachers_folder_are_another_recipe(
    base: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"

    def save(student: BertForSequenceClassification) -> None:
        save_student(student, load_tokenizer(base), folder, max_length=64)

    save(build_student(base, (0, 1), 3))
    for field in ("start", "cross_teacher"):
        config = replace(tiny_config(base), **{field: str(folder)})  # type: ignore[arg-type]
        before = config.run_digest(data)
        assert config.run_digest(data) == before
        save_student(build_student(base, (0, 1), 4), load_tokenizer(base), folder, max_length=64)
        assert config.run_digest(data) != before
        save_student(build_student(base, (0, 1), 3), load_tokenizer(base), folder, max_length=64)
        assert config.run_digest(data) == before


def test_changed_data_are_another_recipe_and_are_mined_again(base: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_source(data / "animals", tiny_rows())
    run(tiny_config(base), data, tmp_path / "out")
    mined = set((tmp_path / "out" / "mined").iterdir())
    write_source(data / "animals", tiny_rows()[:-3])
    with pytest.raises(InvalidInputError, match="another recipe"):
        run(tiny_config(base), data, tmp_path / "out")
    run(tiny_config(base), data, tmp_path / "out", resume=False)
    assert set((tmp_path / "out" / "mined").iterdir()) > mined


def test_a_base_that_was_trained_further_is_another_recipe_and_is_mined_with_again(
    data: Path, tmp_path: Path
) -> None:
    base = save_tiny_encoder(tmp_path / "base")

    def taught_by_the_base(base: Path, *, resume: bool = True) -> set[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no pooling settings: it gets mean pooling
            train(
                tiny_config(base, steps=4),
                data=data,
                output=tmp_path / "out",
                resume=resume,
                progress=False,
            )
        return {path.name for path in (tmp_path / "out" / "mined").iterdir()}

    mined = taught_by_the_base(base)
    moved = base.rename(tmp_path / "moved")
    assert taught_by_the_base(moved) == mined
    retrain(moved)
    with pytest.raises(InvalidInputError, match="another recipe"):
        taught_by_the_base(moved)
    again = taught_by_the_base(moved, resume=False)
    assert len(again) == 2 * len(mined)


def test_an_encoder_of_the_callers_is_another_teacher_than_the_base(
    base: Path, data: Path, tmp_path: Path
) -> None:
    config = tiny_config(base, steps=4)
    run(config, data, tmp_path)
    mined = set((tmp_path / "mined").iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a folder without pooling settings gets mean pooling
        with pytest.raises(InvalidInputError, match="another recipe"):
            train(config, data=data, output=tmp_path, progress=False)
        train(config, data=data, output=tmp_path, resume=False, progress=False)
    assert len(set((tmp_path / "mined").iterdir()) - mined) == len(mined)
