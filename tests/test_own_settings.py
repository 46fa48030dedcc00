"""`rerank_plugins.json`: what a model's folder says about how to rank with the model."""

import json
import math
import re
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.errors import ModelError
from rerank_plugins.models.files import OWN_SETTINGS_FILE
from rerank_plugins.models.identity import model_digest
from rerank_plugins.models.own_settings import (
    OwnSettings,
    read_own_settings,
    write_own_settings,
)
from tests.tiny_models import save_tiny_cross_encoder


def test_a_folder_without_the_file_says_nothing(tmp_path: Path) -> None:
    assert read_own_settings(tmp_path) == OwnSettings(first_stage_weight=None)
    assert read_own_settings(tmp_path / "absent") == OwnSettings()


@pytest.mark.parametrize("weight", [0.0, 0.75, 1.5])
def test_what_is_written_is_read_again(weight: float, tmp_path: Path) -> None:
    file = write_own_settings(tmp_path, OwnSettings(weight))
    assert json.loads(file.read_text()) == {"first_stage_weight": weight}
    assert read_own_settings(tmp_path) == OwnSettings(weight)
    assert [each.name for each in tmp_path.iterdir()] == [OWN_SETTINGS_FILE]


def test_a_whole_number_is_a_weight_too(tmp_path: Path) -> None:
    (tmp_path / OWN_SETTINGS_FILE).write_text('{"first_stage_weight": 2}')
    assert read_own_settings(tmp_path) == OwnSettings(2.0)


def test_other_keys_stay_and_a_setting_that_is_none_goes(tmp_path: Path) -> None:
    file = tmp_path / OWN_SETTINGS_FILE
    file.write_text('{"calibration": {"a": [1]}, "first_stage_weight": 4}')
    write_own_settings(tmp_path, OwnSettings(1.5))
    assert json.loads(file.read_text()) == {"calibration": {"a": [1]}, "first_stage_weight": 1.5}
    write_own_settings(tmp_path, OwnSettings())
    assert json.loads(file.read_text()) == {"calibration": {"a": [1]}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON (.*Write for example .*, or remove the file."),
        (b"\xff\xfe{}", "is not JSON ("),
        ('{"a": ' + "[" * 9000, "is not JSON (it is nested too deeply)"),
        ("[1.5]", "must hold a JSON object, but has list [1.5]. Write for example"),
        ('{"first_stage_weight": -1}', "a finite number >= 0, but has int -1. Write for example"),
        ('{"first_stage_weight": NaN}', "a finite number >= 0, but has float nan."),
        ('{"first_stage_weight": 1e999}', "a finite number >= 0, but has float inf."),
        ('{"first_stage_weight": true}', "a finite number >= 0, but has bool True."),
        ('{"first_stage_weight": "auto"}', "a finite number >= 0, but has str 'auto'."),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(
    content: str | bytes, says: str, tmp_path: Path
) -> None:
    file = tmp_path / OWN_SETTINGS_FILE
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    pattern = ".*".join(re.escape(part) for part in (str(file), *says.split(".*")))
    with pytest.raises(ModelError, match=pattern):
        read_own_settings(tmp_path)


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / OWN_SETTINGS_FILE).write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        write_own_settings(tmp_path, OwnSettings(1.5))
    assert (tmp_path / OWN_SETTINGS_FILE).read_text() == "{"


def test_a_file_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / OWN_SETTINGS_FILE).mkdir()
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        read_own_settings(tmp_path)
    with pytest.raises(ModelError, match="cannot be written: No such file or directory"):
        write_own_settings(tmp_path / "absent", OwnSettings(1.5))


def test_the_file_does_not_make_it_another_model(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    digest, first = model_digest(tmp_path), CrossEncoderScorer(tmp_path)
    write_own_settings(tmp_path, OwnSettings(1.5))
    assert model_digest(tmp_path) == digest
    assert CrossEncoderScorer(tmp_path)._shared is first._shared
    assert math.isfinite(first.score("red fox", ["the red fox is a small dog"])[0])
