"""The target `spark`: the same models over the same tables, so that either target goes on where the other stopped."""

from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest
from deltalake import Field
from deltalake.schema import PrimitiveType

from lakehouse.dbt_delta.build import RETENTION
from lakehouse.dbt_delta.progress import consumed_version
from lakehouse.dbt_spark.whole import SparkWriter
from lakehouse.storage import commit
from lakehouse.storage.create import table_properties
from tests.lakehouse_dbt import Event, Lakehouse, SparkLakehouse, messages, parse

MODELS = ("marts.dim_fx_rates", "staging.stg_orders", "marts.fct_orders_daily", "marts.fct_daily_revenue")
DAY = 24 * 60
FIRST, OTHER, EURO = Event("o1", amount_cents=1999), Event("o2", "c2", at=DAY), Event("o3", currency="EUR")

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Manifest]:
    """Of DuckDB and of Spark: each has the macros of its adapter."""
    directory = tmp_path_factory.mktemp("manifests")
    return parse(directory), parse(directory, kind=SparkLakehouse)


@pytest.fixture
def duckdb(tmp_path: Path, jars: Path, manifests: tuple[Manifest, Manifest]) -> Lakehouse:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "jars").symlink_to(jars)
    lakehouse = Lakehouse(tmp_path, manifest=manifests[0])
    lakehouse.create_source()
    lakehouse.produce(FIRST, OTHER, EURO)
    return lakehouse


@pytest.fixture
def on_spark(tmp_path: Path, duckdb: Lakehouse, manifests: tuple[Manifest, Manifest]) -> Lakehouse:
    """dbt on Spark over the tables of `duckdb`, where the events are produced."""
    return SparkLakehouse(tmp_path, manifest=manifests[1])


def rows(lakehouse: Lakehouse) -> dict[str, list[tuple[object, ...]]]:
    return {model: lakehouse.rows(f"SELECT * FROM {model} ORDER BY ALL") for model in MODELS}


def consumed(lakehouse: Lakehouse) -> int | None:
    return consumed_version(lakehouse.table("staging.stg_orders"), "raw.orders", lakehouse.table("raw.orders"))


def test_each_target_goes_on_where_the_other_stopped(duckdb: Lakehouse, on_spark: Lakehouse) -> None:
    duckdb.run()
    # An update, an order before the others of its customer, a duplicate, and one that moves to another day.
    duckdb.produce(FIRST.later(5, status="paid"), Event("o0", created=-DAY), EURO, OTHER.later(1, created=2 * DAY))
    on_spark.run()
    assert consumed(duckdb) == duckdb.version("raw.orders")
    duckdb.produce(FIRST.later(9, status="refunded"), Event("o4", "c2", status=None))
    duckdb.run()
    before = duckdb.versions()
    on_spark.run()
    assert duckdb.versions() == before, "nothing was left for Spark to do"
    held = rows(duckdb)
    duckdb.run("--full-refresh")
    assert held == rows(duckdb)


def test_spark_builds_whole_tables_that_duckdb_goes_on_with(duckdb: Lakehouse, on_spark: Lakehouse) -> None:
    built = on_spark.dbt("build", "--exclude", "source:postgres+")
    assert built.success, messages(built)
    first = duckdb.catalog.open("staging.stg_orders", 0)
    assert (first.to_pyarrow_table().num_rows, first.metadata().partition_columns) == (3, ["order_date"])
    assert first.metadata().configuration == table_properties(RETENTION)
    duckdb.produce(FIRST.later(5, status="paid"), OTHER.later(7, status="cancelled"))
    duckdb.run()
    held = rows(duckdb)
    on_spark.run("--full-refresh")
    assert held == rows(duckdb)
    assert consumed(duckdb) == duckdb.version("raw.orders")
    before = duckdb.versions()
    duckdb.run()
    assert duckdb.versions() == before, "nothing was left for DuckDB to do"
    assert not list(Path(duckdb.catalog.root, "_staging").rglob("*.parquet"))


@pytest.mark.parametrize("first", [True, False])
def test_a_build_that_dies_before_it_has_told_what_it_consumed_has_to_be_done_again(
    duckdb: Lakehouse, on_spark: Lakehouse, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    if not first:
        on_spark.run("--select", "stg_orders")
    with monkeypatch.context() as patch:
        patch.setattr(commit, "append", _die)
        died = on_spark.dbt("run", *([] if first else ["--full-refresh"]), "--select", "stg_orders")
    assert "staging.stg_orders was rebuilt, but what it has consumed was not recorded" in messages(died)
    for lakehouse in (duckdb, on_spark):
        result = lakehouse.dbt("run", "--select", "stg_orders")
        assert "dbt run --full-refresh --select stg_orders" in messages(result)
    on_spark.run("--full-refresh", "--select", "stg_orders")
    assert consumed(duckdb) == duckdb.version("raw.orders")


def _die(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


def test_a_first_build_that_dies_while_spark_writes_leaves_no_table(
    duckdb: Lakehouse, on_spark: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SparkWriter, "_save", _die)
        assert not on_spark.dbt("run", "--select", "stg_orders").success
    assert not duckdb.catalog.exists("staging.stg_orders")
    on_spark.run("--select", "stg_orders")
    assert consumed(duckdb) == duckdb.version("raw.orders")


def test_changes_are_read_over_a_column_that_the_source_got(duckdb: Lakehouse, on_spark: Lakehouse) -> None:
    duckdb.run()
    duckdb.table("raw.orders").alter.add_columns([Field("note", PrimitiveType("string"))])
    duckdb.produce(FIRST.later(5, status="paid"))
    on_spark.run()
    held = rows(duckdb)
    duckdb.run("--full-refresh")
    assert held == rows(duckdb)


def test_changes_are_read_of_versions_without_a_change_data_feed(duckdb: Lakehouse, on_spark: Lakehouse) -> None:
    duckdb.table("raw.orders").alter.set_table_properties({"delta.enableChangeDataFeed": "false"})
    duckdb.run()
    duckdb.produce(FIRST.later(5, status="paid"))
    duckdb.table("raw.orders").delete("order_id = 'o2'")
    on_spark.run()
    held = rows(duckdb)
    duckdb.run("--full-refresh")
    assert held == rows(duckdb)


def test_without_jars_the_command_that_fetches_them_is_told(duckdb: Lakehouse, on_spark: Lakehouse) -> None:
    (Path(duckdb.catalog.root).with_name("state") / "jars").unlink()
    assert "run `make setup`" in messages(on_spark.dbt("run", "--select", "stg_orders"))


def test_what_only_duckdb_reads_is_refused_with_the_command_that_does_it(on_spark: Lakehouse) -> None:
    result = on_spark.dbt("run", "--select", "dim_customers")
    assert "the target spark does not read Postgres" in messages(result)
    assert "dbt build --target local --select source:postgres+" in messages(result)
