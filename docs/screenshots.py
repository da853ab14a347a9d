"""Takes the screenshots of the documentation from a running stack: `.venv/bin/python docs/screenshots.py`.

Needs Chromium (Debian, Ubuntu: `apt-get install chromium`) and a stack whose dbt models were built (`make up`).
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from lakehouse.settings import load_settings

IMAGES = Path(__file__).parent / "images"
#: Chromium asks its maker's servers for this and that at every start; a documentation build should not.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def lineage(page: Page, url: str) -> None:
    """The global asset lineage, every group open."""
    page.goto(f"{url}/asset-groups")
    page.get_by_text("streaming", exact=True).last.wait_for(timeout=60_000)
    page.keyboard.press("Alt+e")
    page.get_by_text("fct_orders_daily", exact=True).first.wait_for(timeout=60_000)
    settle(page)
    page.screenshot(path=IMAGES / "lineage.png")


def streaming_table(page: Page, url: str) -> None:
    """What Dagster shows of a streaming table."""
    page.goto(f"{url}/assets/raw/orders")
    page.get_by_text("Row count").first.wait_for(timeout=60_000)
    settle(page)
    page.screenshot(path=IMAGES / "raw_orders.png")


def settle(page: Page) -> None:
    """Waits until nothing loads. Then the graph moves into place; nothing on the page says when it stands still."""
    page.wait_for_function("!document.body.innerText.includes('Loading')", timeout=120_000)
    page.wait_for_timeout(3_000)


def main() -> None:
    """Writes every image below ``docs/images``."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium on PATH. Debian, Ubuntu: sudo apt-get install -y chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    url = load_settings().dagster_url
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*QUIET, "--no-sandbox"])
        streaming_table(browser.new_page(viewport={"width": 1600, "height": 900}), url)
        # At this width the graph is drawn large enough to show the state of each asset.
        lineage(browser.new_page(viewport={"width": 2600, "height": 1250}, bypass_csp=True), url)
        browser.close()


if __name__ == "__main__":
    main()
