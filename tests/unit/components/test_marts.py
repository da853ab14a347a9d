"""What Dagster is told of how fresh dbt's tables are, and when."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lakehouse.components.marts import mart_observations
from lakehouse.components.versions import version_sensor
from lakehouse.observability.histogram import Histogram
from lakehouse.observability.marts import MartFreshness
from lakehouse.storage import Catalog

MART = MartFreshness("marts.fct_orders", 7, 100.0, 300.0, 500.0, 600.0, 40, Histogram())


def observed(*looks: MartFreshness) -> list[int]:
    """How many observations each of ``looks`` makes."""
    cursor: dict[str, Any] = {}
    return [len(mart_observations({look.table: look}, cursor)) for look in looks]


def test_numbers_are_plotted_on_the_asset_of_the_model() -> None:
    (observation,) = mart_observations({MART.table: MART}, {})
    assert observation.asset_key == dg.AssetKey(["marts", "fct_orders"])
    assert {name: value.value for name, value in observation.metadata.items()} == {
        "delta_version": 7,
        "freshness_seconds": 100.0,
        "latency_p50_seconds": 300.0,
        "latency_p95_seconds": 500.0,
        "latency_max_seconds": 600.0,
    }


def test_a_new_version_is_told() -> None:
    assert observed(MART, MART, replace(MART, version=8)) == [1, 0, 1]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ((100.0, 115.0, 159.0, 160.0), [1, 0, 0, 1]),  # by a minute at least
        ((1000.0, 1400.0, 1500.0, 700.0), [1, 0, 1, 1]),  # by half at least, up or down
        ((None, 5.0, None, 6.0), [1, 1, 0, 0]),  # what is not known is no change
    ],
)
def test_an_age_is_told_when_it_has_changed_much(ages: tuple[float | None, ...], expected: list[int]) -> None:
    assert observed(*(replace(MART, age=age) for age in ages)) == expected


def test_the_sensor_that_looks_at_streaming_tables_tells_it_once(tmp_path: Path) -> None:
    sensor = version_sensor([], Catalog(str(tmp_path)), 15, marts=lambda: {MART.table: MART})
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(first, dg.SensorResult)
        assert [event.asset_key.to_user_string() for event in first.asset_events] == ["marts/fct_orders"]
        assert isinstance(sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor)), dg.SkipReason)
