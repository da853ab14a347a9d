"""Days computed anew through Dagster, and increments beside them, over the real dbt project."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
)
from dagster._core.test_utils import create_run_for_test

import lakehouse.definitions
from lakehouse.components.backfill import built_by_tag
from lakehouse.dbt_delta.lock import ModelLocks
from tests.lakehouse_dbt import REPOSITORY, Event, Lakehouse

DAY = 24 * 60
RANGE = {ASSET_PARTITION_RANGE_START_TAG: "2026-01-02", ASSET_PARTITION_RANGE_END_TAG: "2026-01-04"}


class Platform:
    """Orders of six days, the models built of them, and the definitions that Dagster loads."""

    def __init__(self, directory: Path) -> None:
        self.locks = ModelLocks(directory / "state" / "locks")
        self.tables = Lakehouse(directory)
        self.tables.create_source()
        # One order a day, each of a customer of its own: the numbering of no other day is concerned.
        self.tables.produce(*[Event(f"o{number}", f"c{number}", at=number * DAY) for number in range(6)])
        self.tables.run()
        self.definitions = dg.load_from_defs_folder(path_within_project=Path(lakehouse.definitions.__file__).parent)
        self.instance = dg.DagsterInstance.ephemeral()

    def run(self, tags: dict[str, str]) -> dict[str, list[str | None]]:
        """Runs the job of the daily models; the days that each table is reported to have got."""
        job = self.definitions.resolve_job_def("dbt_backfill")
        days: dict[str, list[str | None]] = {}
        for event in job.execute_in_process(instance=self.instance, tags=tags).get_asset_materialization_events():
            days.setdefault(event.materialization.asset_key.path[-1], []).append(event.partition)
        return {table: sorted(found, key=str) for table, found in days.items()}

    def damage(self) -> None:
        """Writes to the rows of the third and the last day what no source has."""
        table = self.tables.table("marts.fct_orders_daily")
        table.update(updates={"amount_usd_cents": "-1"}, predicate="order_date IN ('2026-01-03', '2026-01-06')")
        assert self.damaged == ["o2", "o5"]

    @property
    def damaged(self) -> list[str]:
        """The orders that are wrong."""
        wrong = "SELECT order_id FROM marts.fct_orders_daily WHERE amount_usd_cents = -1 ORDER BY 1"
        return [order for (order,) in self.tables.rows(wrong)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    directory = tmp_path_factory.mktemp("backfills")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
        environment.setenv("LAKEHOUSE_STATE_DIR", str(directory / "state"))
        environment.setenv("LAKEHOUSE_ROOT", str(directory / "tables"))
        platform = Platform(directory)
        with platform.instance:
            yield platform


def test_a_range_is_computed_anew_in_one_commit_a_table_and_twice_changes_nothing(platform: Platform) -> None:
    tables = platform.tables
    platform.damage()
    tables.produce(Event("late", "c9", at=4 * DAY))
    before = tables.versions()
    reported = platform.run(RANGE)
    assert platform.damaged == ["o5"], "the days of the range are mended, and no other"
    days = ["2026-01-02", "2026-01-03", "2026-01-04"]
    # What changed besides is taken in with it.
    assert reported["fct_orders_daily"] == [*days, "2026-01-05"]
    assert set(reported) == {"stg_orders", "fct_orders_daily", "fct_daily_revenue", "mart_order_metrics"}
    after = tables.versions()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "staging.stg_orders": 1,
        "marts.fct_orders_daily": 1,
        "marts.fct_daily_revenue": 1,
    }
    assert tables.rows("SELECT count(*) FROM marts.fct_orders_daily WHERE order_id = 'late'") == [(1,)]

    assert platform.run(RANGE)["fct_orders_daily"] == days
    tables.run()
    assert tables.versions() == after, "neither the same again nor the next increment has anything to write"


def test_a_launch_without_a_day_is_an_increment_and_reports_the_days_it_changed(platform: Platform) -> None:
    platform.damage()
    platform.tables.produce(Event("later", "c8", at=1 * DAY))
    today = datetime.now(UTC).date().isoformat()
    assert platform.run({})["fct_orders_daily"] == ["2026-01-02", today]
    assert platform.instance.get_runs()[0].tags[PARTITION_NAME_TAG] == today
    assert platform.damaged == ["o2", "o5"], "no day was computed anew"


def test_the_runs_of_one_backfill_share_one_run_of_dbt(platform: Platform) -> None:
    """`dagster job backfill` queues one run a day; here the first begins while the others wait."""
    backfill = {BACKFILL_ID_TAG: "abc"}
    waiting = [
        create_run_for_test(
            platform.instance, job_name="dbt_backfill", tags={**backfill, PARTITION_NAME_TAG: f"2026-01-{day}"}
        )
        for day in ("02", "04", "06")
    ]
    platform.damage()
    assert platform.run({**backfill, PARTITION_NAME_TAG: "2026-01-03"})["fct_orders_daily"] == ["2026-01-03"]
    tags = [platform.instance.get_runs(dg.RunsFilter([run.run_id]))[0].tags for run in waiting]
    built = [built_by_tag("dbt_models") in those for those in tags]
    assert built == [True, True, False], "the fifth day was not asked for"
    assert platform.damaged == ["o5"]

    before = platform.tables.versions()
    assert platform.run(dict(tags[0]))["fct_orders_daily"] == ["2026-01-02"]
    assert platform.tables.versions() == before


def test_the_command_line_takes_a_range_and_yields_to_another_writer(platform: Platform) -> None:
    command = [
        *(str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m", "lakehouse.definitions"),
        *("--select", "key:marts/fct_orders_daily", "--partition-range", "2026-01-02...2026-01-04"),
    ]
    environment = {**os.environ, "DAGSTER_HOME": str(REPOSITORY)}

    def materialize() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    platform.damage()
    platform.locks.acquire("marts.fct_orders_daily")
    refused = materialize()
    assert refused.returncode != 0
    assert f"marts.fct_orders_daily is being built by another run (process {os.getpid()}" in refused.stderr
    platform.locks.release_all()
    done = materialize()
    assert done.returncode == 0, done.stderr
    assert platform.damaged == ["o5"]
