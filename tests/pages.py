"""The pages of this repository: their code, what they show as its output, and their commands.

Only of the standard library: fresh environments read it too.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import itertools
import json
import re
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    {
        path.relative_to(ROOT)
        for pattern in ("README.md", "docs/*.md", "[a-z]*/*/README.md", "examples/*/*.md")
        for path in ROOT.glob(pattern)
    }
)
NOTEBOOKS = sorted(path.relative_to(ROOT) for path in ROOT.glob("integrations/*/examples/*.ipynb"))

_NUMBER = re.compile(r"-?\d+\.\d+")
_TOLERANCE = 0.02  # processors round differently; a page shows two or three decimals
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_IN_A_SENTENCE = re.compile(r"`((?:pip install|rerank [a-z]+)(?: [^`\s]+)*? (?!-)[^`\s]+)`")


def python_blocks(page: Path) -> list[tuple[str, str | None]]:
    """Code blocks to run, each with the output block that follows it, if one does."""
    if page.suffix == ".ipynb":
        return _notebook_cells(page)
    pairs = itertools.pairwise([*_fenced(page), ("", "")])
    return [
        (code, following if tag == "text" else None)
        for (kind, code), (tag, following) in pairs
        if kind == "python"
    ]


def run_blocks(page: Path, blocks: list[str]) -> list[str]:
    """What each block prints. Those of a README run alone: nobody copies it from its beginning."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # they may write files
        Path("rerank_plugins").symlink_to(
            ROOT / "rerank_plugins"
        )  # the model card names its folder
        return _run_blocks(page, blocks)


def _run_blocks(page: Path, blocks: list[str]) -> list[str]:
    warnings.simplefilter("ignore")
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = []
    for code in blocks:
        if page.name == "README.md":
            namespace = {"__name__": "__main__"}
        with contextlib.redirect_stdout(io.StringIO()) as output:
            # a cell of a notebook may await
            compiled = compile(code, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(compiled, namespace)
            if inspect.iscoroutine(result):
                asyncio.run(result)
        printed.append(output.getvalue())
    return printed


def difference(printed: str, shown: str) -> str | None:
    """How the output differs from what the page shows, space and last decimals aside."""
    words = [_NUMBER.sub("#", text).split() for text in (printed, shown)]
    numbers = [[float(n) for n in _NUMBER.findall(text)] for text in (printed, shown)]
    if words[0] == words[1]:
        pairs = zip(*numbers, strict=True)
        if all(abs(was - said) <= _TOLERANCE for was, said in pairs):
            return None
    return f"printed:\n{printed}\nand the page says:\n{shown}"


def command_lines(page: Path) -> list[str]:
    """What a page tells to type, in its order: in blocks for a console and in its sentences."""
    found = []
    for kind, text in [*_fenced(page), *_sentences(page)]:
        if kind == "console":
            whole = re.sub(r"\\\n\s*", "", text)
            found += [line.partition("  #")[0].strip() for line in whole.splitlines()]
    return list(dict.fromkeys(found))


def _fenced(page: Path) -> list[tuple[str, str]]:
    return _FENCE.findall((ROOT / page).read_text(encoding="utf-8"))


def _sentences(page: Path) -> list[tuple[str, str]]:
    plain = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return [("console", command) for command in _IN_A_SENTENCE.findall(plain)]


def _notebook_cells(notebook: Path) -> list[tuple[str, str | None]]:
    """Code cells to run, each with the output that the notebook shows."""
    cells = json.loads((ROOT / notebook).read_text(encoding="utf-8"))["cells"]
    return [
        ("".join(cell["source"]), "".join(line for out in cell["outputs"] for line in out["text"]))
        for cell in cells
        if cell["cell_type"] == "code"
    ]
