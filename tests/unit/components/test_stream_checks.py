"""Checks of streaming tables, on real Delta tables and the file that the Spark application writes."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.components.stream_checks import StreamChecks, check_sensor, stream_check_definitions
from lakehouse.contracts import Contract, load_contract
from lakehouse.contracts.workload import Circumstances, Skill
from lakehouse.observability.freshness import Freshness
from lakehouse.storage import Catalog, create_tables
from lakehouse_spark.status import SILENT_AFTER, ApplicationStatus, QueryState, QueryStatus, write_status

REPOSITORY = Path(__file__).parents[3]
ORDERS = dg.AssetKey(["raw", "orders"])
CONTRACT = load_contract(REPOSITORY / "streaming" / "contracts" / "orders.yaml")
LOSS = "offsets_lost: orders.events[0] offsets 10 to 13 (4 events) expired before they were read"


@pytest.fixture
def checks(tmp_path: Path) -> StreamChecks:
    catalog = Catalog(str(tmp_path / "tables"))
    create_tables(catalog, CONTRACT)
    return StreamChecks([CONTRACT], catalog, tmp_path)


def reject(checks: StreamChecks, reason: str, recorded_at: datetime | None = None) -> None:
    row = {"kafka_topic": "orders.events", "kafka_partition": 0, "kafka_offset": 10, "reason": reason}
    table = checks.catalog.open("raw.orders_rejected")
    rows = pa.Table.from_pylist(
        [{**row, "ingested_at": recorded_at or datetime.now(UTC)}], schema=pa.schema(table.schema())
    )
    write_deltalake(table, rows, mode="append")


def fresh(checks: StreamChecks, contract: Contract = CONTRACT, **measured: float | None) -> StreamChecks:
    """Kept with an hour of good latencies, unless ``measured`` says something else."""
    kept = Freshness(contract.table, contract.freshness.total_seconds(), 180.0, 5.0, 6.0, 9.0, 11.0, 1000, None)
    return replace(checks, contracts=[contract], measured=lambda: {contract.table: replace(kept, **measured)})  # type: ignore[arg-type]


def note(checks: StreamChecks, query: QueryStatus, ago: timedelta = timedelta(0)) -> None:
    """What an application wrote some time ``ago``."""
    alive_at = (datetime.now(UTC) - ago).isoformat()
    write_status(checks.run_dir / "spark-queries.json", ApplicationStatus({query.table: query}, alive_at=alive_at))


def evaluated(checks: StreamChecks) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation, _ in checks.evaluate()}


def test_a_row_that_is_merely_invalid_is_no_loss(checks: StreamChecks) -> None:
    reject(checks, "invalid_json: expected an object")
    assert evaluated(checks)["no_events_lost"].passed


def test_lost_offsets_fail_the_check_and_are_named(checks: StreamChecks) -> None:
    reject(checks, LOSS)
    result = evaluated(checks)["no_events_lost"]
    assert not result.passed
    assert result.metadata["losses"].value == 1
    assert LOSS in str(result.metadata["lost"].value)


def test_acknowledged_losses_pass_and_the_next_one_fails(checks: StreamChecks) -> None:
    reject(checks, LOSS)
    advice = str(evaluated(checks)["no_events_lost"].metadata["acknowledge"].value)
    [advised] = re.findall(r"`losses_acknowledged_until: (\S+)`", advice)
    source = CONTRACT.source.model_dump() | {"losses_acknowledged_until": advised}
    acknowledged = Contract.model_validate({**CONTRACT.model_dump(), "source": source})
    later = replace(checks, contracts=[acknowledged])
    known = evaluated(later)["no_events_lost"]
    assert (known.passed, known.metadata["acknowledged"].value) == (True, 1)
    reject(later, LOSS.replace("10 to 13", "20 to 23"), recorded_at=datetime.now(UTC) + timedelta(seconds=5))
    new = evaluated(later)["no_events_lost"]
    assert not new.passed
    assert str(new.metadata["lost"].value) == f"- {LOSS.replace('10 to 13', '20 to 23')}"


def test_a_query_that_stopped_at_lost_offsets_fails_its_check_with_them(checks: StreamChecks) -> None:
    note(checks, QueryStatus("raw.orders", QueryState.FAILED, error=LOSS, failed_at="2026-01-01T00:00:00+00:00"))
    result = evaluated(checks)["writer_alive"]
    assert not result.passed
    assert result.metadata["last_error"].value == LOSS


def test_a_query_that_came_through_a_batch_since_passes(checks: StreamChecks) -> None:
    early, late = "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00"
    note(checks, QueryStatus("raw.orders", QueryState.RUNNING, error=LOSS, failed_at=early, batch_at=late))
    assert evaluated(checks)["writer_alive"].passed


def test_a_query_of_an_application_that_has_died_fails_its_check_however_well_it_was(checks: StreamChecks) -> None:
    note(checks, QueryStatus("raw.orders", QueryState.RUNNING), SILENT_AFTER + timedelta(seconds=1))
    result = evaluated(checks)["writer_alive"]
    assert not result.passed
    assert result.metadata["state"].value == "silent"
    assert "gave no sign of life since 20" in str(result.metadata["last_error"].value)


def test_a_query_that_was_stopped_fails_its_check(checks: StreamChecks) -> None:
    note(checks, QueryStatus("raw.orders", QueryState.STOPPED))
    assert not evaluated(checks)["writer_alive"].passed


def test_of_an_application_that_never_ran_nothing_is_said(checks: StreamChecks) -> None:
    assert "writer_alive" not in evaluated(checks)


def test_a_contract_that_is_kept_passes_with_its_numbers(checks: StreamChecks) -> None:
    result = evaluated(fresh(checks))["freshness"]
    assert result.passed
    assert {key: value.value for key, value in result.metadata.items()} == {
        "freshness_seconds": 5.0,
        "latency_p50_seconds": 6.0,
        "latency_p95_seconds": 9.0,
        "latency_max_seconds": 11.0,
        "contract_seconds": 60.0,
        "tolerance_seconds": 180.0,
    }


def test_a_contract_that_is_missed_is_tolerated_for_a_while(checks: StreamChecks) -> None:
    assert evaluated(fresh(checks, age=90.0, missed_for=179.0))["freshness"].passed
    result = evaluated(fresh(checks, age=90.0, missed_for=181.0))["freshness"]
    assert not result.passed
    assert result.metadata["missed_for_seconds"].value == 181.0


def test_of_freshness_that_could_not_be_measured_nothing_is_said(checks: StreamChecks) -> None:
    assert "freshness" not in evaluated(checks)
    assert "freshness" not in evaluated(fresh(checks, age=None))


def test_a_wide_margin_of_a_costly_engine_is_told(checks: StreamChecks) -> None:
    lavish = CONTRACT.model_copy(update={"engine": "flink", "freshness": timedelta(minutes=20)})
    result = evaluated(fresh(checks, lavish, p95=30.0))["freshness"]
    assert result.passed
    assert result.metadata["cheaper_engine"].value == "kept 40 × better than asked: spark would do"  # noqa: RUF001  (times)


def test_what_could_not_be_measured_for_a_while_is_no_news_afterwards(checks: StreamChecks) -> None:
    kept, unknown = check_sensor(fresh(checks), 15), check_sensor(fresh(checks, age=None), 15)
    with dg.DagsterInstance.ephemeral() as instance:
        first = kept(dg.build_sensor_context(instance=instance))
        assert isinstance(first, dg.SensorResult)
        assert isinstance(unknown(dg.build_sensor_context(instance=instance, cursor=first.cursor)), dg.SkipReason)
        assert isinstance(kept(dg.build_sensor_context(instance=instance, cursor=first.cursor)), dg.SkipReason)


def test_the_sensor_reports_what_changed_and_nothing_else(checks: StreamChecks) -> None:
    sensor = check_sensor(checks, 15)
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(first, dg.SensorResult)
        assert {event.check_name: event.passed for event in first.asset_events} == {  # type: ignore[union-attr]
            "no_events_lost": True,
            "schema_drift": True,
            "engine_fit": True,
        }
        again = sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
        assert isinstance(again, dg.SkipReason)
        reject(checks, LOSS)
        changed = sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    assert isinstance(changed, dg.SensorResult)
    assert [(event.asset_key, event.passed) for event in changed.asset_events] == [(ORDERS, False)]  # type: ignore[union-attr]


def test_what_has_not_changed_is_told_again_after_an_hour_for_its_numbers(
    checks: StreamChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor, now = check_sensor(fresh(checks), 15), time.time()
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(first, dg.SensorResult)
        monkeypatch.setattr("lakehouse.components.news.time.time", lambda: now + 3590)
        assert isinstance(sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor)), dg.SkipReason)
        monkeypatch.setattr("lakehouse.components.news.time.time", lambda: now + 3700)
        again = sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    assert isinstance(again, dg.SensorResult)
    assert len(again.asset_events) == len(first.asset_events)


def test_it_can_be_run_by_hand(checks: StreamChecks) -> None:
    note(checks, QueryStatus("raw.orders", QueryState.RUNNING))
    reject(checks, LOSS)
    definitions = dg.Definitions.merge(
        dg.Definitions(assets=[dg.AssetSpec(ORDERS)]), stream_check_definitions(checks, 15)
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)
    outcomes = {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}
    assert outcomes == {"writer_alive": True, "no_events_lost": False, "schema_drift": True, "engine_fit": True}


@pytest.fixture
def misfit(tmp_path: Path) -> StreamChecks:
    """A table of a minute that Flink writes, for a team that never ran it."""
    workload = Circumstances(team=frozenset({Skill.SQL}))
    contract = CONTRACT.model_copy(update={"engine": "flink", "workload": workload})
    return StreamChecks([contract], Catalog(str(tmp_path / "tables")), tmp_path / "queries.json")


def test_an_engine_that_the_rules_and_a_red_flag_speak_against_is_a_warning_that_says_why(misfit: StreamChecks) -> None:
    result = evaluated(misfit)["engine_fit"]
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    told = str(result.metadata["misfits"].value)
    assert "- the rules choose spark (micro-batches): from 30 seconds to 15 minutes" in told
    assert "- red flag no-jvm: the team never ran a JVM streaming system" in told


def test_the_sensor_reports_a_misfit_as_a_warning_and_once(misfit: StreamChecks) -> None:
    sensor = check_sensor(misfit, 15)
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(first, dg.SensorResult)
        severities = {event.check_name: event.severity for event in first.asset_events}  # type: ignore[union-attr]
        assert severities["engine_fit"] is dg.AssetCheckSeverity.WARN
        again = sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    assert isinstance(again, dg.SkipReason)
