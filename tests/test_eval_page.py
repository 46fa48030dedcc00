"""The page of `rerank eval` answers its title first, and a telephone shows all of it."""

import html as escaping
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rerank_plugins.evaluation import (
    Comparison,
    JudgedCollection,
    Report,
    ScoreFunction,
    Tradeoff,
    as_html,
    compare,
    current_environment,
    depth_curves,
    overall,
    read_collection,
    timed_queries,
    verdict,
)
from rerank_plugins.evaluation.cards import CardFigure, check_card
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.plots import tradeoff_plot
from rerank_plugins.results import PairScores
from tests.browsers import BROWSER
from tests.test_evaluation import judge, write_collection

PHONE = 375
READABLE = 11
"""Pixels of a letter's height, as CSS counts it."""

MEASURED = """
const frame = document.querySelector("iframe").contentWindow, page = frame.document;
const wide = [], small = [];
for (const each of page.body.querySelectorAll("*")) {
  const box = each.getBoundingClientRect(), name = each.tagName + ": " + each.textContent.trim();
  const plot = each.closest("svg");
  const scrolls = !plot && each.clientWidth && each.scrollWidth > each.clientWidth + 1;
  if (box.right > WIDTH + 0.5 || scrolls) wide.push(name.slice(0, 80));
  const speaks = [...each.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const scale = plot ? plot.getBoundingClientRect().width / plot.viewBox.baseVal.width : 1;
  const size = scale * parseFloat(frame.getComputedStyle(each).fontSize);
  if (speaks && !each.closest("defs") && size < READABLE)
    small.push(size + " " + name.slice(0, 80));
}
const found = {width: page.documentElement.scrollWidth, asked: frame.innerWidth, wide, small};
document.body.replaceChildren("found" + JSON.stringify(found) + "end");
"""


def cutting(query: str, passages: list[str]) -> PairScores:
    """Judges, and has read the longer half of the passages only in part."""
    lengths = np.array(list(map(len, passages)))
    return PairScores(np.float32(judge(query, passages)), lengths > np.median(lengths))


def backwards(query: str, passages: list[str]) -> list[float]:
    return [-score for score in judge(query, passages)]


def page_of(comparisons: list[Comparison], scorers: dict[str, ScoreFunction]) -> str:
    curves = [depth_curves(each, scorers) for each in comparisons]
    card = check_card([CardFigure(comparisons[0].collection.name, "nDCG@10", 0.8)], comparisons)
    return as_html(Report(comparisons, current_environment("rerank eval x"), curves, {}, card))


def text_of(page: str) -> str:
    return " ".join(escaping.unescape(re.sub(r"<[^>]+>", " ", page.partition("<body>")[2])).split())


@pytest.fixture
def collection(tmp_path: Path) -> JudgedCollection:
    return read_collection(write_collection(tmp_path / "animals"))


@pytest.fixture
def one(collection: JudgedCollection) -> Comparison:
    return compare(collection, bm25_candidates(collection), {"judge": cutting})


@pytest.fixture
def page(one: Comparison) -> str:
    return page_of([one], {"judge": cutting})


def test_the_page_answers_its_title_before_anything_else(one: Comparison, page: str) -> None:
    assert text_of(page).startswith(f"Does reranking help? {overall([one]).text} ")


def test_each_of_several_collections_has_its_own_answer(one: Comparison) -> None:
    text = text_of(page_of([one, one], {"judge": cutting}))
    assert text.startswith(f"Does reranking help? {overall([one, one]).text} ")
    assert text.count(verdict(one).text) == 2


def test_the_first_chart_shows_quality_from_0_before_and_after(one: Comparison, page: str) -> None:
    chart = page.partition('<div class="bars">')[2].partition("</div>")[0]
    assert page.index("<svg") > page.index(chart)
    orders = (one.first_stage, *one.reranked)
    widths = [float(width) for width in re.findall(r"width: ([\d.]+)%", chart)]
    assert widths == [pytest.approx(100 * each.mean("nDCG@10"), abs=0.01) for each in orders]


def test_won_tied_and_lost_queries_stand_side_by_side(one: Comparison, page: str) -> None:
    text = text_of(page)
    assert re.search(r"\d+ won , \d+ tied, \d+ lost", text)
    assert "Queries that won most, and that lost most" in text
    assert "judge: no query won anything" in text or "Won most: " in text


