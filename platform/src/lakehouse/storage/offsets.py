"""Which Kafka offsets a table holds, told by its own rows."""

import pyarrow as pa
from deltalake import QueryBuilder

from lakehouse.storage.catalog import Catalog

_FOLLOWING = """
SELECT kafka_topic, kafka_partition, max(kafka_offset) + 1 AS following FROM held GROUP BY kafka_topic, kafka_partition
"""


def following_offsets(catalog: Catalog, name: str, topic: str) -> dict[int, int]:
    """Partition of ``topic`` → the offset behind the newest one that the table holds.

    Empty for a table without such rows, or one that does not exist. Reads three columns whole: for a start, not for
    each batch.
    """
    if not catalog.exists(name):
        return {}
    rows = pa.table(QueryBuilder().register("held", catalog.open(name)).execute(_FOLLOWING))
    return {row["kafka_partition"]: row["following"] for row in rows.to_pylist() if row["kafka_topic"] == topic}
