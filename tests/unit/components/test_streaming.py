"""What Dagster is told of streaming tables, on real Delta tables."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time
from deltalake import write_deltalake

from lakehouse.components.assets import observed_tables
from lakehouse.components.observation import observation, observed_columns
from lakehouse.components.streaming import StreamingTables, streaming_definitions
from lakehouse.components.versions import DATA_VERSION_TAG, version_sensor
from lakehouse.contracts import declared_tables, find_contract, load_contracts
from lakehouse.observability.freshness import Freshness
from lakehouse.storage import Catalog, create_tables, table_stats

REPOSITORY = Path(__file__).parents[3]
ORDERS = dg.AssetKey(["raw", "orders"])
CONTRACTS_DIR = REPOSITORY / "streaming" / "contracts"
CONTRACT = find_contract(CONTRACTS_DIR, "raw.orders")
METRICS = find_contract(CONTRACTS_DIR, "streaming.order_metrics_5min")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(str(tmp_path))
    create_tables(catalog, CONTRACT)
    return catalog


def append(catalog: Catalog, count: int, moment: datetime) -> None:
    rows = {
        "order_id": ["o"] * count,
        "customer_id": ["c"] * count,
        "amount_cents": [1] * count,
        "event_time": [moment] * count,
        "kafka_timestamp": [moment] * count,
    }
    table = catalog.open("raw.orders")
    schema = pa.schema([field for field in pa.schema(table.schema().to_arrow()) if field.name in rows])
    write_deltalake(table, pa.table(rows, schema=schema), mode="append", schema_mode="merge")


def tick(catalog: Catalog, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    sensor = version_sensor(observed_tables([CONTRACT]), catalog, 15)
    with dg.DagsterInstance.ephemeral() as instance:
        result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def first_tick(catalog: Catalog) -> dg.SensorResult:
    result = tick(catalog, None)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_new_version_is_an_observation_and_a_materialization_of_that_data_version(catalog: Catalog) -> None:
    append(catalog, 3, datetime.now(UTC))
    events = [event for event in first_tick(catalog).asset_events if event.asset_key == ORDERS]
    assert [type(event) for event in events] == [dg.AssetObservation, dg.AssetMaterialization]
    assert [event.tags for event in events] == [{DATA_VERSION_TAG: "1"}] * 2  # type: ignore[union-attr]


def test_an_unchanged_table_reports_nothing(catalog: Catalog) -> None:
    assert isinstance(tick(catalog, first_tick(catalog).cursor), dg.SkipReason)


def test_only_the_table_that_changed_is_reported(catalog: Catalog) -> None:
    before = first_tick(catalog)
    append(catalog, 3, datetime.now(UTC))
    result = tick(catalog, before.cursor)
    assert isinstance(result, dg.SensorResult)
    assert {event.asset_key for event in result.asset_events} == {ORDERS}


def test_a_table_its_writer_has_not_created_is_left_out(tmp_path: Path) -> None:
    assert isinstance(tick(Catalog(str(tmp_path)), None), dg.SkipReason)


def test_metadata_tells_size_growth_and_age(catalog: Catalog) -> None:
    append(catalog, 3, datetime(2026, 1, 1, tzinfo=UTC))
    cursor = first_tick(catalog).cursor
    append(catalog, 4, datetime(2026, 1, 2, tzinfo=UTC))
    result = tick(catalog, cursor)
    assert isinstance(result, dg.SensorResult)
    metadata = {key: value.value for key, value in result.asset_events[0].metadata.items()}
    assert metadata["delta_version"] == 2
    assert metadata["dagster/row_count"] == 7
    assert metadata["rows_added"] == 4
    assert metadata["files"] == 2
    assert metadata["newest_event_time"] == datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    age = (datetime.now(UTC) - datetime(2026, 1, 2, tzinfo=UTC)).total_seconds()
    assert metadata["lag_seconds"] == pytest.approx(age, abs=60)
    sizes = [file.stat().st_size for file in (Path(catalog.root) / "raw" / "orders").glob("*.parquet")]
    assert metadata["bytes"] == sum(sizes)


def test_measured_freshness_is_plotted_with_the_version(catalog: Catalog) -> None:
    append(catalog, 3, datetime.now(UTC))
    measured = Freshness("raw.orders", 60.0, 180.0, 5.0, 6.0, 9.0, None, 3, None)
    sensor = version_sensor(observed_tables([CONTRACT]), catalog, 15, lambda: {"raw.orders": measured})
    with dg.DagsterInstance.ephemeral() as instance:
        result = sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SensorResult)
    for event in result.asset_events:
        numbers = {key: value.value for key, value in event.metadata.items() if key.startswith(("fresh", "latency"))}
        expected = {"freshness_seconds": 5.0, "latency_p50_seconds": 6.0, "latency_p95_seconds": 9.0}
        assert numbers == (expected if event.asset_key == ORDERS else {})


def test_the_cursor_remembers_version_and_rows(catalog: Catalog) -> None:
    append(catalog, 3, datetime.now(UTC))
    told = json.loads(first_tick(catalog).cursor or "")["raw.orders"]
    assert (told["version"], told["rows"]) == (1, 3)


def test_after_a_cursor_of_an_earlier_release_everything_is_told_once_more(catalog: Catalog) -> None:
    result = tick(catalog, json.dumps({"raw.orders": {"version": 0, "rows": 0}}))
    assert isinstance(result, dg.SensorResult)
    assert isinstance(tick(catalog, result.cursor), dg.SkipReason)


def test_what_a_writer_has_still_to_read_is_plotted(catalog: Catalog) -> None:
    sensor = version_sensor(observed_tables([CONTRACT]), catalog, 15, lags=lambda: {"raw.orders": 17})
    with dg.DagsterInstance.ephemeral() as instance:
        result = sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SensorResult)
    assert {event.metadata["lag_events"].value for event in result.asset_events if event.asset_key == ORDERS} == {17}


def test_freshness_is_measured_once_a_tick_however_many_tables_moved(catalog: Catalog) -> None:
    asked = []
    sensor = version_sensor(observed_tables([CONTRACT]), catalog, 15, lambda: asked.append(1) or {})
    with dg.DagsterInstance.ephemeral() as instance:
        result = sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SensorResult)
    assert len({event.asset_key for event in result.asset_events}) == 2
    assert len(asked) == 1


def test_the_component_loads_every_contract_with_its_topic_upstream(catalog: Catalog) -> None:
    defs = streaming_definitions([CONTRACT], catalog, 15)
    graph = defs.resolve_asset_graph()
    node = graph.get(ORDERS)
    assert node.is_observable
    assert not node.is_materializable
    assert {key.to_user_string() for key in node.parent_keys} == {"kafka/orders.events"}
    assert node.owners == ["team:data-platform"]
    assert node.kinds == {"spark", "deltalake"}
    columns = node.metadata["dagster/column_schema"].columns
    assert [column.name for column in columns] == [column.name for column in CONTRACT.stored_columns()]
    assert [column.name for column in columns if "pii" in (column.tags or {})] == ["customer_id"]


def test_an_asset_tells_the_rule_behind_its_engine_and_what_speaks_against_it(catalog: Catalog) -> None:
    fits, named = (
        streaming_definitions([contract], catalog, 15).resolve_asset_graph().get(ORDERS).metadata
        for contract in (CONTRACT, CONTRACT.model_copy(update={"engine": "flink"}))
    )
    assert (fits["engine"], fits["engine_warnings"].value) == ("spark (auto)", "none")
    assert named["engine"] == "flink (flink)"
    assert named["engine_rule"].startswith("micro-batches → spark: ")
    assert named["engine_warnings"].value.startswith("- the rules choose spark (micro-batches): ")


def test_the_tables_and_the_topic_of_a_flink_job_are_assets_too(catalog: Catalog) -> None:
    graph = streaming_definitions([METRICS], catalog, 15).resolve_asset_graph()
    late = graph.get(dg.AssetKey(["streaming", "orders_late"]))
    for node in (graph.get(dg.AssetKey(["streaming", "order_metrics_5min"])), late):
        assert node.is_observable
        assert node.kinds == {"flink", "deltalake"}
        assert {key.to_user_string() for key in node.parent_keys} == {"kafka/orders.events"}
    columns = [column.name for column in late.metadata["dagster/column_schema"].columns]
    assert columns == [column.name for column in CONTRACT.stored_columns()]
    topic = graph.get(dg.AssetKey(["kafka", "orders.metrics.5min"]))
    assert {key.to_user_string() for key in topic.parent_keys} == {"kafka/orders.events"}


def test_a_table_without_coordinates_is_as_old_as_its_newest_time(tmp_path: Path) -> None:
    catalog = Catalog(str(tmp_path))
    create_tables(catalog, METRICS)
    end = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    row = {"window_start": end, "window_end": end, "emitted_at": end, "order_count": 1, "max_amount_cents": 5}
    table = catalog.open(METRICS.table)
    write_deltalake(table, pa.Table.from_pylist([row], schema=pa.schema(table.schema().to_arrow())), mode="append")
    declared, _ = declared_tables(METRICS)
    stats = table_stats(catalog, declared.name, maxima_of=observed_columns(declared))
    _, metadata = observation(declared, stats, None)
    assert metadata["newest_event_time"].value == end.timestamp()
    assert metadata["lag_seconds"].value == pytest.approx((datetime.now(UTC) - end).total_seconds(), abs=60)


def test_observe_in_the_ui_records_the_version_the_table_has(catalog: Catalog) -> None:
    append(catalog, 3, datetime.now(UTC))
    defs = streaming_definitions([CONTRACT], catalog, 15)
    job = dg.Definitions.merge(
        defs, dg.Definitions(jobs=[dg.define_asset_job("look", selection=dg.AssetSelection.assets(ORDERS))])
    ).resolve_job_def("look")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
        record = instance.fetch_observations(ORDERS, limit=1).records[0]
        assert record.asset_observation is not None
        assert record.asset_observation.data_version == "1"
        assert record.asset_observation.metadata["dagster/row_count"].value == 3


@pytest.mark.parametrize(
    ("table", "seconds"),
    [
        ("raw.orders", 60 + 180),
        ("streaming.order_metrics", 60 + 180 + 60),
        ("streaming.order_metrics_5min", 5 + 60 + 300),
        ("raw.orders_rejected", None),
        ("streaming.orders_late", None),
        ("streaming.fraud_alerts", None),
        ("streaming.customer_sessions", None),
    ],
)
def test_a_table_that_follows_its_events_has_dagsters_freshness_from_its_contract(
    catalog: Catalog, table: str, seconds: int | None
) -> None:
    graph = streaming_definitions(load_contracts(CONTRACTS_DIR), catalog, 15).resolve_asset_graph()
    policy = graph.get(dg.AssetKey(table.split("."))).freshness_policy
    expected = dg.FreshnessPolicy.time_window(timedelta(seconds=seconds)) if seconds else None
    assert policy == expected


def test_a_contract_that_tolerates_less_than_dagster_can_tell_has_its_shortest_policy(catalog: Catalog) -> None:
    strict = CONTRACT.model_copy(update={"freshness": timedelta(seconds=5), "tolerance": timedelta(seconds=10)})
    graph = streaming_definitions([strict], catalog, 15).resolve_asset_graph()
    assert graph.get(ORDERS).freshness_policy == dg.FreshnessPolicy.time_window(timedelta(minutes=1))


def test_dagster_tells_a_table_stale_that_it_only_observes(catalog: Catalog) -> None:
    node = streaming_definitions([CONTRACT], catalog, 15).resolve_asset_graph().get(ORDERS)

    def state(instance: dg.DagsterInstance) -> FreshnessState:
        context = LoadingContextForTest(instance)
        return asyncio.run(TimeWindowFreshnessPolicyEvaluator().evaluate_freshness(context, node))

    with dg.DagsterInstance.ephemeral() as instance:
        assert state(instance) is FreshnessState.UNKNOWN
        append(catalog, 1, datetime.now(UTC))
        for event in first_tick(catalog).asset_events:
            instance.report_runless_asset_event(event)
        assert state(instance) is FreshnessState.PASS
        with freeze_time(datetime.now(UTC) + timedelta(minutes=5)):
            assert state(instance) is FreshnessState.FAIL


@pytest.mark.parametrize(("steps", "asked"), [("processes", {"writer_alive", "checkpoint_age"}), ("pods", set())])
def test_writers_are_asked_where_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str, asked: set[str]
) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_STEPS", steps)
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_SPARK_IMAGE", "spark:1")
    checks = StreamingTables().build_defs(dg.ComponentTree.for_test().load_context).resolve_asset_graph()
    names = {key.name for key in checks.asset_check_keys}
    assert names & {"writer_alive", "checkpoint_age"} == asked
    assert {"freshness", "consumer_lag", "no_events_lost"} <= names
