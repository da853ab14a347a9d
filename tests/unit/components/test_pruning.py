"""What is deleted from a real event log, asked through Dagster's own interface."""

import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.components.pruning import Pruned, UnknownStorageError, prune_events
from lakehouse.components.versions import DATA_VERSION_TAG

ORDERS, OTHER = dg.AssetKey(["raw", "orders"]), dg.AssetKey(["raw", "other"])


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def tell(instance: dg.DagsterInstance, version: int, key: dg.AssetKey = ORDERS) -> None:
    """As the sensors do."""
    told = {"asset_key": key, "metadata": {"rows": version}, "tags": {DATA_VERSION_TAG: str(version)}}
    instance.report_runless_asset_event(dg.AssetObservation(**told))
    instance.report_runless_asset_event(dg.AssetMaterialization(**told))
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=key, check_name="freshness", passed=version % 2 == 0)
    )


def now() -> datetime:
    time.sleep(0.002)  # Two events of the same moment are neither before nor behind it.
    return datetime.now(UTC)


def versions(instance: dg.DagsterInstance, key: dg.AssetKey = ORDERS) -> tuple[list[str | None], list[str | None]]:
    """The data versions of observations and materializations, the newest first."""
    observed = [record.asset_observation for record in instance.fetch_observations(key, limit=100).records]
    made = [record.asset_materialization for record in instance.fetch_materializations(key, limit=100).records]
    return (
        [event.data_version for event in observed if event],
        [event.tags[DATA_VERSION_TAG] for event in made if event and event.tags],
    )


def checks(instance: dg.DagsterInstance, key: dg.AssetKey = ORDERS) -> list[bool]:
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key, "freshness"), limit=100
    )
    evaluations = [record.event.dagster_event.asset_check_evaluation_data for record in history if record.event]  # type: ignore[union-attr]
    return [evaluation.passed for evaluation in evaluations]


def test_what_is_older_is_deleted_and_what_is_not_stays(instance: dg.DagsterInstance) -> None:
    for version in (1, 2, 3):
        tell(instance, version)
    before = now()
    for version in (4, 5):
        tell(instance, version)
    assert prune_events(instance, [ORDERS], before) == Pruned(events=6, checks=3)
    assert versions(instance) == (["5", "4"], ["5", "4"])
    assert checks(instance) == [False, True]


def test_the_newest_of_each_stays_however_old_it_is(instance: dg.DagsterInstance) -> None:
    for version in (1, 2, 3):
        tell(instance, version)
    latest = instance.get_latest_materialization_event(ORDERS)
    assert prune_events(instance, [ORDERS], now()) == Pruned(events=4, checks=2)
    assert versions(instance) == (["3"], ["3"])
    assert checks(instance) == [False]
    assert instance.get_latest_materialization_event(ORDERS) == latest
    assert instance.get_latest_data_version_record(ORDERS) is not None


def test_other_assets_are_left_alone(instance: dg.DagsterInstance) -> None:
    for version in (1, 2):
        tell(instance, version)
        tell(instance, version, OTHER)
    prune_events(instance, [ORDERS], now())
    assert versions(instance, OTHER) == (["2", "1"], ["2", "1"])
    assert checks(instance, OTHER) == [True, False]


def test_what_runs_did_is_left_alone(instance: dg.DagsterInstance) -> None:
    @dg.asset(key=ORDERS, check_specs=[dg.AssetCheckSpec("freshness", asset=ORDERS)])
    def orders() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        yield dg.MaterializeResult(tags={DATA_VERSION_TAG: "run"})
        yield dg.AssetCheckResult(passed=True)

    results = [dg.materialize([orders], instance=instance) for _ in range(2)]
    tell(instance, 7)
    tell(instance, 8)
    prune_events(instance, [ORDERS], now())
    assert versions(instance) == (["8"], ["8", "run", "run"])
    assert checks(instance) == [True, True, True]
    for result in results:
        kinds = {event.dagster_event_type for event in instance.all_logs(result.run_id)}
        assert {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION} <= kinds


def test_no_row_of_a_deleted_event_is_left_in_any_file(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for version in range(30):
        tell(instance, version)
    assert prune_events(instance, [ORDERS], now()).events == 58
    rows = {
        f"{file.stem}.{table}": _count(file, table)
        for file in (tmp_path / "history" / "runs").glob("*.db")
        for table in ("event_logs", "asset_event_tags", "asset_check_executions")
    }
    # In the index and in the file of no run: an observation, a materialization, a check.
    assert {name: count for name, count in rows.items() if count} == {
        "index.event_logs": 3,
        "index.asset_event_tags": 2,
        "index.asset_check_executions": 1,
        ".db.event_logs": 2,
    }


def test_an_event_log_that_is_in_no_database_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere:
        event_log_storage = object()

    with pytest.raises(UnknownStorageError, match="event_log_storage is object, expected one in SQLite or Postgres"):
        prune_events(Elsewhere(), [ORDERS], now())  # type: ignore[arg-type]


def _count(file: Path, table: str) -> int:
    with sqlite3.connect(file) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
