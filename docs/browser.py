"""A headless Chromium: for the screenshots, and for the tests of the sandbox's page.

It is the machine's own (on Debian: `apt install chromium`), driven by Playwright, which downloads no other.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
_ROOT = 0


def find() -> str | None:
    """Where Chromium is; None if it is not installed."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


@contextmanager
def running(executable: str) -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    # As root, in most containers, Chromium cannot make the namespaces of its own sandbox.
    arguments = [*_ARGUMENTS, "--no-sandbox"] if os.geteuid() == _ROOT else [*_ARGUMENTS]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
