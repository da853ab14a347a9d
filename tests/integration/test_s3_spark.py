"""Spark on S3, beside delta-rs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import Contract, find_contract
from lakehouse.maintenance.run import Maintenance
from lakehouse.settings import Settings
from lakehouse.storage import Catalog
from lakehouse.storage.catalog import object_store
from tests.integration.spark_appends import PARTITION, appending
from tests.lakehouse_dbt import PROJECT, Event, Lakehouse

COMMITS = 6
DBT = Path(sys.executable).with_name("dbt")


@pytest.fixture
def settings(
    make_state: Callable[..., Settings],
    s3_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Tables below a prefix of the test's own."""
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    return make_state(tmp_path / "state", root=f"s3://lake/{tmp_path.name}")


@pytest.fixture
def lakehouse(settings: Settings, tmp_path: Path) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path)
    lakehouse.catalog = Catalog.from_settings(settings)
    lakehouse.create_source()
    lakehouse.produce(Event("o0"))
    return lakehouse


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has, asked so slowly that two writers who commit at any moment both get a turn."""
    try:
        process.wait(0.3)
    except subprocess.TimeoutExpired:
        return False
    return True


def with_the_secret(settings: Settings, directory: Path) -> list[str]:
    """The objects of the bucket's prefix and the files below ``directory`` in which the key of S3 can be read."""
    store = object_store(settings.root, Catalog.from_settings(settings).storage_options)
    # Hadoop marks directories with empty objects, whose names end in a slash that gets lost.
    objects = [meta["path"] for batch in store.list() for meta in batch if meta["size"]]
    files = [file for file in directory.rglob("*") if file.is_file()]
    assert any(name.endswith(".json") for name in objects)
    assert any(file.suffix == ".log" for file in files)
    written = {**{name: bytes(store.get(name).bytes()) for name in objects}, **{str(f): f.read_bytes() for f in files}}
    secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    return [name for name, content in written.items() if secret in content]


def test_spark_and_delta_rs_commit_to_one_table_while_it_is_compacted(
    settings: Settings, lakehouse: Lakehouse, tmp_path: Path
) -> None:
    shipped = find_contract(settings.contracts_dir, "raw.orders").model_dump(exclude_none=True)
    contract = Contract.model_validate({**shipped, "maintenance": {"small_files": 2}})
    environment, produced = {**os.environ, **settings.as_environment()}, 1
    with appending("raw.orders", COMMITS, environment, tmp_path) as spark:
        while not ended(spark):
            lakehouse.produce(Event(f"o{produced}"))
            produced += 1
            if produced % 5 == 0:
                Maintenance(settings, [contract]).maintain("raw.orders", dry_run=False)
    rows = lakehouse.rows("SELECT kafka_partition, kafka_offset FROM raw.orders ORDER BY ALL")
    assert rows == [*((0, n) for n in range(produced)), *((PARTITION, n) for n in range(COMMITS))]
    operations = [entry["operation"] for entry in lakehouse.table("raw.orders").history()]
    assert "OPTIMIZE" in operations
    assert with_the_secret(settings, tmp_path) == []


def test_dbt_on_spark_goes_on_with_a_table_of_duckdb_and_makes_one_that_is_missing(
    settings: Settings, lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.run("--select", "stg_orders")
    lakehouse.produce(Event("o0").later(5, status="paid"), Event("o1", currency="EUR"))
    # In a process of its own: how Spark reaches a store is settled when its JVM starts.
    command = [DBT, "build", "--target", "spark", "--select", "stg_orders", "dim_fx_rates", "--profiles-dir", "."]
    made = {"DBT_TARGET_PATH": str(tmp_path / "target-spark"), "DBT_LOG_PATH": str(tmp_path / "target-spark")}
    environment = {**os.environ, **settings.as_environment(), **made}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout
    orders = lakehouse.rows(
        "SELECT order_id, status, usd_rate > 1 FROM staging.stg_orders LEFT JOIN marts.dim_fx_rates USING (currency)"
    )
    assert sorted(orders) == [("o0", "paid", None), ("o1", "placed", True)]
    assert not object_store(lakehouse.catalog.root, lakehouse.catalog.storage_options).list("_staging/").collect()
    before = lakehouse.versions()
    lakehouse.run("--select", "stg_orders", "dim_fx_rates")
    assert lakehouse.versions() == before, "nothing was left for DuckDB to do"
    assert with_the_secret(settings, tmp_path) == []
