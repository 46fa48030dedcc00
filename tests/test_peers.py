"""The benchmark of peers: its catalogue, its measurements, and the report they give."""

import math
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import WORKERS, Peer, chosen, load_catalogue
from benchmarks.peers.environment import wrong_packages
from benchmarks.peers.export import export
from benchmarks.peers.measure import measure
from benchmarks.peers.process import Answer, PeerFailedError
from benchmarks.peers.report import render

LOGITS = [-3.0, 0.5, 2.0, -1.0]
PASSAGES = ["a", "b", "c", "d"]


class Scripted:
    """A peer that answers with given scores, each call taking as long as the next of `seconds`."""

    def __init__(self, scores: list[float], seconds: list[float]) -> None:
        self.scores, self.seconds = scores, list(seconds)
        self.versions = {"thing": "1.2"}

    def ask(self, query: str, passages: list[str]) -> Answer:
        if not self.seconds:
            message = "ended with 1"
            raise PeerFailedError(message)
        return Answer(self.seconds.pop(0), self.scores, idle=0.25)


def peer(name: str, scale: str = "logit") -> Peer:
    return Peer(name, "cross_encoder", "huggingface", scale, "batches of 3", ("thing",))


def test_weights_are_not_written_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds something else"):
        export(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "years of work"


def test_the_catalogue_names_every_worker_and_measures_ours_beside_a_stock_baseline() -> None:
    peers = load_catalogue()
    assert peers[0].name == "CrossEncoder.predict fp32"
    assert {p.worker for p in peers} == {path.stem for path in WORKERS.glob("[!_]*.py")}
    ours = [p for p in peers if p.environment is None]
    assert {p.worker for p in ours} == {"ours"}
    assert all(p.environment is not None for p in peers if p not in ours)


def test_requirements_of_the_catalogue_are_pinned() -> None:
    environments = {p.environment.name: p.environment for p in load_catalogue() if p.environment}
    for environment in environments.values():
        assert all("==" in requirement for requirement in environment.requirements)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ('worker = "a"', "worker 'a' does not exist"),
        ('scale = "percent"', "scale 'percent' does not exist"),
        ('weights = "other"', "weights 'other' does not exist"),
        ('environment = "none"', "environment 'none' does not exist"),
    ],
)
def test_a_catalogue_that_names_what_does_not_exist_is_refused(
    tmp_path: Path, change: str, complaint: str
) -> None:
    lines = {
        "name": '"One"',
        "worker": '"haystack"',
        "scale": '"logit"',
        "weights": '"onnx"',
        "packages": "[]",
        "way": '""',
    }
    key, _, value = change.partition(" = ")
    rows = "\n".join(f"{name} = {text}" for name, text in {**lines, key: value}.items())
    file = tmp_path / "catalogue.toml"
    file.write_text(f"[environments]\n[[peers]]\n{rows}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        load_catalogue(file)


def test_names_choose_peers_by_parts_and_keep_the_baseline() -> None:
    peers = load_catalogue()
    names = [p.name for p in chosen(peers, ["flashrank"])]
    assert names == ["CrossEncoder.predict fp32", "FlashRank fp32", "FlashRank int8"]
    with pytest.raises(ValueError, match="No peer is named 'nobody'"):
        chosen(peers, ["nobody"])


def test_another_torch_and_accelerator_packages_are_wrong() -> None:
    resolved = {"torch": "2.13.0+cpu", "numpy": "2.4.6"}
    assert wrong_packages(resolved, "2.13.0") == []
    resolved |= {"torch": "2.14.1", "nvidia-cublas": "13.1"}
    assert wrong_packages(resolved, "2.13.0") == ["nvidia-cublas 13.1", "torch 2.14.1"]


def test_a_sigmoid_is_undone_before_scores_are_compared() -> None:
    probabilities = [1 / (1 + math.exp(-logit)) for logit in LOGITS]
    exact = Scripted(probabilities, [1, 1])
    rows = measure(
        {
            "Stock": (peer("Stock"), Scripted(LOGITS, [1, 1])),
            "Sigmoid": (peer("Sigmoid", "probability"), exact),
            "Reversed": (peer("Reversed"), Scripted([-logit for logit in LOGITS], [1, 1])),
        },
        ["why"],
        PASSAGES,
        rounds=1,
        failed=lambda name, reason: pytest.fail(reason),
        pause=0,
    )
    assert [row.error for row in rows] == pytest.approx([0, 0, 6], abs=1e-9)
    assert [row.tau for row in rows] == pytest.approx([1, 1, -1])


def test_the_report_has_medians_without_the_warm_up_and_the_reasons_of_those_missing() -> None:
    missing = {"Elsewhere": "no model is found\n  in a hub"}
    rows = measure(
        {
            "Stock": (peer("Stock"), Scripted(LOGITS, [99, 0.4, 0.8, 0.2])),
            "Quick": (peer("Quick"), Scripted(LOGITS, [99, 0.1, 0.2, 0.1])),
            "Breaks": (peer("Breaks"), Scripted(LOGITS, [99, 0.1])),
        },
        ["why"],
        PASSAGES,
        rounds=3,
        failed=missing.__setitem__,
        pause=0,
    )
    report = render(rows, missing, passages=4, queries=1, rounds=3).splitlines()
    assert report[0] == "## Peers"
    table = [line.split(" | ") for line in report if line.startswith("| ")][1:]
    assert [cells[0] for cells in table] == ["| Stock", "| Quick"]
    assert table[0][2:4] == ["10 (7-13)", "760"]
    assert table[1][2:] == ["40 (27-40)", "190", "4.00", "0.0e+00", "1.000 |"]
    assert "- Elsewhere: no model is found in a hub." in report
    assert "- Breaks: ended with 1." in report
    assert "- Stock, Quick: thing 1.2" in report


def test_a_baseline_that_fails_ends_the_measurement() -> None:
    with pytest.raises(PeerFailedError, match="ended with 1"):
        measure(
            {"Stock": (peer("Stock"), Scripted(LOGITS, []))},
            ["why"],
            PASSAGES,
            rounds=1,
            failed=lambda name, reason: pytest.fail(reason),
            pause=0,
        )
