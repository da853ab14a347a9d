"""What somebody sees and presses in Dagster's own pages."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.platform import DAYS, LOST, Platform
from tests.waiting import wait_for

#: A run of dbt takes minutes where another suite shares the two cores.
_RUN_SECONDS = 800
Screenshot = Callable[[str], None]


def await_runs(platform: Platform, count: int, **tags: str) -> None:
    """``count`` runs with these tags have succeeded, and none has ended otherwise."""

    def statuses() -> list[str]:
        return [run["status"] for run in platform.runs(**tags)]

    ended = {"SUCCESS", "FAILURE", "CANCELED"}
    wait_for(
        lambda: len(statuses()) == count and ended >= set(statuses()), f"{count} runs", _RUN_SECONDS, platform.logs
    )
    assert set(statuses()) == {"SUCCESS"}, platform.logs()


@pytest.mark.parametrize(
    ("mart", "upstream", "checked"),
    [
        ("fct_daily_revenue", ("orders.events", "orders", "stg_orders", "fct_orders_daily"), 4),
        ("mart_order_metrics", ("orders.events", "order_metrics", "order_metrics_5min"), 3),
    ],
)
def test_lineage_leads_from_the_topic_over_streams_to_a_mart_with_their_checks(
    page: Page, screenshot: Screenshot, mart: str, upstream: tuple[str, ...], checked: int
) -> None:
    page.goto(f"/assets/marts/{mart}?view=lineage&lineageScope=upstream&lineageDepth=5")
    for name in (*upstream, mart):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    # The tables' checks, of which some have passed.
    expect(page.get_by_text(re.compile(r"^\d+ / \d+ Passed$")).nth(checked - 1)).to_be_visible()
    screenshot(f"lineage_{mart}")


def test_a_failing_check_says_what_is_wrong(page: Page, platform: Platform, screenshot: Screenshot) -> None:
    page.goto("/assets/raw/orders?view=checks&checkDetail=no_events_lost")
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()
    expect(page.get_by_text(LOST).first).to_be_visible()
    screenshot("failing_check")
    # The longer texts open on demand.
    page.get_by_text("[Show Markdown]").last.click()
    expect(page.get_by_text(LOST)).to_have_count(2)


def test_observe(page: Page, platform: Platform) -> None:
    page.goto("/assets/raw/orders")
    page.get_by_role("button", name="Observe").first.click()

    def observed() -> bool:
        return any(
            run["status"] == "SUCCESS" and run["assetSelection"] == [{"path": ["raw", "orders"]}]
            for run in platform.runs(dagster_from_ui="true")
        )

    wait_for(observed, "the observation", _RUN_SECONDS, platform.logs)


def test_materialize_computes_the_day_that_was_chosen(page: Page, platform: Platform) -> None:
    platform.damage(ago=0)
    assert platform.damaged == 1
    page.goto("/assets/marts/fct_orders_daily")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="Latest", exact=True).click()
    page.get_by_role("button", name="Launch 1 run").click()
    wait_for(lambda: platform.damaged == 0, "the day to be computed anew", _RUN_SECONDS, platform.logs)


def test_a_backfill_of_three_days_is_one_run(page: Page, platform: Platform, screenshot: Screenshot) -> None:
    for ago in (1, 3, DAYS - 1):
        platform.damage(ago)
    first, last = platform.day(3), platform.day(1)
    page.goto(f"/assets/marts/fct_orders_daily?default_range=[{first}...{last}]")
    page.get_by_role("button", name="Materialize").first.click()
    expect(page.get_by_text("3 partitions", exact=True)).to_be_visible()
    expect(page.get_by_text("Backfills all partitions in a single run.")).to_be_visible()
    screenshot("backfill")
    page.get_by_role("button", name="Launch backfill").click()
    await_runs(platform, 1, dagster_asset_partition_range_start=first, dagster_asset_partition_range_end=last)
    assert platform.damaged == 1, "the day before them was not asked for"
    page.goto("/assets/marts/fct_orders_daily?view=partitions")
    expect(page.get_by_text(first, exact=True).first).to_be_visible()
    screenshot("backfilled_days")
