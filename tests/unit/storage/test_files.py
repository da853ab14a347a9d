"""Files by the names that the log, DuckDB and the file system give them."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.errors import LakehouseError
from lakehouse.storage import Catalog
from lakehouse.storage.duck import delta_scan_sql, load_delta_extension
from lakehouse.storage.files import held_files, partition_directory, partition_text

ODD = "a b/c%d=ü:é*?[x]'\""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", None),
        ("a b", "a b"),
        (True, "true"),
        (7, "7"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02 03:04:05.000006"),  # noqa: DTZ001  # a time without a zone
        (dt.datetime(1, 1, 1), "0001-01-01 00:00:00.000000"),  # noqa: DTZ001  # likewise
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=1))), "2026-01-02 02:00:00.000000"),
    ],
)
def test_partition_values_are_written_as_the_protocol_says(value: object, text: str | None) -> None:
    assert partition_text(value) == text


def test_a_value_that_is_no_partition_is_refused() -> None:
    with pytest.raises(LakehouseError, match="bytes cannot be a partition value"):
        partition_text(b"x")


def test_held_files_are_found_under_the_names_that_duckdb_gives(tmp_path: Path) -> None:
    catalog = Catalog(str(tmp_path / "with a space"))
    moments = pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "UTC"))
    table = pa.table({"id": [1, 2, 3], "part": [ODD, "b", None], "at": moments})
    write_deltalake(catalog.uri("raw.items"), table, partition_by=["part", "at"])
    files = held_files(catalog.open("raw.items"), catalog.uri("raw.items"))
    with duckdb.connect() as connection:
        load_delta_extension(connection)
        scan = delta_scan_sql(catalog, "raw.items", file_column="file")
        shown = dict(connection.execute(f"SELECT file, part FROM {scan}").fetchall())
    assert {location: file.partition["part"] for location, file in files.items()} == shown
    assert {file.partition["at"] for file in files.values()} == {"2026-01-02 03:04:05.000006"}
    assert all(Path(location).is_file() for location in files)


def test_a_new_partition_lies_where_delta_rs_would_put_it(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), pa.table({"id": [1, 2], "part": [ODD, None]}), partition_by=["part"])
    directories = {path.name for path in tmp_path.iterdir() if path.name.startswith("part=")}
    assert {partition_directory({"part": value}, ["part"]) for value in (ODD, None)} == directories
