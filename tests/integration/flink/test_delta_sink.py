"""Tables that the Flink sink writes, read by the other engines: the same rows, with and without skipping files.

The table holds awkward values, each row in a file with statistics of its own. A bound that is too tight loses its row.
"""

import subprocess
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from lakehouse.storage.duck import load_delta_extension

ROOT = Path(__file__).parents[3]

EVERY_READER = [
    "id = 1",
    "text = 'plain'",
    "text = repeat('z', 40)",
    "text > repeat('z', 35)",
    "text LIKE '日本%'",
    "small_decimal = 1.50",
    "small_decimal < -9999999",
    "big_decimal = 0.0000000001",
    "big_decimal = -0.0000000001",
    "at_local = timestamp '2026-11-22 10:00:00.123456'",
    "at_local > timestamp '2026-11-22 23:59:59.999000'",
    "at_local = timestamp '1969-12-31 23:59:59.999999'",
    "at_local < timestamp '1900-01-01'",
    "number = 1.5",
    "number = 0.0",
    "number < -1e300",
    "isnan(number)",
    "part = 'a b'",
    "part = 'x=1/y'",
    "part = '100%'",
    "part LIKE 'ü%'",
    "part IS NULL",
    "part_day = date '2026-11-22'",
    "part_day < date '1900-01-01'",
]

ONLY_DUCKDB = [
    # delta-rs' SQL cannot parse numbers of that many digits.
    "big_decimal > 1234567890123456789012345678",
    "big_decimal = 9999999999999999999999999999.9999999999",
    "at_utc = timestamptz '2026-11-22 10:00:00.123456+00'",
    "at_utc > timestamptz '2026-11-22 23:59:59.999000+00'",
    "part_at = timestamptz '2026-11-22 23:59:59.999001+00'",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("flink-delta-sink")
    class_path = directory / "class-path"
    maven = ["mvn", "--batch-mode", "--quiet", "--file", str(ROOT / "streaming/pom.xml")]
    maven += ["--projects", "flink/delta-sink", "--also-make"]
    subprocess.run(
        [*maven, "test-compile", "dependency:build-classpath", f"-Dmdep.outputFile={class_path}"], check=True
    )
    target = ROOT / "streaming/flink/delta-sink/target"
    entries = [str(target / "classes"), str(target / "test-classes"), class_path.read_text().strip()]
    main = "io.lakehouse.flink.delta.InteropTable"
    subprocess.run(["java", "-cp", ":".join(entries), main, str(directory / "table")], check=True)
    return directory / "table"


@pytest.fixture(scope="module")
def duck(table: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    load_delta_extension(connection)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW skipping AS FROM delta_scan('{table}')")
    connection.execute("CREATE TABLE everything AS FROM skipping")
    return connection


def test_delta_rs_and_duckdb_read_the_same_rows(table: Path, duck: duckdb.DuckDBPyConnection) -> None:
    by_duckdb = duck.sql("FROM everything ORDER BY id").fetchall()
    by_delta_rs = pa.table(
        QueryBuilder().register("t", DeltaTable(table)).execute("SELECT * FROM t ORDER BY id").read_all()
    )

    # As text, because NaN does not equal itself.
    assert [str(tuple(row.values())) for row in by_delta_rs.to_pylist()] == [
        str(row).replace("<UTC>", "zoneinfo.ZoneInfo(key='UTC')") for row in by_duckdb
    ]
    assert [row[3] for row in by_duckdb] == [
        Decimal("1E-10"),
        Decimal("1234567890123456789012345678.0123456789"),
        Decimal("-1E-10"),
        Decimal("9999999999999999999999999999.9999999999"),
        None,
    ]


@pytest.mark.parametrize("predicate", EVERY_READER + ONLY_DUCKDB)
def test_skipping_files_loses_no_row(predicate: str, table: Path, duck: duckdb.DuckDBPyConnection) -> None:
    select = "SELECT id FROM {} WHERE {} ORDER BY id"
    expected = [row[0] for row in duck.sql(select.format("everything", predicate)).fetchall()]

    assert expected, "the predicate has to find something, or it proves nothing"
    assert [row[0] for row in duck.sql(select.format("skipping", predicate)).fetchall()] == expected
    if predicate in EVERY_READER:
        found = QueryBuilder().register("t", DeltaTable(table)).execute(select.format("t", predicate)).read_all()
        assert pa.table(found)["id"].to_pylist() == expected
