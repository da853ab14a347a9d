"""What a merge commits is read by Spark as by everyone else: rows, history and change feed."""

import datetime as dt
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from lakehouse.dbt_delta.batch import Batch
from lakehouse.dbt_delta.columns import describe, resolve
from lakehouse.dbt_delta.merge import merge
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage import Catalog, commit
from lakehouse.storage.create import table_properties
from lakehouse.storage.duck import delta_scan_sql, load_delta_extension

NAME = "marts.all_types"
SPEC = ModelSpec.from_node(
    {
        "schema": "marts",
        "alias": "all_types",
        "config": {"materialized": "incremental", "unique_key": "id", "partition_by": ["day", "at"]},
    }
)
#: Every type that a model may have, in a row told by its number.
ROW = """
    {n}::BIGINT AS id, DATE '2026-01-02' AS day, TIMESTAMPTZ '2026-01-02 03:04:05.000006+00' AS at,
    'é' || {v} AS text, {v}::TINYINT AS tiny, {v}::SMALLINT AS small, {v}::INTEGER AS middle, {v}::FLOAT AS single,
    {v}::DOUBLE AS double, {v} % 2 = 0 AS flag, '\\xAA'::BLOB AS bytes, {v}::DECIMAL(10,2) AS price,
    {v}::DECIMAL(38,4) AS large, DATE '2026-01-01' + {v} AS date, TIMESTAMPTZ '2026-01-01 00:00:00.123456+00' AS moment,
    {{'a': {v}, 'b': [{v}, NULL]}} AS nested, MAP {{'k': {v}}} AS pairs
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Three rows made by delta-rs; then a merge updates the first, deletes the second and inserts a fourth."""
    catalog = Catalog(str(tmp_path))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        load_delta_extension(connection)
        rows = connection.execute(" UNION ALL ".join(f"SELECT {ROW.format(n=n, v=n)}" for n in (1, 2, 3)))
        new = commit.NewTable(SPEC.partition_by, "", table_properties(dt.timedelta(days=1)))
        commit.create(catalog, NAME, rows.to_arrow_reader(10), new, {})
        changes = ((1, 10, "false"), (2, 2, "true"), (4, 4, "false"))
        computed = " UNION ALL ".join(f"SELECT {ROW.format(n=n, v=v)}, {gone} AS _deleted" for n, v, gone in changes)
        connection.execute(f"CREATE TEMP TABLE computed AS {computed}")
        table = catalog.open(NAME)
        target = delta_scan_sql(catalog, NAME, table.version())
        held, columns = describe(connection, target), describe(connection, "computed")
        stored = {name: kind for name, kind in columns.items() if name != "_deleted"}
        merge(
            Batch(
                catalog=catalog,
                connection=connection,
                spec=SPEC,
                rows="computed",
                computed=columns,
                target=target,
                held=held,
                resolution=resolve(SPEC, stored, held),
                table=table,
                progress={"dbt": 1},
                progress_moved=True,
                interval=None,
            )
        )
    return catalog


def test_spark_reads_the_rows_that_a_merge_wrote_as_duckdb_does(spark: SparkSession, catalog: Catalog) -> None:
    read = spark.read.format("delta").load(catalog.spark_uri(NAME)).orderBy("id")
    columns = "id, text, tiny, price, large, date, nested.b[1] AS first, bytes, flag"
    sparks = read.selectExpr(
        "id", "text", "tiny", "price", "large", "date", "nested.b[0] AS first", "bytes", "flag"
    ).collect()
    with duckdb.connect() as connection:
        load_delta_extension(connection)
        ducks = connection.execute(f"SELECT {columns} FROM {delta_scan_sql(catalog, NAME)} ORDER BY id").fetchall()
    assert [tuple(bytes(v) if isinstance(v, bytearray) else v for v in row) for row in sparks] == ducks
    assert [row["id"] for row in sparks] == [1, 3, 4]


def test_spark_skips_files_by_the_statistics_without_missing_a_row(spark: SparkSession, catalog: Catalog) -> None:
    read = spark.read.format("delta").load(catalog.spark_uri(NAME))
    moment = "moment = TIMESTAMP '2026-01-01 00:00:00.123456Z'"
    found = read.where(f"{moment} AND at = TIMESTAMP '2026-01-02 03:04:05.000006Z' AND date >= '2026-01-05'")
    assert sorted(row["id"] for row in found.collect()) == [1, 4]


def test_spark_reads_the_change_feed_of_a_merge(spark: SparkSession, catalog: Catalog) -> None:
    feed = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 1)
    told = feed.load(catalog.spark_uri(NAME)).select("id", "middle", "_change_type").collect()
    assert sorted(tuple(row) for row in told) == [
        (1, 1, "update_preimage"),
        (1, 10, "update_postimage"),
        (2, 2, "delete"),
        (4, 4, "insert"),
    ]


def test_spark_shows_the_merge_in_the_history_and_writes_on_top_of_it(spark: SparkSession, catalog: Catalog) -> None:
    uri = catalog.spark_uri(NAME)
    history = spark.sql(f"DESCRIBE HISTORY delta.`{uri}`").collect()
    assert history[0]["operation"] == "MERGE"
    assert history[0]["operationMetrics"]["numTargetRowsUpdated"] == "1"
    spark.sql(f"DELETE FROM delta.`{uri}` WHERE id = 3")
    assert catalog.open(NAME).to_pyarrow_table().num_rows == 2
