"""The plan of rooms in docs/architecture.md, held to what modules import."""

import ast
import graphlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, python_blocks

PACKAGE = ROOT / "rerank_plugins"
DOORS = {"demo", "evaluation", "fine_tuning", "formats", "scale_out", "testing", "wrappers"}
"""What users and integrations may import, besides the names of the root."""


def rooms_of_the_page() -> dict[str, set[str]]:
    """Each room, or module of the root, with what it may import."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)[./py]*` \|.*\|(.*)\|$", page, re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", allowed)) for room, allowed in rows}


def modules() -> dict[str, Path]:
    """The dotted name of each module below the package, and its file."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = file
    return found


def imported_by(code: str, known: set[str]) -> Iterator[str]:
    """The modules of the package that some code imports, wherever in it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for name in node.names:
                module = f"{node.module}.{name.name}"
                yield module if module in known else node.module


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    known = modules()
    return {
        name: set(imported_by(file.read_text(encoding="utf-8"), set(known)))
        for name, file in known.items()
    }


def test_each_room_imports_what_the_page_says_and_nothing_else(
    imports: dict[str, set[str]],
) -> None:
    found: dict[str, set[str]] = {}
    for module, targets in imports.items():
        rooms = found.setdefault(room_of(module), set())
        rooms |= {room_of(target) for target in targets} - {room_of(module)}
    assert found == rooms_of_the_page()


def test_no_rooms_and_no_modules_import_each_other_in_a_circle(
    imports: dict[str, set[str]],
) -> None:
    for graph in (imports, rooms_of_the_page()):
        graphlib.TopologicalSorter(graph).prepare()


def test_at_the_root_are_only_the_modules_that_users_import_from() -> None:
    at_root = {file.name for file in PACKAGE.glob("*.py")}
    root = {"__init__", "errors", "reranker", "results", "scorer", "testing", "work"}
    assert at_root == {f"{name}.py" for name in root}


def test_a_room_says_whether_it_is_a_door_or_private() -> None:
    rooms = {file.parent for file in PACKAGE.rglob("*.py")} - {PACKAGE}
    for room in rooms:
        name = ".".join(room.relative_to(ROOT).parts)
        if room.name in ("evaluation", "fine_tuning"):  # they need an extra; all is exported there
            importlib.import_module(name)
        document = ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8"))) or ""
        said = "public door" if room.name in DOORS else "Private to"
        assert said in " ".join(document.split()), name


@pytest.mark.parametrize("folder", ["integrations", "examples"])
def test_integrations_and_examples_come_in_through_the_doors(folder: str) -> None:
    sources = {
        str(file): file.read_text(encoding="utf-8")
        for file in (ROOT / folder).rglob("*.py")
        if not {"tests", "embedded_model"} & set(file.relative_to(ROOT).parts)
    }
    assert sources
    _check_doors(sources)


def test_pages_come_in_through_the_doors() -> None:
    _check_doors({str(page): "\n".join(code for code, _ in python_blocks(page)) for page in PAGES})


def _check_doors(sources: dict[str, str]) -> None:
    allowed = {"rerank_plugins"} | {f"rerank_plugins.{door}" for door in DOORS}
    for name, code in sources.items():
        assert set(imported_by(code, set(modules()))) <= allowed, name
