"""A browser without a window, for what people look at."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

PATIENCE = 300_000
"""Milliseconds that a page may take: a busy machine is no failure."""

expect.set_options(timeout=PATIENCE)


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Page]:
    """A page in a browser of its own; its options are those of a browser's context."""
    sandbox = os.geteuid() != 0  # the browser refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, chromium_sandbox=sandbox)
        try:
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(url)
            yield page
        finally:
            browser.close()
