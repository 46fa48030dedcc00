"""The benchmark of a network's forms: they compute the same; times are not tested."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.forms import AS_IT_IS, FORMS, MODELS, WAYS, render, written_in
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.backends.graphs.described import described_graph
from tests.tiny_models import WORDS

PASSAGES = [" ".join(WORDS[:count]) for count in (3, 9, 14)]


def operators(model: Path, form: str) -> Counter[str]:
    with written_in(form):
        graph, _ = described_graph(model, str(model))
    return Counter(node.op_type for node in graph.model.graph.node)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_gives_the_same_scores_by_another_graph(tiny_model: Path, form: str) -> None:
    assert operators(tiny_model, form) != operators(tiny_model, AS_IT_IS)
    for backend in (backend for backend, named in WAYS if named == form):
        scores = []
        for written in (AS_IT_IS, form):
            with (
                written_in(written),
                CrossEncoderScorer(str(tiny_model), backend=backend, precision="fp32") as scorer,
            ):
                scores.append(scorer.score("the sea", PASSAGES))
        assert np.ptp(scores[0]) > 1e-3
        assert scores[1] == pytest.approx(scores[0], abs=1e-5)


def test_each_form_stands_beside_the_network_as_it_is() -> None:
    speeds = {way: 100.0 if way[1] == AS_IT_IS else 90.0 for way in WAYS}
    lines = render(dict.fromkeys(MODELS, speeds)).splitlines()[-len(WAYS) :]
    assert lines[0] == "| onnx | as it is | 100 (1.00x) | 100 (1.00x) |"
    assert lines[-1].endswith("| 90 (0.90x) | 90 (0.90x) |")
