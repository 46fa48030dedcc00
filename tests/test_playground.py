"""`/playground` in a browser: what it shows, by keyboard, in any width, with a token, and alone."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.demo import load_corpus
from rerank_plugins.retrieval.bm25 import Bm25Search
from rerank_plugins.testing import DeterministicScorer
from tests.browsers import BROWSER, opened
from tests.servers import served

QUESTION = "why does my voice sound weird on recordings"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as (_, client):
        yield str(client.base_url)


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    with opened(f"{address}/playground") as page:
        expect(page.locator("#picked option")).to_have_count(50)
        yield page


def use_own(page: Page, question: str, passages: str) -> None:
    page.get_by_role("radio", name="My own passages").check()
    page.get_by_role("searchbox", name="Question").fill(question)
    page.get_by_role("textbox", name="Passages").fill(passages)
    page.get_by_role("button", name="Rank").click()


def shown_after(page: Page) -> list[str]:
    """The passages in the model's order."""
    return page.locator(".text").all_text_contents()


def test_a_demo_question_is_shown_before_and_after_with_scores_and_what_answers(page: Page) -> None:
    corpus = load_corpus()
    search = Bm25Search([f"{passage.title} {passage.text}" for passage in corpus])
    found = [corpus[hit.index] for hit in search.search(QUESTION, 30)]
    texts = [f"{passage.title}\n{passage.text}" for passage in found]
    with CrossEncoderScorer("embedded") as scorer:
        wanted = Reranker(scorer).rank(QUESTION, texts)
        best = [found[one.index].text for one in wanted[:10]]
        spans = {
            best[one.index][span.start : span.end]
            for one in Reranker(scorer).rank(QUESTION, best, spans=True, max_spans=1)
            for span in one.spans
            if span.score >= 0.1
        }
    expect(page.get_by_role("searchbox", name="Question")).to_have_value(QUESTION)
    page.get_by_role("button", name="Rank").click()
    expect(page.locator("mark")).to_have_count(len(spans))
    assert set(page.locator("mark").all_text_contents()) == spans
    assert page.locator("#before .start").all_text_contents() == [one.title for one in found]
    assert shown_after(page) == [found[one.index].text for one in wanted]
    scores = [text.removeprefix("score ") for text in page.locator(".score").all_text_contents()]
    assert scores == [f"{one.score:.3f}" for one in wanted]
    assert page.locator(".was").all_text_contents() == [f"was {one.index + 1}" for one in wanted]
    assert re.fullmatch(
        r"embedded ranked 30 passages in \d+\.\d\d seconds\. The first one was number 6 before\.",
        page.get_by_role("status").inner_text(),
    )


@pytest.mark.parametrize("between", ["\n", "\n\n", "\n \n\n"])
def test_own_passages_are_lines_or_paragraphs_and_marks_are_where_they_belong(
    page: Page, between: str
) -> None:
    passages = ["Copper roofs turn green.", "😀😀 Oh. Yeast makes gas. It lifts the dough."]
    use_own(page, "Why does bread dough rise?", between.join(passages))
    expect(page.locator("mark")).to_have_text("It lifts the dough.")
    assert shown_after(page) == passages[::-1]
    page.get_by_role("checkbox", name="Mark the sentence that answers").uncheck()
    page.get_by_role("textbox", name="Passages").fill("one line\nof two\n\nanother")
    page.get_by_role("button", name="Rank").click()
    page.locator(".text").get_by_text("another").wait_for()
    assert set(shown_after(page)) == {"one line\nof two", "another"}
    assert page.locator("mark").count() == 0


def test_it_is_used_with_the_keyboard_alone(page: Page) -> None:
    def tab() -> str:
        """Goes on, and returns the name of what has the focus, which must be visible."""
        page.keyboard.press("Tab")
        focused = page.locator(":focus-visible")
        assert focused.evaluate("each => parseFloat(getComputedStyle(each).outlineWidth)") >= 2
        return focused.aria_snapshot().partition(":")[0]

    names = [tab() for _ in range(5)]
    assert names == [
        '- radio "Passages of the demo" [checked]',
        '- searchbox "Question"',
        '- combobox "Or one of the demo\'s"',
        '- checkbox "Mark the sentence that answers" [checked]',
        '- button "Rank"',
    ]
    for _ in range(3):
        page.keyboard.press("Shift+Tab")
    page.keyboard.type("who made the first password")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#after li").first).to_contain_text("password")
    assert tab() == "- text"  # "20 more"
    page.keyboard.press("Enter")
    expect(page.locator("#rest li").last).to_be_visible()
    assert tab().startswith('- link "1 ')
    page.keyboard.press("Enter")
    expect(page.locator("li:target")).to_contain_text("was 1")


def test_own_passages_are_chosen_by_arrow_keys(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("red fox")
    page.keyboard.press("Tab")
    page.keyboard.type("a dog\nthe red fox")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".text")).to_have_text(["the red fox", "a dog"])


def test_a_long_passage_scrolls_with_keys_to_what_answers(page: Page) -> None:
    texts = [passage.text for passage in load_corpus()]
    use_own(page, QUESTION, " ".join(texts))
    page.locator("mark").wait_for()
    page.locator("#after li").scroll_into_view_if_needed()
    expect(page.locator("mark")).to_be_in_viewport()
    assert page.get_by_role("group", name="Passage, scrolls").evaluate("each => each.tabIndex") == 0


