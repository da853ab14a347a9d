"""What Dagster learns of a model through dagster-dbt: row counts, columns, and where each column comes from."""

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_dbt import DbtCliResource, dbt_assets

from lakehouse.local.customers import ensure_customers
from lakehouse.settings import Settings
from lakehouse.storage.postgres import password
from tests.lakehouse_dbt import PROJECT, REPOSITORY, Event, Lakehouse, parse


@pytest.fixture
def lakehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path)
    lakehouse.create_source()
    monkeypatch.setenv("LAKEHOUSE_ROOT", lakehouse.catalog.root)
    monkeypatch.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path / "state"))
    return lakehouse


def materialize(lakehouse: Lakehouse, manifest: Path, **choice: str) -> dict[str, dict[str, Any]]:
    """Builds models through Dagster, ``choice`` by dbt's `select` and `exclude`; the metadata of each, by table."""

    @dbt_assets(manifest=json.loads(manifest.read_text()), **choice)
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Any:
        stream = dbt.cli(["run"], context=context).stream()
        yield from stream.fetch_row_counts().fetch_column_metadata()

    executable = str(Path(sys.executable).with_name("dbt"))
    resource = DbtCliResource(project_dir=str(PROJECT), profiles_dir=str(PROJECT), dbt_executable=executable)
    result = dg.materialize([models], resources={"dbt": resource})
    events = result.get_asset_materialization_events()
    return {event.materialization.asset_key.path[-1]: dict(event.materialization.metadata) for event in events}


def test_row_counts_columns_and_lineage_are_known_after_an_increment(lakehouse: Lakehouse, tmp_path: Path) -> None:
    lakehouse.produce(Event("o1"))
    lakehouse.run()
    lakehouse.produce(Event("o2"), Event("o3", currency="EUR"))
    manifest = tmp_path / "target" / "manifest.json"
    metadata = materialize(lakehouse, manifest, exclude="source:postgres+")["fct_orders_daily"]
    assert metadata["dagster/row_count"].value == 3
    columns = {column.name for column in metadata["dagster/column_schema"].value.columns}
    assert "customer_order_sequence" in columns
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    came_from = {(dep.asset_key.path[-1], dep.column_name) for dep in lineage["amount_usd_cents"]}
    assert came_from == {("stg_orders", "amount_cents"), ("stg_orders", "currency"), ("dim_fx_rates", "usd_rate")}


def test_a_model_of_a_database_has_row_count_and_columns(
    lakehouse: Lakehouse, postgres: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_customers(postgres)
    parse(tmp_path)
    monkeypatch.setenv("LAKEHOUSE_POSTGRES_PORT", str(postgres.postgres_port))
    monkeypatch.setenv("LAKEHOUSE_POSTGRES_PASSWORD", password(postgres))
    manifest = tmp_path / "target" / "manifest.json"
    metadata = materialize(lakehouse, manifest, select="dim_customers")["dim_customers"]
    assert metadata["dagster/row_count"].value == lakehouse.rows("SELECT count(*) FROM marts.dim_customers")[0][0]
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    assert [(dep.asset_key.path, dep.column_name) for dep in lineage["segment"]] == [
        (["postgres", "customers"], "segment")
    ]
