"""One platform and one browser for all tests. Where no browser is installed, they are skipped and say so."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lakehouse.settings import Settings
from tests.browser.platform import Platform
from tests.integration.conftest import postgres  # noqa: F401 - a fixture

#: Chromium asks its maker's servers for this and that at every start.
_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Each step of a page, on a busy machine.
_PATIENCE_MS = 120_000


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        pytest.skip(
            "no browser: none of chromium, chromium-browser, google-chrome is on PATH (apt-get install chromium)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*_QUIET, "--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def platform(
    browser: Browser,
    postgres: Settings,  # noqa: F811 - the fixture
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("browser"), postgres)
    with platform.running():
        yield platform


@pytest.fixture
def page(browser: Browser, platform: Platform) -> Iterator[Page]:
    page = browser.new_page(
        base_url=platform.settings.dagster_url, viewport={"width": 1600, "height": 900}, bypass_csp=True
    )
    page.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield page
    page.close()


@pytest.fixture
def screenshot(page: Page, tmp_path: Path) -> Callable[[str], None]:
    """Takes a picture for the documentation into SCREENSHOTS, where that is set, else beside the test's files."""
    directory = Path(os.environ.get("SCREENSHOTS", tmp_path))

    def take(name: str) -> None:
        page.wait_for_function("!document.body.innerText.includes('Loading')")
        page.screenshot(path=directory / f"{name}.png")

    return take
