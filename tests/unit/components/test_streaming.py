"""What Dagster is told of streaming tables, on real Delta tables."""

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.components.streaming import DATA_VERSION_TAG, observed_tables, streaming_definitions, version_sensor
from lakehouse.contracts import load_contract
from lakehouse.storage import Catalog, create_tables

REPOSITORY = Path(__file__).parents[3]
ORDERS = dg.AssetKey(["raw", "orders"])
CONTRACT = load_contract(REPOSITORY / "streaming" / "contracts" / "orders.yaml")


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


def test_the_cursor_remembers_version_and_rows(catalog: Catalog) -> None:
    append(catalog, 3, datetime.now(UTC))
    assert json.loads(first_tick(catalog).cursor or "")["raw.orders"] == {"version": 1, "rows": 3}


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
