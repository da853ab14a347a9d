"""When the schedule starts a run of dbt, and when it does not."""

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.test_utils import create_run_for_test
from deltalake import write_deltalake

from lakehouse.components.schedule import STATE_TAG, source_schedule
from lakehouse.storage import Catalog

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ROWS = pa.table({"number": [1]})
MANIFEST: dict[str, Any] = {
    "sources": {"source.raw.orders": {"schema": "raw", "identifier": "orders", "loader": ""}},
    "nodes": {
        "model.facts": {"resource_type": "model", "schema": "marts", "name": "facts", "alias": "facts", "sql": "1"},
    },
    "macros": {},
    "child_map": {"source.raw.orders": ["model.facts"], "model.facts": []},
}


def with_database() -> dict[str, Any]:
    """As MANIFEST, and a source that Postgres holds, with a model, a model downstream and a test."""
    manifest = copy.deepcopy(MANIFEST)
    manifest["sources"]["source.pg.customers"] = {"schema": "public", "identifier": "customers", "loader": "postgres"}
    for name, kind in (("customers", "model"), ("segments", "model"), ("unique", "test")):
        manifest["nodes"][f"{kind}.{name}"] = {"resource_type": kind, "schema": "marts", "name": name, "alias": name}
    manifest["child_map"] |= {
        "source.pg.customers": ["model.customers", "test.unique"],
        "model.customers": ["model.segments"],
        "model.segments": [],
    }
    return manifest


class Clock:
    """Evaluates the schedule as Dagster's daemon does; runs are as their records."""

    def __init__(self, instance: dg.DagsterInstance, catalog: Catalog) -> None:
        self.instance = instance
        self.catalog = catalog
        self.now = NOON
        self.manifest = MANIFEST

    def tick(self, after: timedelta = timedelta(minutes=15)) -> dg.RunRequest | dg.SkipReason:
        self.now += after
        job = dg.define_asset_job("dbt_incremental")
        schedule = source_schedule("every_15_minutes", "*/15 * * * *", job, self.manifest, self.catalog)
        answer = schedule(dg.build_schedule_context(instance=self.instance, scheduled_execution_time=self.now))
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    def run(self, request: dg.RunRequest | dg.SkipReason, status: dg.DagsterRunStatus) -> None:
        assert isinstance(request, dg.RunRequest)
        create_run_for_test(self.instance, job_name="dbt_incremental", tags=request.tags, status=status)

    def stream_moves(self) -> None:
        write_deltalake(self.catalog.uri("raw.orders"), ROWS, mode="append")


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        clock = Clock(instance, Catalog(str(tmp_path / "tables")))
        clock.stream_moves()
        yield clock


@pytest.fixture
def settled(clock: Clock) -> Clock:
    """A run of all has succeeded."""
    clock.run(clock.tick(), dg.DagsterRunStatus.SUCCESS)
    return clock


def everything(request: dg.RunRequest | dg.SkipReason) -> bool:
    return isinstance(request, dg.RunRequest) and request.asset_selection is None and STATE_TAG in request.tags


def test_the_first_tick_builds_everything(clock: Clock) -> None:
    assert everything(clock.tick())


def test_a_source_that_stands_still_starts_nothing_and_the_reason_names_the_run(settled: Clock) -> None:
    for _ in range(3):
        skipped = settled.tick()
        assert isinstance(skipped, dg.SkipReason)
        assert settled.instance.get_runs()[0].run_id in str(skipped.skip_message)


def test_a_new_version_starts_a_run(settled: Clock) -> None:
    settled.stream_moves()
    assert everything(settled.tick())


def test_a_source_that_was_made_anew_starts_a_run_though_its_version_is_the_same(settled: Clock) -> None:
    write_deltalake(settled.catalog.uri("raw.other"), ROWS)
    root = Path(settled.catalog.root) / "raw"
    (root / "orders").rename(root / "old")
    (root / "other").rename(root / "orders")
    assert everything(settled.tick())


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_run_that_did_not_succeed_is_made_again(clock: Clock, status: dg.DagsterRunStatus) -> None:
    clock.run(clock.tick(), status)
    assert everything(clock.tick())


def test_a_run_that_is_under_way_is_not_started_twice(clock: Clock) -> None:
    clock.run(clock.tick(), dg.DagsterRunStatus.STARTED)
    assert isinstance(clock.tick(), dg.SkipReason)


def test_a_new_day_starts_a_run_for_what_depends_on_the_date(settled: Clock) -> None:
    assert isinstance(settled.tick(timedelta(hours=11)), dg.SkipReason)
    assert everything(settled.tick(timedelta(hours=1)))


def change_sql(manifest: dict[str, Any]) -> None:
    manifest["nodes"]["model.facts"]["sql"] = "2"


def change_macro(manifest: dict[str, Any]) -> None:
    manifest["macros"]["macro.cents"] = {"sql": "1"}


@pytest.mark.parametrize("change", [change_sql, change_macro])
def test_a_changed_project_starts_a_run(settled: Clock, change: Callable[[dict[str, Any]], None]) -> None:
    settled.manifest = copy.deepcopy(MANIFEST)
    change(settled.manifest)
    assert everything(settled.tick())


def test_models_of_a_source_without_versions_and_those_downstream_run_at_every_tick(clock: Clock) -> None:
    clock.manifest = with_database()
    clock.run(clock.tick(), dg.DagsterRunStatus.SUCCESS)
    for _ in range(3):
        request = clock.tick()
        assert isinstance(request, dg.RunRequest)
        assert request.asset_selection == [dg.AssetKey(["marts", "customers"]), dg.AssetKey(["marts", "segments"])]
        assert STATE_TAG not in request.tags
        clock.run(request, dg.DagsterRunStatus.SUCCESS)
    clock.stream_moves()
    assert everything(clock.tick())


def test_models_of_a_source_without_versions_are_not_started_while_they_wait_for_an_earlier_run(clock: Clock) -> None:
    clock.manifest = with_database()
    clock.run(clock.tick(), dg.DagsterRunStatus.SUCCESS)
    clock.run(clock.tick(), dg.DagsterRunStatus.STARTED)
    assert isinstance(clock.tick(), dg.SkipReason)
