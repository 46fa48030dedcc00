"""The page's table of clients is that of `make test-clients`."""

import json

from tests.clients.table import CLIENTS, HERE, NODE, page_rows, pins
from tests.pages import ROOT


def test_the_page_shows_the_clients_that_are_run() -> None:
    page = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    table = page.partition("\n## Clients\n")[2].partition("\n## ")[0]
    shown = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert "\n".join(shown) == "\n".join(page_rows())


def test_each_environment_is_used_and_has_its_clients() -> None:
    used = {(one, client.package) for client in CLIENTS for one in client.environments}
    files = {file.stem for file in HERE.glob("*.txt")}
    assert {environment for environment, _ in used} == files | {NODE}
    assert all(package in pins(environment) for environment, package in used)


def test_what_npm_installs_is_what_the_table_names() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    assert lock["packages"][""]["dependencies"] == dict(pins(NODE))
    assert not any(one.get("hasInstallScript") for one in lock["packages"].values())
