"""What `rerank eval` tells: all of it in JSON, and a page that stands alone and escapes texts."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rerank_plugins import Passage, Reranker
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import (
    Comparison,
    JudgedCollection,
    Report,
    Tradeoff,
    as_html,
    as_json,
    check_card,
    compare,
    current_environment,
    depth_curves,
    fused_order,
    measures,
    read_collection,
    tradeoffs,
    with_orders,
    worst_queries,
)
from rerank_plugins.evaluation.cards import CARDS, CardFigure, card_figures
from rerank_plugins.evaluation.comparison import Order
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.marks import found_marks
from rerank_plugins.testing import DeterministicScorer
from tests.test_evaluation import QUERIES, by_length, judge, write_collection

COMMAND = "rerank eval 'my <collection>' --html report.html"


def backwards(query: str, passages: list[str]) -> list[float]:
    return [-score for score in judge(query, passages)]


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    collection = read_collection(write_collection(tmp_path / "animals"))
    scorers = {"judge": judge, "backwards": backwards, "length": by_length}
    return compare(collection, bm25_candidates(collection), scorers)


@pytest.fixture
def report(comparison: Comparison) -> Report:
    scorers = {"judge": judge, "backwards": backwards, "length": by_length}
    return Report(
        [comparison],
        current_environment(COMMAND),
        [depth_curves(comparison, scorers)],
        {"judge": 123.4, "backwards": None},
        check_card([CardFigure("animals", "nDCG@10", 0.8)], [comparison]),
    )


class TestLostQueries:
    def test_are_those_that_lost_most_with_what_stood_first(self, comparison: Comparison) -> None:
        worst = worst_queries(comparison, comparison.reranked[1])
        losses = [query.after - query.before for query in worst]
        assert losses == sorted(losses)
        assert all(loss < 0 for loss in losses)
        query = next(query for query in worst if query.query_id == "q1")
        assert query.query == QUERIES["q1"]
        assert query.first_before is not None
        assert query.first_after is not None
        assert (query.first_before.passage_id, query.first_before.relevance) == ("p2", 1)
        assert (query.first_after.passage_id, query.first_after.relevance) == ("p1", 0)
        assert query.first_after.text == "A fox runs along the river at night."

    def test_none_lost_against_itself(self, comparison: Comparison) -> None:
        assert worst_queries(comparison, comparison.first_stage) == []

    def test_are_at_most_as_many_as_asked_for(self, comparison: Comparison) -> None:
        assert len(worst_queries(comparison, comparison.reranked[1], count=1)) == 1

    def test_a_passage_that_nobody_judged_says_so(self) -> None:
        passages, queries = {"a": "x", "b": "y"}, {"q": "which"}
        collection = JudgedCollection("c", passages, queries, {"q": {"a": 1}})
        result = compare(collection, {"q": {"a": 2.0, "b": 1.0}}, {"worse": lambda q, p: [0, 1]})
        (query,) = worst_queries(result, result.reranked[0])
        assert query.first_after is not None
        assert query.first_after.relevance is None


class TestTradeoffs:
    def order(self, name: str, quality: float, seconds: float) -> Order:
        return Order(name, {"q": {"p": 1.0}}, {"nDCG@10": {"q": quality}}, {"q": seconds})

    def compared(self, *orders: Order) -> Comparison:
        collection = JudgedCollection("c", {"p": "x"}, {"q": "which"}, {"q": {"p": 1}})
        return Comparison(collection, 10, self.order("bm25", 0.1, 0), list(orders))

    def test_the_front_is_what_nothing_beats_in_both(self) -> None:
        fast, good = self.order("fast", 0.5, 0.1), self.order("good", 0.9, 0.3)
        slow, bad = self.order("slow", 0.9, 0.4), self.order("bad", 0.4, 0.2)
        found = tradeoffs([self.compared(fast, good, slow, bad)])
        assert [each.name for each in found if each.on_front] == ["fast", "good"]

    def test_what_is_no_better_than_the_first_stage_alone_is_not_on_the_front(self) -> None:
        (found,) = tradeoffs([self.compared(self.order("worse", 0.05, 0.1))])
        assert not found.on_front

    def test_equal_ones_are_both_on_the_front(self) -> None:
        found = tradeoffs([self.compared(self.order("a", 0.5, 0.1), self.order("b", 0.5, 0.1))])
        assert [each.on_front for each in found] == [True, True]

    def test_quality_is_the_mean_over_collections_and_time_the_median(self) -> None:
        comparisons = [self.compared(self.order("a", q, s)) for q, s in ((0.2, 0.1), (0.6, 0.3))]
        assert tradeoffs(comparisons) == [
            Tradeoff("a", pytest.approx(0.4), pytest.approx(0.2), on_front=True)
        ]


class TestJson:
    def test_holds_means_queries_changes_latency_and_machine(self, report: Report) -> None:
        value = json.loads(json.dumps(as_json(report)))
        comparison = report.comparisons[0]
        collection = value["collections"][0]
        reranked = collection["reranked"][0]
        first = collection["first_stage"]
        assert first["means"]["nDCG@10"] == comparison.first_stage.mean("nDCG@10")
        assert collection["recall_ceiling"] == first["means"]["R@100"]
        assert reranked["by_query"]["RR@10"] == {"q1": 1.0, "q2": 1.0, "q3": 0.0}
        assert reranked["change_by_query"]["RR@10"] == {
            name: reranked["by_query"]["RR@10"][name] - first["by_query"]["RR@10"][name]
            for name in QUERIES
        }
        change = reranked["change"]["nDCG@10"]
        assert change["queries"] == 3 == change["better"] + change["worse"] + change["unchanged"]
        assert 0 < change["p_value"] <= 1
        assert reranked["change_from_first_scorer"] == {}
        against = collection["reranked"][1]["change_from_first_scorer"]["nDCG@10"]
        assert against["mean"] == pytest.approx(
            comparison.reranked[1].mean("nDCG@10") - comparison.reranked[0].mean("nDCG@10")
        )
        assert against["worse"] > 0
        assert reranked["latency_seconds"]["p50"] > 0
        assert [point["depth"] for point in reranked["curve"]] == [0, 10, 20, 30, 50, 100]
        assert value["peak_megabytes"] == {"judge": 123.4, "backwards": None}
        assert value["environment"]["command"] == COMMAND
        assert value["environment"]["cores"] >= 1
        assert "numpy" in value["environment"]["packages"]
        assert {each["name"] for each in value["tradeoffs"]} == {"judge", "backwards", "length"}
        lost = collection["reranked"][1]["worst_queries"][0]
        assert set(lost) >= {"query", "before", "after", "first_before", "first_after"}


class Page(HTMLParser):
    """What a page refers to and which ids it gives."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.references.append(value or "")


