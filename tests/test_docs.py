"""Every Python block in pages and notebooks runs, and prints what the page says it prints."""

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import warnings
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer
from tests.forked import forked_process
from tests.pages import NOTEBOOKS, PAGES, ROOT, python_blocks

NUMBER = re.compile(r"-?\d+\.\d+")
TOLERANCE = 0.02  # processors round differently; a page shows two or three decimals


def run_page(blocks: list[str], *, alone: bool) -> list[str]:
    """What each block prints, in the namespace of those before it or in one of its own."""
    os.chdir(ROOT)
    warnings.simplefilter("ignore")
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = []
    for code in blocks:
        if alone:
            namespace = {"__name__": "__main__"}
        with contextlib.redirect_stdout(io.StringIO()) as output:
            # a cell of a notebook may await
            compiled = compile(code, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(compiled, namespace)
            if inspect.iscoroutine(result):
                asyncio.run(result)
        printed.append(output.getvalue())
    return printed


def with_code() -> list[Path]:
    return [page for page in [*PAGES, *NOTEBOOKS] if python_blocks(page)]


@pytest.mark.parametrize("page", with_code(), ids=str)
def test_the_code_on_a_page_runs_and_prints_what_the_page_says(
    page: Path,
) -> None:
    blocks = python_blocks(page)
    with forked_process() as process:
        # Nobody reads a README from its beginning: whichever block is copied runs on its own.
        alone = page.name == "README.md"
        outputs = process.submit(run_page, [code for code, _ in blocks], alone=alone).result()
    for (code, shown), printed in zip(blocks, outputs, strict=True):
        wanted = shown or ""
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", wanted).split(), code
        numbers = [[float(n) for n in NUMBER.findall(text)] for text in (printed, wanted)]
        assert numbers[0] == pytest.approx(numbers[1], abs=TOLERANCE), code


def test_the_readme_has_an_example_for_each_framework() -> None:
    code = "".join(code for code, _ in python_blocks(Path("README.md")))
    for package in ("haystack_integrations", "llama_index.postprocessor", "langchain_rerank"):
        assert package in code


def test_the_table_of_options_has_each_option_with_its_default() -> None:
    text = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", text.partition("## Options")[2], re.MULTILINE)
    options = inspect.signature(CrossEncoderScorer).parameters
    assert {name: ast.literal_eval(default) for name, default in rows} == {
        name: option.default for name, option in options.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / page.parent / target).exists(), target