def test_what_is_missing_is_said_and_gets_the_focus(page: Page) -> None:
    use_own(page, "", "")
    expect(page.get_by_role("region")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_text("Type a question first.")
    expect(page.get_by_role("searchbox")).to_be_focused()
    use_own(page, "fox", " \n ")
    expect(page.get_by_role("alert")).to_have_text("Paste some passages first.")
    expect(page.get_by_role("textbox", name="Passages")).to_be_focused()
    page.get_by_role("radio", name="Passages of the demo").check()
    page.get_by_role("searchbox").fill("xyzzy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(
        "No passage of the demo shares a word with this question. Try other words."
    )
    use_own(page, "fox", "a fox")
    expect(page.get_by_role("alert")).to_have_text("")


def test_errors_of_the_server_are_shown_in_its_words_and_its_end_in_ours() -> None:
    words = {"words": Reranker(DeterministicScorer())}
    with served(words, max_documents=2) as (_, client):
        opening = opened(f"{client.base_url}/playground")
        page = opening.__enter__()
        use_own(page, "fox", "a\nb\nc")
        expect(page.get_by_role("alert")).to_contain_text("batch size 2. Send fewer documents")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_have_text(
        "The server does not answer. Is it still running?"
    )
    opening.__exit__(None, None, None)


def test_a_model_is_chosen_where_there_are_several() -> None:
    rerankers = {
        "words": Reranker(DeterministicScorer()),
        "letters": Reranker(DeterministicScorer(lambda _, passage: float(-len(passage)))),
    }
    with served(rerankers) as (_, client), opened(f"{client.base_url}/playground") as page:
        page.get_by_role("combobox", name="Model").select_option("letters")
        page.get_by_role("checkbox").uncheck()  # such a scorer has no parts
        use_own(page, "red fox", "the red fox\na dog")
        expect(page.locator(".text")).to_have_text(["a dog", "the red fox"])
        expect(page.get_by_role("status")).to_contain_text("letters ranked 2 passages")


LOOKED_AT = """() => {
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (each) => {
    const color = getComputedStyle(each).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? behind(each.parentElement) : color;
  };
  const speaks = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
  const found = {faint: [], small: [], wide: document.documentElement.scrollWidth - innerWidth};
  for (const each of document.body.querySelectorAll("*:not(script)")) {
    if (![...each.childNodes].some(speaks) || !each.checkVisibility()) continue;
    const style = getComputedStyle(each);
    const [less, more] = [light(style.color), light(behind(each))].sort((a, b) => a - b);
    const contrast = (more + 0.05) / (less + 0.05);
    if (contrast < 4.5) found.faint.push(`${contrast} ${each.outerHTML.slice(0, 80)}`);
    if (parseFloat(style.fontSize) < 12) found.small.push(each.outerHTML.slice(0, 80));
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 1200])
def test_it_is_readable_in_light_and_dark_and_in_any_width(
    address: str, scheme: str, width: int
) -> None:
    view: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with opened(f"{address}/playground", **view) as page:
        expect(page.get_by_role("searchbox")).to_have_value(QUESTION)
        page.get_by_role("button").click()
        page.locator("mark").first.wait_for()
        assert page.evaluate(LOOKED_AT) == {"faint": [], "small": [], "wide": 0}


def test_it_asks_no_other_host_and_cannot(address: str) -> None:
    with (
        served({"other": Reranker(DeterministicScorer())}) as (_, other),
        opened("about:blank") as page,
    ):
        asked, problems = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/playground")
        expect(page.get_by_role("searchbox")).to_have_value(QUESTION)
        page.get_by_role("button").click()
        page.locator("mark").first.wait_for()
        assert {url for url in asked if not url.startswith((f"{address}/", "data:"))} == set()
        assert problems == []
        elsewhere = f"fetch('{other.base_url}').then(() => 'asked', () => 'refused')"
        assert page.evaluate(elsewhere) == "refused"
        assert "Content Security Policy" in " ".join(problems)


def test_a_person_gives_the_token_as_a_password() -> None:
    words = {"words": Reranker(DeterministicScorer())}
    with served(words, tokens=["sécret:1"]) as (_, client):
        url = f"{client.base_url}/playground"
        refused = client.get("/playground")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic ")
        person = {"username": "anyone", "password": "sécret:1"}
        with opened(url, http_credentials=person) as page:
            page.get_by_role("checkbox").uncheck()
            use_own(page, "red fox", "a dog\nthe red fox")
            expect(page.locator(".text")).to_have_text(["the red fox", "a dog"])
            assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
            assert page.context.cookies() == []


def test_a_password_counts_for_reading_and_for_what_no_other_page_can_send() -> None:
    """A browser adds it to what pages of others send, too; JSON they cannot send."""
    words = {"words": Reranker(DeterministicScorer())}
    body = b'{"query": "fox", "texts": ["dog"]}'
    with served(words, tokens=["secret"]) as (_, client):

        def status(password: str, kind: str) -> int:
            headers = {"content-type": kind}
            person = httpx.BasicAuth("", password)
            return client.post("/rerank", content=body, headers=headers, auth=person).status_code

        assert status("secret", "application/json") == 200
        assert status("other", "application/json") == 401
        assert status("secret", "text/plain") == 401
        assert client.get("/info", auth=httpx.BasicAuth("", "secret")).status_code == 200
        broken = client.get("/info", headers={"authorization": "Basic a"})
        assert broken.status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b'{"query": 1}', b'{"query": "' + b"a" * 200_000])
def test_a_search_of_the_demo_without_a_question_is_an_error(address: str, body: bytes) -> None:
    answer = httpx.post(f"{address}/playground/demo", content=body)
    assert answer.status_code in (400, 413)
    assert answer.json()["message"]
