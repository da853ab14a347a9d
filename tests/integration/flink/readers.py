"""A Delta table as each engine reads it, and whether it holds what was sent."""

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from lakehouse.generator.identity import CHECKSUM_SQL
from lakehouse.generator.manifest import Manifest
from lakehouse.storage.duck import load_delta_extension

READERS = ("delta-rs", "duckdb", "spark")
Reader = Callable[[str], pa.Table]


def reader(engine: str, spark: SparkSession | None = None) -> Reader:
    """What reads the table at a location with ``engine``, one of READERS; Spark's with a session."""

    def by_delta_rs(uri: str) -> pa.Table:
        return pa.table(QueryBuilder().register("t", DeltaTable(uri)).execute("SELECT * FROM t").read_all())

    def by_duckdb(uri: str) -> pa.Table:
        connection = duckdb.connect()
        load_delta_extension(connection)
        return connection.sql(f"FROM delta_scan('{uri}')").to_arrow_table()

    def by_spark(uri: str) -> pa.Table:
        assert spark is not None
        return spark.read.format("delta").load(uri).toArrow()

    return {"delta-rs": by_delta_rs, "duckdb": by_duckdb, "spark": by_spark}[engine]


class Held:
    """The rows of a table and of its quarantine, beside the events that were ``sent``: files of manifests."""

    def __init__(self, read: Reader, table: str, rejected: str, sent: Sequence[Path]) -> None:
        self._duck = duckdb.connect()
        self._duck.execute("SET TimeZone = 'UTC'")
        self._duck.register("stored", read(table))
        self._duck.register("rejected", read(rejected))
        self._duck.execute(f"CREATE VIEW sent AS FROM read_parquet({[str(file) for file in sent]})")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self._duck.execute(sql).fetchall()

    def checksum(self) -> str:
        """As in the manifest of what was sent."""
        return str(self.rows(f"SELECT {CHECKSUM_SQL} FROM stored")[0][0])

    def differences(self) -> tuple[list[object], list[object]]:
        """Events that are missing, and rows too many."""
        columns = "order_id, customer_id, amount_cents, status, event_time, currency, created_at"
        return self._both_ways(f"SELECT {columns} FROM sent WHERE valid", f"SELECT {columns} FROM stored")

    def quarantine_differences(self) -> tuple[list[object], list[object]]:
        """Malformed messages that are missing, and rows too many, by their bytes."""
        return self._both_ways("SELECT key, value FROM sent WHERE NOT valid", "SELECT raw_key, raw_value FROM rejected")

    def offsets(self) -> list[tuple[object, ...]]:
        """Partition, rows, distinct offsets, first and last offset, over both tables."""
        return self.rows(
            """
            SELECT kafka_partition, count(*), count(DISTINCT kafka_offset), min(kafka_offset), max(kafka_offset)
            FROM (SELECT kafka_partition, kafka_offset FROM stored
                  UNION ALL SELECT kafka_partition, kafka_offset FROM rejected)
            GROUP BY kafka_partition ORDER BY kafka_partition
            """
        )

    def _both_ways(self, sent: str, stored: str) -> tuple[list[object], list[object]]:
        missing = self.rows(f"({sent}) EXCEPT ALL ({stored})")
        surplus = self.rows(f"({stored}) EXCEPT ALL ({sent})")
        return list(missing), list(surplus)


def expected_offsets(*manifests: Manifest) -> list[tuple[object, ...]]:
    """`Held.offsets` of a table that holds each message of the ``manifests``, one after the other, once."""
    partitions = sorted({partition for manifest in manifests for partition in manifest.partitions})
    taken = {p: [m.partitions[p] for m in manifests if p in m.partitions] for p in partitions}
    return [
        (p, n := sum(part.delivered for part in parts), n, parts[0].first_offset, parts[-1].last_offset)
        for p, parts in taken.items()
    ]