def test_one_configuration_is_no_lonely_dot(page: str) -> None:
    assert "tradeoff-" not in page
    assert "Quality against latency" in page


@pytest.mark.parametrize("seconds", [(7.7, 8.2), (0.02, 9.0)])
def test_the_axis_of_times_begins_at_0(seconds: tuple[float, float]) -> None:
    dots = [Tradeoff(f"s{n}", 0.5, each, on_front=True) for n, each in enumerate(seconds)]
    plot = tradeoff_plot(dots, 0.4, "nDCG@10")
    ticks = re.findall(r'id="tradeoff-xtick_\d+".*?<text[^>]*>([^<]+)</text>', plot, re.DOTALL)
    assert ticks[0] == "0"
    assert float(ticks[-1]) <= 1000 * max(seconds) * 1.15


def test_a_difference_of_next_to_nothing_fills_no_axis() -> None:
    dots = [Tradeoff(f"s{n}", each, 1.0, on_front=True) for n, each in enumerate((0.5, 0.501))]
    plot = tradeoff_plot(dots, 0.499, "nDCG@10")
    ticks = re.findall(r'id="tradeoff-ytick_\d+".*?<text[^>]*>([^<]+)</text>', plot, re.DOTALL)
    assert float(ticks[-1]) - float(ticks[0]) >= 8


def test_the_two_times_of_a_depth_say_which_queries_each_is_of(one: Comparison, page: str) -> None:
    timed = timed_queries(one)
    assert timed < 3  # one of them has no candidates
    text = text_of(page)
    assert "Time of all 3 queries" in text
    assert f"Times here are of the first {timed} queries alone, taken anew" in text
    assert f"median of {timed} queries" in text


def test_the_share_of_cut_passages_is_shown_or_called_not_known(
    collection: JudgedCollection, one: Comparison, page: str
) -> None:
    (order,) = one.reranked
    assert order.cut is not None
    assert f"({order.cut} of {order.pairs})" in text_of(page)
    scorers: dict[str, ScoreFunction] = {"backwards": backwards}
    other = compare(collection, bm25_candidates(collection), scorers)
    times = text_of(page_of([other], scorers)).partition("Time of all 3 queries")[2]
    assert "not known" in times.partition("How deep")[0]


def test_what_not_judged_means_is_said_and_how_much_of_the_top_it_is(page: str) -> None:
    text = text_of(page)
    assert "not judged of the first 10" in text
    assert "Measures count a passage that is not judged as not relevant" in text
    assert 'href="#words"' in page
    assert 'id="words"' in page


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome, to show the page in")
@pytest.mark.parametrize("scorers", [1, 4])
def test_a_telephone_shows_all_of_it_in_readable_letters_without_scrolling_sideways(
    tmp_path: Path, collection: JudgedCollection, scorers: int
) -> None:
    long_name = "someone-of-some-company/a-cross-encoder-with-a-very-long-name-v2 openvino bf16"
    functions: dict[str, ScoreFunction] = {
        f"{long_name} {number}": (cutting, backwards)[number % 2] for number in range(scorers)
    }
    compared = compare(collection, bm25_candidates(collection), functions)
    found = shown(page_of([compared, compared], functions), tmp_path)
    assert found["asked"] == found["width"] == PHONE
    assert found["wide"] == []
    assert found["small"] == []


def shown(page: str, folder: Path) -> dict[str, object]:
    """What a browser says of a page in a frame as wide as a telephone."""
    script = MEASURED.replace("WIDTH", str(PHONE)).replace("READABLE", str(READABLE))
    outer = folder / "outer.html"
    outer.write_text(
        f"<!doctype html><meta charset=utf-8><body><iframe style='border: 0; width: {PHONE}px; "
        f'height: 700px\' srcdoc="{escaping.escape(page)}"></iframe>'
        f"<script>window.onload = () => {{ {script} }}</script>",
        encoding="utf-8",
    )
    assert BROWSER is not None
    arguments = ["--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder / 'u'}"]
    if os.geteuid() == 0:  # the browser refuses its sandbox to root
        arguments.append("--no-sandbox")
    done = subprocess.run(
        [BROWSER, *arguments, "--hide-scrollbars", "--dump-dom", outer.as_uri()],
        capture_output=True,
        text=True,
        check=True,
    )
    said = re.search("found({.*})end", done.stdout, re.DOTALL)
    assert said is not None, done.stdout[-2000:]
    found: dict[str, object] = json.loads(escaping.unescape(said[1]))
    return found
