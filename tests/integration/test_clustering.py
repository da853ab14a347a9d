"""The job `cluster`, run as Dagster runs it, with the Spark session of dagster-pyspark."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.defs.clustering.jobs import clustering
from lakehouse.settings import load_settings
from lakehouse.storage import Catalog, create_tables
from tests.contracts import visits_contract
from tests.integration.conftest import REPOSITORY

FILES, ROWS = 4, 1000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = [
    {"name": "at", "type": "timestamp", "required": True},
    {"name": "number", "type": "bigint"},
    {"name": "note", "type": "string"},
    {"name": "day", "type": "string"},
]


@pytest.fixture
def things(tmp_path: Path, jars: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> DeltaTable:
    """Numbers all over each of its files, on two days."""
    monkeypatch.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path))
    (tmp_path / "jars").symlink_to(jars)
    catalog = Catalog.from_settings(load_settings())
    create_tables(catalog, visits_contract(COLUMNS, table="raw.things", partition_by=["day"], cluster_by=["number"]))
    schema = pa.schema(catalog.open("raw.things").schema().to_arrow())
    for first in range(FILES):
        numbers = range(first, FILES * ROWS, FILES)
        rows = [{"at": NOW, "number": number, "day": f"day {number % 2}"} for number in numbers]
        write_deltalake(catalog.uri("raw.things"), pa.Table.from_pylist(rows, schema), mode="append")
    return catalog.open("raw.things")


def run(**config: object) -> bool:
    ops = {"cluster_table": {"config": {"table": "raw.things", **config}}}
    job = clustering().get_job_def("cluster")
    return job.execute_in_process(run_config={"ops": ops}, raise_on_error=True).success


def files_by_day(table: DeltaTable) -> dict[str, int]:
    table.update_incremental()
    days = pa.table(table.get_add_actions(flatten=True)).column("partition.day").to_pylist()
    return {day: days.count(day) for day in sorted(set(days))}


def test_a_partition_is_clustered_and_holds_the_same_rows(things: DeltaTable) -> None:
    assert files_by_day(things) == {"day 0": FILES // 2, "day 1": FILES // 2}
    assert run(by=["number"], partitions="day = 'day 0'")
    assert files_by_day(things) == {"day 0": 1, "day 1": FILES // 2}
    assert sorted(things.to_pyarrow_table().column("number").to_pylist()) == list(range(FILES * ROWS))
    assert things.history(limit=1)[0]["operation"] == "OPTIMIZE"


def test_a_column_that_the_table_lacks_is_named_with_those_it_has(things: DeltaTable) -> None:
    with pytest.raises(Exception, match=r"cannot be clustered by nunber\. Columns: at, number, note, day, "):
        run(by=["nunber"])


def test_a_column_without_bounds_is_refused_before_spark_is_asked(things: DeltaTable) -> None:
    with pytest.raises(Exception, match=r"cannot be clustered by note: .* Columns with bounds: at, number, kafka_"):
        run(by=["note"])
    assert things.history(limit=1)[0]["operation"] == "WRITE"
