"""A process's share of the processors: a container's quota as Linux shows it, and affinity."""

import os
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.backends import onnx, openvino
from rerank_plugins.process import quota
from rerank_plugins.process.quota import thread_limit


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "processors", lambda: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ("max 100000", None),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("800000 100000", None),
        ("900000 100000", None),
        ("0 100000", None),
        ("100000 0", None),
        ("nonsense", None),
    ],
)
def test_version_2(tmp_path: Path, said: str, limit: int | None) -> None:
    (tmp_path / "cpu.max").write_text(f"{said}\n")
    assert thread_limit(root=tmp_path) == limit


@pytest.mark.parametrize(("quota", "limit"), [("-1", None), ("250000", 3)])
def test_version_1(tmp_path: Path, quota: str, limit: int | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert thread_limit(root=tmp_path) == limit


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert thread_limit(root=tmp_path) is None


@pytest.mark.parametrize(("said", "limit"), [("max 100000", 3), ("500000 100000", 3), ("2 1", 2)])
def test_a_process_kept_to_some_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, limit: int
) -> None:
    monkeypatch.setattr(quota, "processors", lambda: 3)
    (tmp_path / "cpu.max").write_text(said)
    assert thread_limit(root=tmp_path) == limit


@pytest.mark.parametrize(("wanted", "limit"), [(1, 1), (2, 2), (7, 2)])
def test_a_wanted_number_is_kept_within_the_quota(tmp_path: Path, wanted: int, limit: int) -> None:
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    assert thread_limit(wanted, tmp_path) == limit


def test_a_wanted_number_counts_without_a_quota_too(tmp_path: Path) -> None:
    assert [thread_limit(wanted, tmp_path) for wanted in (3, 8, 99)] == [3, 8, 8]


@pytest.mark.parametrize("backend", [onnx, openvino], ids=["onnx", "openvino"])
def test_a_backend_takes_no_more_threads_than_the_limit(
    backend: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "thread_limit", lambda most: 1)
    name = backend.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    with CrossEncoderScorer("embedded", backend=name) as scorer:
        scorer.warm_up()
        assert scorer.plan().threads == 1
