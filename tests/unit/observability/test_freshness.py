"""When a contract counts as missed, and when a cheaper engine would do."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contracts import visits_contract

from lakehouse.contracts import Contract
from lakehouse.observability.freshness import Freshness, note_age, told, tolerance
from lakehouse.observability.margin import cheaper_engine_hint
from lakehouse.observability.state import Measured

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]


def ago(seconds: float) -> int:
    """A moment, in ms."""
    return int((time.time() - seconds) * 1000)


def contract(**overrides: object) -> Contract:
    return visits_contract(COLUMNS, **overrides)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"freshness": "5 seconds"}, timedelta(minutes=1)),
        ({"freshness": "1 minute"}, timedelta(minutes=3)),
        ({"freshness": "1 minute", "tolerance": "10 seconds"}, timedelta(seconds=10)),
    ],
)
def test_the_tolerance_is_the_contracts_or_thrice_its_freshness(fields: dict[str, object], expected: timedelta) -> None:
    assert tolerance(contract(**fields)) == expected


def test_a_contract_fails_when_it_was_missed_for_its_tolerance() -> None:
    state, missed = Measured("visits", looked_ms=ago(0)), contract(freshness="1 minute", tolerance="2 minutes")
    note_age(missed, state, 61_000, ago(100))
    note_age(missed, state, 90_000, ago(0))
    assert told(missed, state).missed_for == pytest.approx(100, abs=2)
    assert not told(missed, state).failed
    state.missed_ms = ago(121)
    assert told(missed, state).failed


def test_once_kept_again_it_is_not_missed() -> None:
    state = Measured("visits", looked_ms=ago(0))
    note_age(contract(), state, 61_000, ago(100))
    note_age(contract(), state, 60_000, ago(0))
    assert told(contract(), state).missed_for is None


def test_what_cannot_be_told_is_neither_kept_nor_missed() -> None:
    state = Measured("visits", looked_ms=ago(0))
    note_age(contract(), state, 61_000, ago(100))
    note_age(contract(), state, None, ago(0))
    assert told(contract(), state).age is None
    assert not told(contract(), state).failed
    note_age(contract(), state, 61_000, ago(0))
    assert told(contract(), state).missed_for == pytest.approx(100, abs=2)


def test_time_in_which_the_table_was_read_half_is_not_missed() -> None:
    state = Measured("visits", looked_ms=ago(0))
    note_age(contract(), state, 61_000, ago(100))
    state.caught_up = False
    note_age(contract(), state, None, ago(50))
    state.caught_up = True
    note_age(contract(), state, 61_000, ago(20))
    assert told(contract(), state).missed_for == pytest.approx(20, abs=2)


def test_an_answer_of_long_ago_says_nothing_about_now() -> None:
    state = Measured("visits", looked_ms=ago(0))
    note_age(contract(), state, 3000, ago(130))
    assert told(contract(), state).age is None


FRESH = Freshness("raw.visits", 1200.0, 3600.0, 1.0, 10.0, 30.0, 40.0, 100, None)


def test_a_contract_kept_with_a_wide_margin_by_a_costlier_engine_is_a_hint() -> None:
    lavish = contract(freshness="20 minutes", engine="flink")
    assert cheaper_engine_hint(lavish, FRESH) == "kept 40 × better than asked: spark would do"  # noqa: RUF001  (times)
    assert cheaper_engine_hint(contract(freshness="1 minute", engine="flink"), replace(FRESH, contract=60.0, p95=2.0))


COUNTS = {
    "table": "streaming.counts",
    "source": {"topic": "visits", "columns": COLUMNS, "event_time": "at"},
    "on_invalid": "drop",
    "transform": {"function": "example.visits:counts"},
}


def test_what_is_computed_from_a_topic_could_be_a_model_of_the_table_that_holds_it() -> None:
    assert (
        cheaper_engine_hint(contract(**COUNTS, freshness="20 minutes"), FRESH)
        == "kept 40 × better than asked: dbt would do, as a model of a table that holds topic visits"  # noqa: RUF001
    )


@pytest.mark.parametrize(
    ("fields", "freshness"),
    [
        ({"freshness": "20 minutes"}, FRESH),  # a topic has to be landed, which dbt cannot
        ({**COUNTS, "freshness": "20 minutes", "workload": {"rows_per_run": 200_000_000}}, FRESH),  # too many for dbt
        ({"freshness": "1 minute", "engine": "spark"}, replace(FRESH, contract=60.0, p95=1.0)),  # none cheaper keeps it
        ({"freshness": "20 minutes", "engine": "flink"}, replace(FRESH, p95=300.0)),  # no wide margin
        ({"freshness": "20 minutes", "engine": "flink"}, replace(FRESH, missed_for=5.0)),
        ({"freshness": "20 minutes", "engine": "flink"}, replace(FRESH, p95=None)),
    ],
)
def test_else_there_is_no_hint(fields: dict[str, object], freshness: Freshness) -> None:
    assert cheaper_engine_hint(contract(**fields), freshness) is None
