"""The benchmarks' own arithmetic and report; what they measure is not tested."""

from importlib.metadata import version

import pytest
from transformers import AutoConfig

from benchmarks import report, roofline
from benchmarks.report import measured_here, with_section
from rerank_plugins._model import EMBEDDED_FOLDER


def test_the_work_of_a_pair_is_that_of_the_embedded_models_matrices() -> None:
    config = AutoConfig.from_pretrained(EMBEDDED_FOLDER)
    hidden, inner, tokens = config.hidden_size, config.intermediate_size, 100
    full = 4 * hidden * hidden + 2 * hidden * inner
    body = (config.num_hidden_layers - 1) * full * tokens
    scores = 2 * hidden * tokens * (config.num_hidden_layers - 1) * tokens
    first = 2 * config.num_attention_heads * hidden * tokens  # the last layer's, on whole states

    work = roofline.pair_work([tokens])

    assert work.linear == pytest.approx(2 * (body + full))
    assert work.attention == pytest.approx(2 * (scores + first))
    assert work.total == pytest.approx(1.11e9, rel=0.01)


def test_a_section_takes_the_place_of_the_one_of_its_title() -> None:
    old = "# Benchmarks\n\nHow.\n\n## One\n\nold\n\n## Two\n\nkept\n"

    assert with_section(old, "## One\n\nnew") == old.replace("old", "new")


def test_a_section_says_when_where_and_with_what_it_was_measured() -> None:
    title, blank, line, *rest = measured_here("## One\n\n| table |", "2026-01-02").split("\n")

    assert (title, blank, rest) == ("## One", "", ["", "| table |"])
    assert line.startswith("2026-01-02, ")
    assert f"torch {version('torch')}" in line


def test_a_package_that_is_not_installed_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PACKAGES", ("no-such-package", "numpy"))

    line = measured_here("## One\n\n| table |", "2026-01-02").split("\n")[2]

    assert "no-such-package" not in line
    assert f"numpy {version('numpy')}" in line


def test_a_new_section_goes_to_the_end() -> None:
    assert with_section("# Benchmarks\n\nHow.\n", "## One\n\nnew") == (
        "# Benchmarks\n\nHow.\n\n## One\n\nnew\n"
    )
