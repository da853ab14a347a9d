"""dbt with Spark on S3. What Spark's streams do there: `test_remote_stack.py`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.settings import Settings
from lakehouse.storage import Catalog
from lakehouse.storage.catalog import object_store
from tests.integration.secrets import found_in
from tests.lakehouse_dbt import PROJECT, Event, Lakehouse

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
    assert found_in([os.environ["AWS_SECRET_ACCESS_KEY"]], lakehouse.catalog, tmp_path) == []
