"""The maintenance job, run as Dagster runs it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.delta_tables import let_pass
from tests.unit.maintenance.test_readers import model

from lakehouse.contracts import find_contract
from lakehouse.defs.maintenance.jobs import maintenance, maintenance_job
from lakehouse.settings import load_settings
from lakehouse.storage import Catalog, create_tables

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    """With raw.orders, empty, and raw.things of twenty files."""
    monkeypatch.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path))
    catalog = Catalog.from_settings(load_settings())
    create_tables(catalog, find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders"))
    for number in range(20):
        configuration = {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
        uri = catalog.uri("raw.things")
        write_deltalake(uri, pa.table({"number": [number]}), mode="append", configuration=configuration)
    return catalog


def run(**config: object) -> dg.ExecuteInProcessResult:
    ops = {"maintain_tables": {"config": config}}
    return maintenance_job.execute_in_process(run_config={"ops": ops}, raise_on_error=False)


def observed(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Metadata by asset."""
    events = [event.event_specific_data for event in result.all_events if event.is_asset_observation]
    observations = [event.asset_observation for event in events]  # type: ignore[union-attr]
    return {
        observation.asset_key.to_user_string(): {key: value.value for key, value in observation.metadata.items()}
        for observation in observations
    }


def test_every_table_is_maintained_and_dagster_shows_what_was_done(catalog: Catalog) -> None:
    result = run()
    assert result.success
    told = observed(result)
    assert set(told) == {"raw/orders", "raw/orders_rejected", "raw/things"}
    things = told["raw/things"]
    assert (things["maintenance/files_before"], things["maintenance/files_after"]) == (20, 1)
    let_pass(catalog.uri("raw.things"), timedelta(days=2))
    assert observed(run())["raw/things"]["maintenance/deleted_files"] == 20


def test_tables_can_be_named_and_a_dry_run_changes_nothing(catalog: Catalog) -> None:
    version = catalog.open("raw.things").version()
    told = observed(run(tables=["raw.things"], dry_run=True))
    assert set(told) == {"raw/things"}
    assert told["raw/things"]["maintenance/compacted"] == ["the table"]
    assert catalog.open("raw.things").version() == version


def test_a_reader_that_holds_a_table_fails_the_run_after_the_others_were_maintained(catalog: Catalog) -> None:
    model(catalog, "marts.m", 1, source="raw.things")
    let_pass(catalog.uri("raw.things"), timedelta(days=2))
    result = run()
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "the model marts.m has consumed version 1" in str(failure.step_failure_data.user_failure_data)
    assert observed(result)["raw/things"]["maintenance/files_after"] == 1
    assert "raw/orders" in observed(result)


def test_a_broken_table_fails_the_run_after_the_others_were_maintained(catalog: Catalog) -> None:
    # Before the others, in the order of names.
    write_deltalake(catalog.uri("raw.broken"), pa.table({"number": [1]}))
    (Path(catalog.uri("raw.broken")) / "_delta_log" / f"{0:020}.json").write_text("{")
    result = run(tables=["raw.broken", "raw.missing", "raw.things"])
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = str(failure.step_failure_data.user_failure_data)
    assert "raw.broken was not maintained" in told
    assert "maintain raw.broken" in told
    assert "raw.things is not vacuumed: raw.broken cannot be read" in told
    assert "raw.missing was not maintained" in told
    assert observed(result)["raw/things"]["maintenance/files_after"] == 1


def test_what_failed_is_not_tried_again_the_same_night_and_what_was_killed_is(catalog: Catalog) -> None:
    model(catalog, "marts.m", 1, source="raw.things")
    let_pass(catalog.uri("raw.things"), timedelta(days=2))
    settings = {"run_retries": {"enabled": True, "max_retries": 1}}
    with dg.DagsterInstance.local_temp(str(catalog.root), overrides=settings) as instance:
        failed = maintenance_job.execute_in_process(instance=instance, raise_on_error=False).dagster_run
        assert failed.tags.get("dagster/will_retry") == "false"
        killed = instance.create_run_for_job(maintenance_job)
        instance.report_run_failed(killed, "its process has vanished")
        again = instance.get_run_by_id(killed.run_id)
        assert again is not None
        assert again.tags.get("dagster/will_retry") == "true"


def test_it_runs_every_night_and_never_twice_at_once() -> None:
    definitions = maintenance()
    assert isinstance(definitions, dg.Definitions)
    schedule = definitions.resolve_schedule_def("maintenance_nightly")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert maintenance_job.nodes[0].definition.pools == {"maintenance"}  # type: ignore[attr-defined]
