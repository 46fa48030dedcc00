"""Rude clients on a real server, among others: `python -m benchmarks.soak` in short."""

from benchmarks.soak import soak

REFUSALS = {
    "sends no JSON": "400",
    "sends too much": "413",
    "has a wrong token": "401",
    "sends poison": "500",
    "fills the queue": "429",
}


def test_every_other_answer_is_right_and_nothing_is_left_behind() -> None:
    found = soak(connections=16, requests=240)
    assert found.wrong == []
    done = found.outcomes
    assert done["asks", "200"] + done["reads slowly", "200"] > 50
    for name, status in REFUSALS.items():
        assert done[name, status] > 0, name
    assert done["leaves", "gone"] > 0
    assert found.threads[1] <= found.threads[0]
    assert found.files[1] <= found.files[0]
    assert found.exit_code == 0