class TestHtml:
    def test_the_page_needs_no_other_file(self, report: Report) -> None:
        html = as_html(report)
        page = Page(html)
        assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
        assert all(reference.startswith("#") for reference in page.references)
        assert "@import" not in html
        assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))

    def test_every_plot_has_ids_of_its_own(self, report: Report) -> None:
        page = Page(as_html(report))
        assert page.tags.count("svg") == 8  # trade-off, time, 3 of the curve, a change each
        assert len(set(page.ids)) == len(page.ids)
        assert {reference.removeprefix("#") for reference in page.references} <= set(page.ids)

    def test_scorers_are_compared_with_the_first_stage_and_with_the_first_of_them(
        self, report: Report
    ) -> None:
        text = " ".join(re.sub(r"<[^>]+>", " ", as_html(report)).split())
        assert text.count("Change of nDCG@10 by reranking") == 1
        table = text.partition("Change of nDCG@10 from 1 judge ")[2]
        second = report.comparisons[0].against_first_scorer("nDCG@10")["backwards"]
        assert re.match(rf"mean .* p 2 backwards {re.escape(f'{100 * second.mean:+.1f}')} ", table)

    def test_plots_take_the_pages_colours(self, report: Report) -> None:
        html = as_html(report)
        assert "currentColor" in html
        assert "#010203" not in html

    def test_texts_and_names_are_escaped(self, tmp_path: Path) -> None:
        evil = "<script>alert('x')</script>"
        passages = {"a": f"{evil} one", "b": f"{evil} two"}
        collection = JudgedCollection(evil, passages, {"q": evil}, {"q": {"a": 1}})
        found = {"q": {"a": 2.0, "b": 1.0}}
        result = compare(collection, found, {evil: lambda query, texts: [0.0, 1.0]})
        html = as_html(Report([result], current_environment(evil)))
        assert evil not in html
        assert "&lt;script&gt;" in html
        assert "script" not in Page(html).tags

    def test_shows_tables_lost_queries_card_and_machine(self, report: Report) -> None:
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", as_html(report)))
        for wanted in (
            "my &lt;collection&gt;",
            "MRR@10",
            "R@100",
            "recall ceiling",
            "Pareto front",
            "123 MB",
            QUERIES["q1"],
            "First is now: A fox runs along the river at night. (p1, judged 0)",
            "Against the model card",
            "animals nDCG@10 judge 3 80.00",
            "judge: no query lost anything",
            "numpy",
        ):
            assert wanted in text, wanted

    def test_long_passages_are_shortened(self) -> None:
        passages = {"a": "answer", "b": "word " * 1000}
        collection = JudgedCollection("c", passages, {"q": "which"}, {"q": {"a": 1}})
        result = compare(collection, {"q": {"a": 2.0, "b": 1.0}}, {"s": lambda q, p: [0.0, 1.0]})
        html = as_html(Report([result], current_environment("")))
        assert 50 < html.count("word ") < 100

    def test_the_sentence_that_answers_is_marked(self) -> None:
        answer = "The <red> fox sleeps."
        filler = "Dogs & cats play in the garden. " * 20
        passages = {
            "a": f"A dog. {answer} A cat.",
            "b": Passage(f"{filler}{answer} {filler}", header="Animals "),
        }
        collection = JudgedCollection("c", passages, {"q": "the <red> fox"}, {"q": {"b": 1}})
        candidates = {"q": {"a": 2.0, "b": 1.0}}
        result = compare(collection, candidates, {"judge": lambda q, p: [0.0, 1.0]})
        marks = found_marks(result, {"judge": Reranker(DeterministicScorer())})
        html = as_html(Report([result], current_environment(""), marks=[marks]))
        assert html.count("<mark>The &lt;red&gt; fox sleeps.</mark>") == 2
        assert "A dog. <mark>" in html
        assert "… <mark>" in html
        assert "<mark>" not in as_html(Report([result], current_environment("")))
        assert found_marks(result, {}) == {}

    def test_so_is_it_in_the_order_that_has_the_first_stages_opinion(self) -> None:
        collection = JudgedCollection(
            "c", {"a": "A fox.", "b": "A dog. The red fox."}, {"q": "the red fox"}, {"q": {"b": 1}}
        )
        judge = DeterministicScorer()
        result = compare(collection, {"q": {"a": 2.0, "b": 1.0}}, {"judge": judge})
        fused = fused_order(result, result.reranked[0], 0.1, "judge + first stage")
        (both,) = with_orders([result], [[fused]])
        marks = found_marks(both, {"judge": Reranker(judge)})
        html = as_html(Report([both], current_environment(""), marks=[marks]))
        assert html.count("<mark>The red fox.</mark>") == 2

    def test_long_passages_without_spaces_show_their_beginning(self) -> None:
        passages = {"a": "answer", "b": "H2O " + "水" * 1000}
        collection = JudgedCollection("c", passages, {"q": "which"}, {"q": {"a": 1}})
        result = compare(collection, {"q": {"a": 2.0, "b": 1.0}}, {"s": lambda q, p: [0.0, 1.0]})
        html = as_html(Report([result], current_environment("")))
        assert 100 < html.count("水") < 500

    def test_thousands_of_queries_make_no_huge_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measures, "RESAMPLES", 9)  # how sure a difference is takes longest
        queries = {f"q{n}": "which" for n in range(5000)}
        judgements = {name: {"a": 1} for name in queries}
        collection = JudgedCollection("c", {"a": "x", "b": "y"}, queries, judgements)
        found = {name: {"b": 2.0, "a": 1.0} for name in queries}
        result = compare(collection, found, {"s": lambda query, passages: [0.0, 1.0]})
        assert len(as_html(Report([result], current_environment("")))) < 200_000


class TestCards:
    def test_says_how_far_off_the_card_each_scorer_is(self, comparison: Comparison) -> None:
        checks = check_card([CardFigure("animals", "RR@10", 0.5)], [comparison])
        assert [check.scorer for check in checks] == ["judge", "backwards", "length"]
        assert checks[0].measured == pytest.approx(2 / 3)
        assert checks[0].percent_off == pytest.approx(100 / 3)
        assert checks[0].queries == 3

    def test_every_card_names_two_datasets(self) -> None:
        for name, figures in CARDS.items():
            assert [figure.dataset for figure in figures] == [
                "msmarco-passage/trec-dl-2019/judged",
                "msmarco-passage/dev/small",
            ], name
            assert all(0 < figure.value < 1 for figure in figures)

    def test_an_unknown_card_is_an_error_that_lists_those_there_are(self) -> None:
        with pytest.raises(InvalidInputError, match="ms-marco-MiniLM-L4-v2"):
            card_figures("someone/model")
