"""Files that DuckDB writes carry statistics that are true bounds, in the form the protocol gives them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehouse.storage.parquet import write_parquet


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def stats(connection: duckdb.DuckDBPyConnection, directory: Path, kind: str, *values: str) -> dict[str, Any]:
    """The statistics of a file with one column `c` of ``kind``."""
    sql = "SELECT CAST(unnest([" + ", ".join(values) + f"]) AS {kind}) AS c"
    (file,) = write_parquet(connection, str(directory), "sub/dir", sql, {"c": kind}, {})
    assert (directory / file.path).stat().st_size == file.size
    told: dict[str, Any] = json.loads(file.stats)
    assert told["numRecords"] == file.rows == len(values)
    return told


@pytest.mark.parametrize(
    ("kind", "values", "low", "high"),
    [
        ("BIGINT", ["3", "NULL", "-5"], -5, 3),
        ("DECIMAL(10,2)", ["1.50", "2.25"], 1.5, 2.25),
        ("VARCHAR", ["'b'", "'é'", "'a'"], "a", "é"),
        ("DATE", ["'2026-01-02'", "'2025-12-31'"], "2025-12-31", "2026-01-02"),
        ("TIMESTAMP", ["'2026-01-02 03:04:05.123456'"], "2026-01-02T03:04:05.123", "2026-01-02T03:04:05.124"),
        (
            "TIMESTAMP WITH TIME ZONE",
            ["'2026-01-02 03:04:05.999999+00'", "'2026-01-02 03:04:05+02'"],
            "2026-01-02T01:04:05.000Z",
            "2026-01-02T03:04:06.000Z",
        ),
    ],
)
def test_bounds(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str, values: list[str], low: object, high: object
) -> None:
    told = stats(connection, tmp_path, kind, *values)
    assert (told["minValues"], told["maxValues"]) == ({"c": low}, {"c": high})
    assert told["nullCount"] == {"c": values.count("NULL")}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("VARCHAR", f"'{'x' * 1000}'"),
        ("DOUBLE", "1.5"),
        ("FLOAT", "'nan'"),
        ("DECIMAL(38,2)", "'123456789012345678901234567890.12'"),
        ("TIMESTAMP", "'infinity'"),
        ("BOOLEAN", "true"),
        ("BLOB", "'abc'"),
        ("BIGINT", "NULL"),
    ],
)
def test_no_bound_is_better_than_a_wrong_or_a_long_one(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str, value: str
) -> None:
    told = stats(connection, tmp_path, kind, value)
    assert (told["minValues"], told["maxValues"]) == ({}, {})


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
def test_the_last_moment_that_has_a_name_has_no_upper_bound(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    told = stats(connection, tmp_path, kind, "'2026-01-02 03:04:05'", "'9999-12-31 23:59:59.999999'")
    assert told["minValues"]["c"].startswith("2026-01-02T03:04:05.000")
    assert told["maxValues"] == {}
