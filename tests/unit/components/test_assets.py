"""What the catalogue tells of tables and topics before anything was observed."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.components.assets import Place, observed_tables, table_spec, topic_specs
from lakehouse.contracts import load_contracts
from lakehouse.settings import Settings
from lakehouse.storage import Catalog

REPOSITORY = Path(__file__).parents[3]
CONTRACTS = load_contracts(REPOSITORY / "streaming" / "contracts")


@pytest.fixture
def settings(tmp_path: Path, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(tmp_path / "state", flink_rest_port=8123, spark_ui_port=4123)


@pytest.fixture
def specs(settings: Settings) -> dict[str, dg.AssetSpec]:
    """Every table and topic of the reference pipeline."""
    catalog, place = Catalog.from_settings(settings), Place.of(settings)
    tables = [table_spec(table, catalog, place) for table in observed_tables(CONTRACTS)]
    return {spec.key.to_user_string(): spec for spec in [*tables, *topic_specs(CONTRACTS, place)]}


def origins(spec: dg.AssetSpec) -> dict[str, set[str]]:
    """The fields behind each column, all of them of the asset's one upstream."""
    [upstream] = [dep.asset_key for dep in spec.deps]
    lineage = spec.metadata["dagster/column_lineage"].deps_by_column
    assert {dep.asset_key for deps in lineage.values() for dep in deps} == {upstream}
    return {column: {dep.column_name for dep in deps} for column, deps in lineage.items()}


def test_a_table_of_events_has_the_fields_of_its_topic(specs: dict[str, dg.AssetSpec]) -> None:
    found = origins(specs["raw/orders"])
    assert found["amount_cents"] == {"amount_cents"}
    assert found["created_at"] == {"created_at", "event_time"}
    assert "kafka_offset" not in found


@pytest.mark.parametrize("table", ["order_metrics", "order_metrics_5min", "order_metrics_5min_sql"])
def test_a_table_of_windows_tells_what_they_are_made_of(specs: dict[str, dg.AssetSpec], table: str) -> None:
    found = origins(specs[f"streaming/{table}"])
    assert found["window_start"] == {"event_time"}
    assert found["total_amount_cents"] == {"amount_cents"}
    assert found["status"] == {"status"}


def test_every_column_of_lineage_is_one_that_its_upstream_shows(specs: dict[str, dg.AssetSpec]) -> None:
    told = 0
    for spec in specs.values():
        if lineage := spec.metadata.get("dagster/column_lineage"):
            for dep in (dep for deps in lineage.deps_by_column.values() for dep in deps):
                shown = specs[dep.asset_key.to_user_string()].metadata["dagster/column_schema"]
                assert dep.column_name in {column.name for column in shown.columns}
                told += 1
    assert told > 50


def test_a_topic_shows_the_fields_of_its_messages_and_which_are_personal(specs: dict[str, dg.AssetSpec]) -> None:
    columns = {column.name: column for column in specs["kafka/orders.events"].metadata["dagster/column_schema"].columns}
    assert columns["amount_cents"].description == "Value of the order in hundredths of its currency"
    assert [name for name, column in columns.items() if "pii" in (column.tags or {})] == ["customer_id"]
    assert "raw.orders" in str(specs["kafka/orders.events"].description)


def test_a_topic_that_a_job_writes_has_its_lineage_and_engine(specs: dict[str, dg.AssetSpec]) -> None:
    topic = specs["kafka/orders.metrics.5min"]
    assert topic.kinds == {"kafka", "flink"}
    assert origins(topic)["max_amount_cents"] == {"amount_cents"}


@pytest.mark.parametrize(
    ("asset", "files"),
    [
        ("raw/orders", ["streaming/contracts/orders.yaml"]),
        (
            "streaming/order_metrics",
            [
                "streaming/contracts/order_metrics.yaml",
                "streaming/spark/lakehouse_spark/transforms/order_metrics.py",
            ],
        ),
        (
            "streaming/orders_late",
            [
                "streaming/contracts/order_metrics_5min.yaml",
                "streaming/flink/jobs/src/main/java/io/lakehouse/flink/jobs/OrderMetricsJob.java",
            ],
        ),
        ("streaming/fraud_alerts", ["streaming/contracts/fraud_alerts.yaml", "streaming/flink/sql/fraud_alerts.sql"]),
    ],
)
def test_an_asset_leads_to_its_contract_and_to_the_code_of_its_transform(
    specs: dict[str, dg.AssetSpec], asset: str, files: list[str]
) -> None:
    references = specs[asset].metadata["dagster/code_references"].code_references
    assert [reference.file_path for reference in references] == [str(REPOSITORY / file) for file in files]
    assert all(Path(reference.file_path).is_file() for reference in references)


def test_an_asset_of_a_stack_leads_to_the_contract_that_people_edit(
    settings: Settings, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    applied = tmp_path / "applied"
    applied.mkdir()
    (applied / "orders.yaml").write_text((settings.contracts_dir / "orders.yaml").read_text())
    place = Place.of(make_settings(tmp_path / "other", contracts_dir=str(applied)))
    assert place.files["raw.orders"] == settings.contracts_dir / "orders.yaml"


def test_links_lead_to_the_engine_and_to_the_table(specs: dict[str, dg.AssetSpec], settings: Settings) -> None:
    flink, spark = specs["streaming/order_metrics_5min"].metadata, specs["raw/orders"].metadata
    assert flink["flink_ui"].value == "http://127.0.0.1:8123/#/job/running"
    assert spark["spark_ui"].value == "http://127.0.0.1:4123/StreamingQuery/"
    assert spark["path"].value == f"{settings.root}/raw/orders"
    topic = specs["kafka/orders.events"].metadata
    assert topic["bootstrap_servers"] == settings.kafka_bootstrap_servers
