"""The freshness decides the engine."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.engine import Engine, choose_engine, deciding_rule

SLOWEST_LAST = [Engine.FLINK, Engine.SPARK, Engine.DBT]
freshness = st.timedeltas(timedelta(milliseconds=1), timedelta(days=3650))


@pytest.mark.parametrize(
    ("needed", "engine"),
    [
        (timedelta(milliseconds=1), Engine.FLINK),
        (timedelta(seconds=5), Engine.FLINK),
        (timedelta(seconds=9), Engine.FLINK),
        (timedelta(seconds=30), Engine.SPARK),
        (timedelta(minutes=1), Engine.SPARK),
        (timedelta(minutes=15), Engine.SPARK),
        (timedelta(minutes=15, milliseconds=1), Engine.DBT),
        (timedelta(days=1), Engine.DBT),
    ],
)
def test_the_engine_is_the_one_whose_range_holds_the_freshness(needed: timedelta, engine: Engine) -> None:
    assert choose_engine(needed) is engine


@given(freshness, freshness)
def test_a_looser_freshness_never_picks_a_faster_engine(one: timedelta, other: timedelta) -> None:
    tight, loose = sorted((one, other))
    assert SLOWEST_LAST.index(choose_engine(tight)) <= SLOWEST_LAST.index(choose_engine(loose))


@given(freshness)
def test_the_rule_that_is_told_as_reason_is_the_one_that_decided(needed: timedelta) -> None:
    rule = deciding_rule(needed)
    assert rule.engine is choose_engine(needed)
    assert rule.slowest_from <= needed
    assert rule.reason
