"""`dim_customers`: a table of a real Postgres as a Delta table."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from dbt.contracts.graph.manifest import Manifest

from lakehouse.generator.config import DEFAULT_CUSTOMERS, GeneratorConfig
from lakehouse.generator.stream import OrderGenerator
from lakehouse.local.customers import ensure_customers
from lakehouse.settings import Settings
from lakehouse.storage.postgres import attach, password
from tests.lakehouse_dbt import Event, Lakehouse, messages, parse

DIMENSION = "marts.dim_customers"
MODEL = ("--select", "dim_customers")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return parse(tmp_path_factory.mktemp("manifest"))


class Shop:
    """The database, as an application writes it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def execute(self, statement: str) -> None:
        with duckdb.connect() as connection:
            attach(connection, self.settings, read_only=False)
            connection.execute("CALL postgres_execute('postgres', ?)", [statement])

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect() as connection:
            attach(connection, self.settings)
            return connection.execute("FROM postgres_query('postgres', ?)", [query]).fetchall()


@pytest.fixture
def shop(postgres: Settings) -> Iterator[Shop]:
    """A shop with three customers."""
    shop = Shop(postgres)
    ensure_customers(postgres)
    shop.execute(
        "DELETE FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM customers ORDER BY 1 LIMIT 3)"
    )
    yield shop
    shop.execute("DROP TABLE customers")


@pytest.fixture
def lakehouse(tmp_path: Path, manifest: Manifest, shop: Shop) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path, manifest=manifest)
    lakehouse.postgres = shop.settings
    lakehouse.create_source()
    return lakehouse


def test_seeding_is_done_once_and_leaves_what_was_changed(shop: Shop) -> None:
    assert ensure_customers(shop.settings) is None
    assert shop.rows("SELECT count(*) FROM customers") == [(3,)]


def test_customers_of_the_generators_orders_are_known_but_for_a_few(postgres: Settings) -> None:
    shop = Shop(postgres)
    shop.execute("DROP TABLE IF EXISTS customers")
    try:
        assert (ensure_customers(postgres) or 0) == pytest.approx(DEFAULT_CUSTOMERS, rel=0.02)
        known = {row[0] for row in shop.rows("SELECT customer_id FROM customers")}
    finally:
        shop.execute("DROP TABLE customers")
    chunks = OrderGenerator(GeneratorConfig(events=20_000, seed=1)).chunks()
    ordering = {customer for chunk in chunks for customer in chunk.rows["customer_id"].to_pylist()}
    assert len(ordering & known) / len(ordering) == pytest.approx(0.99, abs=0.008)
    assert ordering - known


def test_the_dimension_equals_the_source_and_passes_its_tests(lakehouse: Lakehouse, shop: Shop) -> None:
    result = lakehouse.dbt("build", *MODEL)
    assert result.success, messages(result)
    columns = "customer_id, name, email, country, segment, is_active, extract(epoch FROM created_at)::bigint"
    assert lakehouse.rows(f"SELECT {columns} FROM {DIMENSION} ORDER BY 1") == shop.rows(
        f"SELECT {columns} FROM customers ORDER BY 1"
    )


def test_an_unchanged_source_commits_nothing(lakehouse: Lakehouse) -> None:
    lakehouse.run(*MODEL)
    lakehouse.run(*MODEL)
    assert lakehouse.version(DIMENSION) == 0


def test_inserts_updates_and_deletes_become_one_commit_of_the_rows_that_changed(
    lakehouse: Lakehouse, shop: Shop
) -> None:
    lakehouse.run(*MODEL)
    (first,), (second,), (third,) = shop.rows("SELECT customer_id FROM customers ORDER BY 1")
    shop.execute(f"UPDATE customers SET segment = 'enterprise', name = 'New Name' WHERE customer_id = '{first}'")
    shop.execute(f"DELETE FROM customers WHERE customer_id = '{second}'")
    shop.execute("INSERT INTO customers VALUES ('x', 'X', 'x@example.com', 'DE', 'consumer', true, now(), now())")
    lakehouse.run(*MODEL)
    assert lakehouse.version(DIMENSION) == 1
    assert lakehouse.rows(f"SELECT customer_id, name = 'New Name' FROM {DIMENSION} ORDER BY 1") == [
        (first, True),
        (third, False),
        ("x", False),
    ]
    changes = pa.table(lakehouse.table(DIMENSION).load_cdf(starting_version=1).read_all()).to_pylist()
    assert {(row["customer_id"], row["_change_type"]) for row in changes} == {
        (first, "update_preimage"),
        (first, "update_postimage"),
        (second, "delete"),
        ("x", "insert"),
    }


