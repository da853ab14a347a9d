"""The same code over s3://, against a real S3-compatible server."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from lakehouse.local.checks import MachineError, check_machine
from lakehouse.local.supervisor import Supervisor
from lakehouse.settings import Settings, load_settings
from lakehouse.storage import Catalog, table_stats
from lakehouse.storage.catalog import StoreError
from lakehouse.storage.changes import change_feed, rows_sql
from lakehouse.storage.duck import connect
from tests.conftest import free_port
from tests.lakehouse_dbt import Event, Lakehouse, parse

LAKEHOUSE = Path(sys.executable).with_name("lakehouse")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return parse(tmp_path_factory.mktemp("manifest"))


@pytest.fixture
def lakehouse(
    tmp_path: Path, manifest: Manifest, s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Lakehouse:
    """raw.orders, empty, below a prefix of the test's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    lakehouse = Lakehouse(tmp_path, manifest=manifest)
    lakehouse.catalog = Catalog.from_settings(load_settings({"root": f"s3://lake/{tmp_path.name}"}))
    lakehouse.create_source()
    return lakehouse


def query(lakehouse: Lakehouse, sql: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "LAKEHOUSE_ROOT": lakehouse.catalog.root, **environment}
    command = [LAKEHOUSE, "query", "--format", "csv", sql]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=120, check=False)


def test_a_contracts_tables_are_created_and_found(lakehouse: Lakehouse) -> None:
    lakehouse.create_source()
    assert lakehouse.catalog.names() == ["raw.orders", "raw.orders_rejected"]
    assert lakehouse.version("raw.orders") == 0


def test_statistics_come_from_the_log(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"), Event("o2", at=5))
    stats = table_stats(lakehouse.catalog, "raw.orders", maxima_of=["kafka_offset"])
    assert (stats.version, stats.rows, stats.files, stats.maxima) == (1, 2, 1, {"kafka_offset": 1})


def test_the_change_feed_tells_inserts_and_deletes(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"), Event("o2"))
    lakehouse.produce(Event("o3"))
    lakehouse.table("raw.orders").delete("order_id = 'o1'")
    with connect(lakehouse.catalog) as connection:
        feed = change_feed(connection, lakehouse.catalog, "raw.orders", 1, 3)
        sql = rows_sql(connection, feed, {"order_id": "VARCHAR"})
        assert connection.execute(f"FROM ({sql}) ORDER BY 1").fetchall() == [("o1", "delete"), ("o3", "insert")]


def test_writers_at_the_same_time_lose_nothing(lakehouse: Lakehouse) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: lakehouse.produce(Event(f"o{number}")), range(12)))
    assert lakehouse.rows("SELECT count(DISTINCT order_id) FROM raw.orders") == [(12,)]
    assert lakehouse.version("raw.orders") == 12


def test_dbt_builds_increments_and_views(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"), Event("o2", currency="EUR"))
    lakehouse.run()
    lakehouse.produce(Event("o1").later(5, status="paid"))
    lakehouse.run()
    assert lakehouse.rows("SELECT order_id, status FROM marts.fct_orders_daily ORDER BY 1") == [
        ("o1", "paid"),
        ("o2", "placed"),
    ]
    assert lakehouse.version("staging.stg_orders") == 1


def test_the_query_command_reads_tables_and_views(lakehouse: Lakehouse, tmp_path: Path) -> None:
    lakehouse.produce(Event("o1"))
    lakehouse.run()
    sql = (
        "SELECT raw.order_id, rpt.amount_usd_cents FROM raw.orders AS raw JOIN marts.rpt_orders AS rpt USING (order_id)"
    )
    done = query(lakehouse, sql, LAKEHOUSE_STATE_DIR=str(tmp_path / "state"))
    assert done.stdout == "order_id,amount_usd_cents\no1,100\n", done.stderr


def test_a_refused_key_is_told_without_printing_it(lakehouse: Lakehouse) -> None:
    done = query(lakehouse, "SELECT 1", AWS_SECRET_ACCESS_KEY="not-the-secret")  # noqa: S106 - opens nothing
    assert done.returncode == 1
    assert "no access to s3://lake/" in done.stderr
    assert "given are: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in done.stderr
    assert "not-the-secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_up_says_what_is_wrong_with_the_store_before_it_starts_anything(
    lakehouse: Lakehouse, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(tmp_path / "state", root="s3://nowhere/lake")
    with pytest.raises(MachineError, match=r"no access to s3://nowhere/lake at http.*: there is no bucket 'nowhere'"):
        check_machine(settings, Supervisor(settings), ())
    check_machine(make_settings(tmp_path / "state", root=lakehouse.catalog.root), Supervisor(settings), ())


def test_a_store_that_is_away_is_named_with_its_address(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    away = Catalog.from_settings(load_settings({"root": lakehouse.catalog.root}))
    with pytest.raises(StoreError, match=address):
        away.names()
