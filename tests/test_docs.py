"""Every Python block in pages and notebooks runs, and prints what the page says it prints."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import rerank_plugins
from rerank_plugins import errors
from rerank_plugins.options import (
    DOCUMENT_OPTIONS,
    RANKING_OPTIONS,
    RESULT_OPTIONS,
    SCORER_OPTIONS,
)
from tests.forked import forked_process
from tests.pages import NOTEBOOKS, PAGES, ROOT, difference, python_blocks, run_blocks
from tests.test_rooms import DOORS


def with_code() -> list[Path]:
    return [page for page in [*PAGES, *NOTEBOOKS] if python_blocks(page)]


@pytest.mark.parametrize("page", with_code(), ids=str)
def test_the_code_on_a_page_runs_and_prints_what_the_page_says(
    page: Path,
) -> None:
    blocks = python_blocks(page)
    with forked_process() as process:
        outputs = process.submit(run_blocks, page, [code for code, _ in blocks]).result()
    for (code, shown), printed in zip(blocks, outputs, strict=True):
        assert difference(printed, shown or "") is None, code


def test_the_readme_has_an_example_for_each_framework() -> None:
    code = "".join(code for code, _ in python_blocks(Path("README.md")))
    for package in ("haystack_integrations", "llama_index.postprocessor", "langchain_rerank"):
        assert package in code


def test_the_tables_of_options_say_of_each_its_default_and_its_sentence() -> None:
    text = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    row = r"^\| `(\w+)` \| `(.+?)` \| (.+) \|$"
    rows = re.findall(row, text.partition("## Options")[2], re.MULTILINE)
    tables = (SCORER_OPTIONS, RANKING_OPTIONS, DOCUMENT_OPTIONS, RESULT_OPTIONS)
    options = [option for table in tables for option in table.values()]
    assert [(name, ast.literal_eval(default), said) for name, default, said in rows] == [
        (option.name, option.default, option.description) for option in options
    ]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / page.parent / target).exists(), target


def test_the_site_shows_each_page_of_the_docs_and_of_the_api() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    shown = re.findall(r"[\w/-]+\.md", str(site["nav"]))
    docs = ROOT / "docs"
    assert sorted(shown) == sorted(str(page.relative_to(docs)) for page in docs.rglob("*.md"))


def test_the_api_reference_has_each_public_name_of_the_core() -> None:
    page = (ROOT / "docs" / "api" / "rerank_plugins.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^::: rerank_plugins\.(\w+)$", page, re.MULTILINE))
    assert shown - {"errors"} == set(rerank_plugins.__all__) - {*errors.__all__, "__version__"}
    assert "errors" in shown


def test_the_api_reference_has_a_page_for_each_door() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "api").glob("*.md")}
    assert pages == {"rerank_plugins", *DOORS} - {"demo"}


def test_the_page_on_installing_lists_each_extra() -> None:
    text = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `?([\w-]+)`? \| .* \| (?:yes|no) \|", text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(rows) == {"none", *project["optional-dependencies"]}
