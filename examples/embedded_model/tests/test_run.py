"""A run from its recipe to a model: what it learns, saves and refuses."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder

from embedded_model.models.precision import working_copy
from embedded_model.models.student import build_student
from embedded_model.questions.loading import drawn_queries, mine_questions
from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.settings import ViewConfig
from embedded_model.training.loop import train
from examples.embedded_model.tests.tiny_runs import (
    BagOfWords,
    run,
    tiny_config,
    tiny_rows,
    weights_of,
    write_source,
)
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.process.device import find_device


def test_a_run_leaves_a_model_that_cross_encoder_loads_as_float32_with_raw_logits(
    base: Path, data: Path, tmp_path: Path
) -> None:
    result = run(tiny_config(base), data, tmp_path)
    model = CrossEncoder(str(result.model))
    assert isinstance(model.activation_fn, torch.nn.Identity)
    assert {weights.dtype for weights in model.parameters()} == {torch.float32}
    assert result.steps == 6
    assert result.seconds > 0
    assert result.development.questions == 4
    assert 0 < result.development.student <= 1


@pytest.mark.parametrize(
    "options", [{}, {"precision": "bf16", "average_decay": 0.9}], ids=["fp32", "bf16"]
)
def test_the_loss_falls(base: Path, data: Path, tmp_path: Path, options: dict[str, object]) -> None:
    config = tiny_config(base, steps=200, evaluate_every=200, questions=6, **options)
    result = run(replace(config, views=(ViewConfig("passages", {"animals": 48}),)), data, tmp_path)
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert np.mean(losses[-20:]) < 0.95 * np.mean(losses[:20])
    assert result.steps == 200


def test_a_run_teaches_with_the_base_itself_by_default(
    base: Path, data: Path, tmp_path: Path
) -> None:
    config = replace(
        tiny_config(base, steps=4),
        views=(ViewConfig("passages", {"animals": 20}),),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a folder without pooling settings gets mean pooling
        result = train(config, data=data, output=tmp_path, progress=False)
    assert result.steps == 4


def test_the_saved_model_is_the_moving_average(base: Path, data: Path, tmp_path: Path) -> None:
    last = weights_of(run(tiny_config(base), data, tmp_path / "last"))
    average = weights_of(run(tiny_config(base, average_decay=0.9), data, tmp_path / "average"))
    name = (
        "model.classifier.weight"
        if "model.classifier.weight" in last
        else next(name for name in last if "classifier.weight" in name)
    )
    assert not torch.equal(last[name], average[name])
    state = torch.load(tmp_path / "average" / "checkpoint.pt", weights_only=True)
    saved = load_file(tmp_path / "average" / "model" / "model.safetensors")
    assert state["average"].keys() < saved.keys()
    for name, weights in state["average"].items():
        kept = weights[:48] if "position_embeddings" in name else weights  # what it learnt
        assert torch.equal(saved[name], kept.half()), name
    assert not torch.equal(
        state["average"]["classifier.weight"], state["student"]["classifier.weight"]
    )


def test_a_run_starts_from_an_earlier_student(base: Path, data: Path, tmp_path: Path) -> None:
    first = run(tiny_config(base), data, tmp_path / "first")
    config = replace(tiny_config(base, learning_rate=0.0), start=str(first.model))
    again = run(config, data, tmp_path / "again")
    for name, weights in weights_of(first).items():
        torch.testing.assert_close(weights_of(again)[name], weights, msg=name)


def test_the_saved_model_keeps_its_share_of_the_start(
    base: Path, data: Path, tmp_path: Path
) -> None:
    first = run(tiny_config(base), data, tmp_path / "first")
    onwards = replace(tiny_config(base, learning_rate=0.01), start=str(first.model))
    last = weights_of(run(onwards, data, tmp_path / "last"))
    shared = replace(onwards, start_share=0.25)
    saved = weights_of(run(shared, data, tmp_path / "shared"))
    moved = 0.0
    for name, begun in weights_of(first).items():
        moved += float((last[name] - begun).abs().max())
        torch.testing.assert_close(  # the models are saved in half precision
            saved[name], 0.75 * last[name] + 0.25 * begun, atol=2e-3, rtol=2e-3, msg=name
        )
    assert moved > 0.1
    with (tmp_path / "last" / "checkpoint.pt").open("rb") as one:
        kept = torch.load(one, weights_only=True)["student"]
    with (tmp_path / "shared" / "checkpoint.pt").open("rb") as other:
        again = torch.load(other, weights_only=True)["student"]
    torch.testing.assert_close(again, kept)  # training itself is not touched


def test_a_start_that_does_not_fit_is_an_error(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no model\.safetensors"):
        run(replace(tiny_config(base), start=str(tmp_path)), data, tmp_path / "a")
    with pytest.raises(InvalidInputError, match="another shape"):
        run(replace(tiny_config(base), start="embedded"), data, tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": (0, 7)}, "layers 0 to 1"),
        ({"layers": (7,), "siamese_steps": 2}, "layers 0 to 1"),
        ({"start": "nowhere"}, r"start 'nowhere' holds no model\.safetensors"),
        ({"start": "embedded"}, "another shape"),
        ({"cross_teacher": "nowhere"}, r"cross_teacher 'nowhere' holds no model\.safetensors"),
        ({"bi_teachers": {"nowhere": 2}}, "bi_teachers names 'nowhere'"),
        ({}, "another recipe"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_mined(
    base: Path, data: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    run(tiny_config(base), data, tmp_path)
    mined = len(list((tmp_path / "mined").glob("*.jsonl")))
    config = replace(tiny_config(base), seed=5, **change)  # type: ignore[arg-type]

    with pytest.raises(InvalidInputError, match=message):
        train(config, data=data, output=tmp_path, progress=False)
    assert len(list((tmp_path / "mined").glob("*.jsonl"))) == mined


def test_a_run_does_not_write_over_what_it_starts_from(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny_config(base), data, tmp_path)
    kept = (tmp_path / "model" / "model.safetensors").read_bytes()
    monkeypatch.chdir(tmp_path)
    for field in ("base", "start", "cross_teacher"):
        for folder in (str(tmp_path / "model"), "model"):
            config = replace(tiny_config(base), **{field: folder})  # type: ignore[arg-type]
            with pytest.raises(InvalidInputError, match=f"{field} '{folder}' lies in .*another"):
                run(config, data, tmp_path, resume=False)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == kept


def test_word_embeddings_stay_those_of_the_base(base: Path, data: Path, tmp_path: Path) -> None:
    trained = weights_of(run(tiny_config(base), data, tmp_path))
    untouched = build_student(base, (0, 1), 0).state_dict()
    name = next(name for name in trained if "word_embeddings" in name)
    expected = untouched["bert.embeddings.word_embeddings.weight"].half().float()
    assert torch.equal(trained[name], expected)


def test_progress_goes_to_standard_error(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tiny_config(base), data, tmp_path, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "6/6" in captured.err


def test_a_run_is_silent_without_progress(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tiny_config(base), data, tmp_path, progress=False)
    assert "step" not in capsys.readouterr().err


def test_a_query_longer_than_max_length_does_not_end_the_run(base: Path, tmp_path: Path) -> None:
    rows = tiny_rows()
    for row in rows:
        row["query"] = row["query"] * 60
    write_source(tmp_path / "data" / "animals", rows)
    assert run(tiny_config(base), tmp_path / "data", tmp_path / "out").steps == 6


def test_passages_that_cannot_be_told_apart_are_an_error(base: Path, tmp_path: Path) -> None:
    write_source(tmp_path / "data" / "animals", tiny_rows()[:1])
    config = replace(tiny_config(base), views=(ViewConfig("passages", {"animals": 9}),))
    with pytest.raises(InvalidInputError, match="nothing to train on"):
        run(config, tmp_path / "data", tmp_path / "out")


def test_a_device_that_is_not_here_is_an_error_before_anything_is_read(
    base: Path, data: Path, tmp_path: Path
) -> None:
    for device in ("cuda:77", "toaster"):
        with pytest.raises(InvalidInputError, match=f"'{device}' cannot be used .*; give cpu"):
            train(tiny_config(base), data=data, output=tmp_path / "out", device=device)
    assert not (tmp_path / "out").exists()
    assert find_device("cpu") == torch.device("cpu")


def test_a_run_learns_from_a_second_teacher(base: Path, data: Path, tmp_path: Path) -> None:
    first = run(tiny_config(base, steps=40), data, tmp_path / "first")
    alone = tiny_config(base, steps=40, teacher_weight=0.0)
    taught = replace(
        alone,
        cross_teacher=str(first.model),
        loop=replace(alone.loop, cross_teacher_weight=5.0),
    )

    def apart(config: TrainingConfig, name: str) -> float:
        student = CrossEncoder(str(run(config, data, tmp_path / name).model))
        rows = tiny_rows()
        pairs = [
            (row["query"], other["positive"])
            for row, other in zip(rows, rows[7:] + rows[:7], strict=True)
        ]
        scores, wanted = student.predict(pairs), CrossEncoder(str(first.model)).predict(pairs)
        return 1 - float(np.corrcoef(scores, wanted)[0, 1])

    assert apart(taught, "taught") < apart(alone, "alone")
    longer = replace(taught, max_length=64)
    with pytest.raises(InvalidInputError, match="reads 48 tokens, and max_length is 64"):
        run(longer, data, tmp_path / "longer")


@pytest.mark.parametrize(
    ("precision", "has_it", "copied"),
    [("bf16", True, True), ("bf16", False, False), ("fp32", True, False)],
)
def test_a_recipe_in_bf16_computes_in_fp32_where_the_processor_would_emulate_it(
    base: Path, monkeypatch: pytest.MonkeyPatch, precision: str, has_it: bool, copied: bool
) -> None:
    monkeypatch.setattr("embedded_model.models.precision.pays", lambda dtype: has_it)
    student = build_student(base, (0, 1), seed=1)
    copy = working_copy(student, precision)
    assert (copy is not None) == copied
    if copy is not None:
        assert copy.model.dtype == torch.bfloat16
    assert student.dtype == torch.float32


def test_the_drawn_queries_are_those_that_a_run_mines_for(
    base: Path, data: Path, tmp_path: Path
) -> None:
    config = tiny_config(base)
    drawn = drawn_queries(config, data)
    mined = mine_questions(config, data, tmp_path, BagOfWords(), show=False)
    assert {question.mined.query for question in mined.train} == drawn
    assert drawn.isdisjoint(question.mined.query for question in mined.development)
    assert drawn_queries(replace(config, seed=config.seed + 1), data) != drawn
