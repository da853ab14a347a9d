"""Which Kafka offsets a table holds, told by its own rows."""

import pyarrow as pa
from deltalake import QueryBuilder

from lakehouse.storage.catalog import Catalog

_FOLLOWING = """
SELECT kafka_topic, kafka_partition, max(kafka_offset) + 1 AS following FROM held GROUP BY kafka_topic, kafka_partition
"""
_MISSING = """
SELECT kafka_topic, kafka_partition, max(kafka_offset) + 1 - min(kafka_offset) - count(DISTINCT kafka_offset) AS missing
FROM (SELECT kafka_topic, kafka_partition, kafka_offset FROM held UNION ALL
      SELECT kafka_topic, kafka_partition, kafka_offset FROM rejected)
GROUP BY kafka_topic, kafka_partition
"""


def following_offsets(catalog: Catalog, name: str, topic: str) -> dict[int, int]:
    """Partition of ``topic`` → the offset behind the newest one that the table holds.

    Empty for a table without such rows, or one that does not exist. Reads three columns whole: for a start, not for
    each batch.
    """
    if not catalog.exists(name):
        return {}
    table = catalog.open(name)
    if "kafka_topic" not in {field.name for field in table.schema().fields}:
        return {}  # Not one of ours, though it has its name: the plan and the writer's start refuse it.
    rows = pa.table(QueryBuilder().register("held", table).execute(_FOLLOWING))
    return {row["kafka_partition"]: row["following"] for row in rows.to_pylist() if row["kafka_topic"] == topic}


def missing_offsets(catalog: Catalog, name: str, rejected: str, topic: str) -> int:
    """How many offsets of ``topic`` lie between others that the table or its quarantine holds, and are in neither.

    Of a topic that is compacted, or written in transactions, some never were a message. 0 unless both tables exist.
    """
    if not (catalog.exists(name) and catalog.exists(rejected)):
        return 0
    query = QueryBuilder().register("held", catalog.open(name)).register("rejected", catalog.open(rejected))
    rows = pa.table(query.execute(_MISSING)).to_pylist()
    return sum(row["missing"] for row in rows if row["kafka_topic"] == topic)
