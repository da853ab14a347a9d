"""The rows of files, as a merge compares them."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.dbt_delta.diff import FILE, ROW, held_rows_sql
from lakehouse.storage.files import HeldFile


def test_a_partition_column_that_a_file_has_too_is_that_of_the_log(tmp_path: Path) -> None:
    location = str(tmp_path / "1.parquet")
    pq.write_table(pa.table({"id": ["a", "b"], "day": ["of the file", "of the file"]}), location)
    file = HeldFile("1.parquet", location, 1, 2, {"day": "of the log"})
    sql = held_rows_sql([file], {"id": "VARCHAR", "day": "VARCHAR"}, ["day"])
    with duckdb.connect() as connection:
        held = connection.execute(f"SELECT id, day, {FILE}, {ROW} FROM ({sql}) ORDER BY id").fetchall()
    assert held == [("a", "of the log", location, 0), ("b", "of the log", location, 1)]
