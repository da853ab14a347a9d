"""Which Kafka offsets a table holds, told by its own rows."""

import pyarrow as pa
from deltalake import QueryBuilder

from lakehouse.contracts.model import Contract
from lakehouse.storage.catalog import Catalog


def ingested_offsets(catalog: Catalog, contract: Contract) -> dict[int, int]:
    """Partition → next offset to read: one behind the newest that the table or its quarantine table holds.

    Only rows of the topic that the contract names count; another topic has offsets of its own. Empty when neither table
    holds such a row. Reads two columns of both tables whole: for a start without a checkpoint, not for
    every batch.
    """
    following: dict[int, int] = {}
    for name in (contract.table, contract.rejected_table):
        if not catalog.exists(name):
            continue
        # A topic's name has no quotes: the contract says so.
        query = (
            "SELECT kafka_partition, max(kafka_offset) + 1 AS following FROM held "  # noqa: S608
            f"WHERE kafka_topic = '{contract.source.topic}' GROUP BY kafka_partition"
        )
        rows = pa.table(QueryBuilder().register("held", catalog.open(name)).execute(query))
        for partition, offset in zip(rows["kafka_partition"].to_pylist(), rows["following"].to_pylist(), strict=True):
            following[partition] = max(offset, following.get(partition, 0))
    return following
