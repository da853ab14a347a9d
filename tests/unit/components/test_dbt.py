"""When dbt models run by themselves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import AssetKey, DagsterInstance

from lakehouse.components.dbt import following_sources
from lakehouse.components.versions import DATA_VERSION_TAG

NOON = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
MODEL = AssetKey("model")


@dg.asset(deps=["stream"], automation_condition=following_sources())
def model() -> None:
    """Stands for a dbt model downstream of a streaming table."""


DEFINITIONS = dg.Definitions(assets=[dg.AssetSpec("stream"), model])


class Clock:
    """Evaluates the condition again and again, remembering what the last tick did, as Dagster's daemon does."""

    def __init__(self, instance: DagsterInstance) -> None:
        self.instance = instance
        self.now = NOON
        self.cursor: object = None

    def tick(self, after: timedelta = timedelta(seconds=15)) -> int:
        """How many runs are asked for."""
        self.now += after
        result = dg.evaluate_automation_conditions(
            DEFINITIONS, self.instance, cursor=self.cursor, evaluation_time=self.now
        )
        self.cursor = result.cursor
        return int(result.total_requested)

    def stream_moves(self, version: int) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization("stream", tags={DATA_VERSION_TAG: str(version)})
        )

    def model_runs(self) -> None:
        dg.materialize([model], instance=self.instance, selection=[MODEL])


@pytest.fixture
def clock() -> Iterator[Clock]:
    with DagsterInstance.ephemeral() as instance:
        yield Clock(instance)


@pytest.fixture
def settled(clock: Clock) -> Clock:
    """The first run is over."""
    clock.tick()
    clock.stream_moves(1)
    assert clock.tick() == 1
    clock.model_runs()
    clock.tick(timedelta(minutes=5))
    return clock


def test_a_model_waits_until_its_source_exists(clock: Clock) -> None:
    assert clock.tick() == 0
    assert clock.tick() == 0


def test_the_first_data_start_a_run_at_once(clock: Clock) -> None:
    clock.tick()
    clock.stream_moves(1)
    assert clock.tick() == 1


def test_a_source_that_stands_still_starts_nothing(settled: Clock) -> None:
    assert [settled.tick(timedelta(minutes=5)) for _ in range(4)] == [0, 0, 0, 0]


def test_a_new_version_starts_one_run_at_the_next_five_minutes(settled: Clock) -> None:
    settled.stream_moves(2)
    settled.stream_moves(3)
    asked = sum(settled.tick(timedelta(minutes=1)) for _ in range(10))
    assert asked == 1


def test_a_busy_source_starts_no_more_than_one_run_in_five_minutes(settled: Clock) -> None:
    asked = 0
    for version in range(2, 42):
        settled.stream_moves(version)
        requested = settled.tick()
        if requested:
            settled.model_runs()
        asked += requested
    assert asked == 2


def test_a_first_run_that_fails_is_asked_for_again_at_the_ticks_only(clock: Clock) -> None:
    clock.tick()
    asked = 0
    for version in range(1, 41):
        clock.stream_moves(version)
        asked += clock.tick()
    assert 2 <= asked <= 3