def test_an_emptied_source_empties_the_dimension(lakehouse: Lakehouse, shop: Shop) -> None:
    lakehouse.run(*MODEL)
    shop.execute("DELETE FROM customers")
    lakehouse.run(*MODEL)
    assert lakehouse.rows(f"SELECT count(*) FROM {DIMENSION}") == [(0,)]


def test_a_run_that_reads_nothing_deletes_nothing(lakehouse: Lakehouse) -> None:
    lakehouse.run(*MODEL)
    lakehouse.run("--empty", *MODEL)
    assert lakehouse.rows(f"SELECT count(*) FROM {DIMENSION}") == [(3,)]


def test_everything_is_built_together(lakehouse: Lakehouse, shop: Shop) -> None:
    ((customer,),) = shop.rows("SELECT customer_id FROM customers ORDER BY 1 LIMIT 1")
    lakehouse.produce(Event("o1", customer_id=str(customer)))
    result = lakehouse.dbt("build")
    assert result.success, messages(result)
    assert not [node for node in result.result.results if node.status == "warn"]


def test_an_order_of_an_unknown_customer_makes_a_data_test_warn(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1", customer_id="nobody"))
    lakehouse.run()
    result = lakehouse.dbt("test")
    assert result.success, messages(result)
    warned = [node.node.name for node in result.result.results if node.status == "warn"]
    assert warned == ["dim_customers_every_order_has_its_customer"]


@pytest.fixture
def without_postgres(lakehouse: Lakehouse, make_settings: Callable[..., Settings], tmp_path: Path) -> Lakehouse:
    """The port of a Postgres that is not up."""
    settings = make_settings(tmp_path / "elsewhere", postgres_password="secret-of-a-test")  # noqa: S106 - opens nothing
    lakehouse.postgres = settings
    return lakehouse


def test_without_postgres_only_the_models_that_read_it_fail(without_postgres: Lakehouse) -> None:
    without_postgres.produce(Event("o1"))
    result = without_postgres.dbt("build")
    assert not result.success
    succeeded = {node.node.name for node in result.result.results if node.status in ("success", "pass")}
    assert {"stg_orders", "fct_orders_daily", "fct_daily_revenue", "rpt_orders"} <= succeeded
    others = [node for node in result.result.results if "customer" not in node.node.name]
    assert {node.status for node in others} <= {"success", "pass", "no-op"}
    assert without_postgres.rows("SELECT order_id FROM marts.fct_orders_daily") == [("o1",)]


def test_without_postgres_the_error_names_address_and_remedy(without_postgres: Lakehouse) -> None:
    result = without_postgres.dbt("run", *MODEL)
    assert without_postgres.postgres is not None
    address = f"127.0.0.1:{without_postgres.postgres.postgres_port}"
    for expected in (address, "Connection refused", "lakehouse up --only postgres", "LAKEHOUSE_POSTGRES_HOST"):
        assert expected in messages(result)


@pytest.mark.parametrize("command", ["compile", "docs generate"])
def test_without_postgres_the_project_can_be_compiled_and_documented(without_postgres: Lakehouse, command: str) -> None:
    without_postgres.produce(Event("o1"))
    without_postgres.run("--exclude", "source:postgres+")
    result = without_postgres.dbt(*command.split())
    assert result.success, messages(result)


def test_a_model_that_orders_are_tested_with_may_be_missing(without_postgres: Lakehouse) -> None:
    without_postgres.produce(Event("o1"))
    without_postgres.run("--select", "+fct_orders_daily")
    result = without_postgres.dbt("build", "--select", "fct_orders_daily")
    assert result.success, messages(result)


def test_a_wrong_password_is_told_as_such(lakehouse: Lakehouse) -> None:
    result = lakehouse.dbt("run", *MODEL, env={"LAKEHOUSE_POSTGRES_PASSWORD": "wrong-word"})
    assert "password authentication failed" in messages(result)
    assert "wrong-word" not in messages(result)


def test_the_password_is_in_no_file_that_dbt_writes(lakehouse: Lakehouse, tmp_path: Path) -> None:
    assert lakehouse.postgres is not None
    secret = password(lakehouse.postgres).encode()
    shutil.rmtree(tmp_path / "target", ignore_errors=True)
    lakehouse.dbt("build", "--log-level-file", "debug", *MODEL)
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "dbt.log" for file in written)
    assert not [file for file in written if secret in file.read_bytes()]
