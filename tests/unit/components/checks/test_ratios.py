"""The checks `quarantine_ratio` and `late_ratio`."""

from collections.abc import Callable

import pytest
from tests.unit.components.checks.conftest import measured, tolerating

from lakehouse.components.checks.check import Present
from lakehouse.components.checks.ratios import LATE_RATIO, QUARANTINE_RATIO
from lakehouse.contracts import Contract


@pytest.mark.parametrize(("invalid", "passed"), [(0, True), (5, True), (6, False)])
def test_invalid_events_are_a_share_of_all_that_came(
    present: Callable[..., Present], orders: Contract, invalid: int, passed: bool
) -> None:
    found = measured("raw.orders", events=100 - invalid, invalid=invalid)
    verdict = QUARANTINE_RATIO.judge(tolerating(orders, quarantine_ratio=0.05), present(freshness=found))
    assert verdict is not None
    assert verdict.passed is passed
    assert verdict.numbers["invalid_ratio"] == invalid / 100


def test_too_many_invalid_events_name_the_query_that_shows_why(
    present: Callable[..., Present], orders: Contract
) -> None:
    verdict = QUARANTINE_RATIO.judge(orders, present(freshness=measured("raw.orders", events=97, invalid=3)))
    assert verdict is not None
    assert verdict.text.startswith("3 of the last hour's 100 events (3.00%) were invalid, expected at most 1.00% (")
    assert "FROM raw.orders_rejected ORDER BY ingested_at DESC" in verdict.text


def test_late_events_are_a_share_of_those_that_the_topic_had(
    present: Callable[..., Present], metrics: Contract
) -> None:
    found = measured("raw.orders", events=200) | measured(metrics.table, events=4, late=3)
    verdict = LATE_RATIO.judge(metrics, present(freshness=found))
    assert verdict is not None
    assert not verdict.passed
    assert verdict.numbers["late_ratio"] == 3 / 200
    assert "FROM streaming.orders_late" in verdict.text


def test_in_an_hour_without_events_no_share_of_them_is_too_large(
    present: Callable[..., Present], orders: Contract, metrics: Contract
) -> None:
    quiet = present(freshness=measured("raw.orders", events=0) | measured(metrics.table, events=0))
    assert QUARANTINE_RATIO.judge(orders, quiet) is None
    assert LATE_RATIO.judge(metrics, quiet) is None
