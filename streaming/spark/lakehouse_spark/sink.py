"""Writes a micro-batch to a contract's table and to its quarantine table, each exactly once.

Spark repeats a batch that it did not see finished, with the same id and the same offsets. Each Delta commit carries the
batch id (see `commit`), so a repeated write is skipped by Delta itself.

A new checkpoint goes on behind the newest row of the table. Quarantine is written first, so it may be a batch ahead of
that: what it holds already is left out. Thus not even a crash between the two commits together with a lost checkpoint
loses or doubles a row.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.commit import commit_options
from lakehouse_spark.faults import FaultPoint, Faults
from lakehouse_spark.gaps import GapGuard, Loss, ReadRange, loss_rows

_LOG = logging.getLogger(__name__)
#: Below this many rows one file is best: a task per Kafka partition would leave a handful of tiny files a batch.
_ONE_FILE_BELOW = 250_000


class InvalidRowError(RuntimeError):
    """An invalid row arrived where the contract says `on_invalid: fail`."""


@dataclass(frozen=True)
class Sink:
    """The two tables of ``contract``. ``rejected_offsets`` is the first offset a partition that quarantine lacks."""

    contract: Contract
    catalog: Catalog
    guard: GapGuard
    rejected_offsets: Mapping[int, int]
    faults: Faults

    def write(self, batch: DataFrame, batch_id: int) -> int:
        """One micro-batch of ``parse_events``, parsed once. Quarantine first, so that what it holds leads.

        Returns how many rows were read. Raises InvalidRowError or DataLossError where the contract says so, with
        nothing of the batch written.
        """
        rows = batch.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            valid = F.col("reason").isNull()
            summary = self._read(rows, valid, batch_id)
            good = sum(partition.good for partition in summary)
            total: int = sum(partition.total for partition in summary)
            rejected = total - good
            read = {p.kafka_partition: ReadRange(p.first_read, p.total) for p in summary}
            lost = self.guard.lost(read, rows, batch_id)
            stamped = rows.withColumn("ingested_at", F.call_function("events.read_at"))
            self._reject(stamped.where(~valid), rejected, batch_id, lost)
            self.faults.reached(FaultPoint.BETWEEN_COMMITS)
            if good:
                columns = [column.name for column in self.contract.stored_columns()]
                self._append(stamped.where(valid).select(columns), self.contract.table, batch_id, good)
            return total
        finally:
            rows.unpersist()

    def _read(self, rows: DataFrame, valid: Column, batch_id: int) -> list[Row]:
        """Reads and parses the batch into Spark's cache; per Kafka partition its rows and its first offset."""
        counts = rows.groupBy("kafka_partition").agg(
            F.count(F.lit(1)).alias("total"), F.count_if(valid).alias("good"), F.min("kafka_offset").alias("first_read")
        )
        try:
            return counts.collect()
        except Exception:
            self.guard.refuse(batch_id)
            raise

    def _reject(self, rejected: DataFrame, count: int, batch_id: int, lost: list[Loss]) -> None:
        contract = self.contract
        for loss in lost:
            _LOG.error("%s: %s", contract.table, loss)
        if count and contract.on_invalid is OnInvalid.FAIL:
            first = rejected.orderBy("kafka_partition", "kafka_offset").first()
            assert first is not None  # noqa: S101  (count says so)
            raise InvalidRowError(
                f"{contract.table}: {count} invalid rows in batch {batch_id}, the first in topic {first.kafka_topic}, "
                f"partition {first.kafka_partition}, offset {first.kafka_offset}: {first.reason}. The contract says "
                "`on_invalid: fail`; `quarantine` would set such rows aside."
            )
        if contract.on_invalid is not OnInvalid.QUARANTINE or not (count or lost):
            return
        columns = [column.name for column in contract.rejected_columns()]
        rows = rejected.select(columns)
        if lost:
            rows = rows.unionByName(loss_rows(rejected.sparkSession, lost).select(columns))
        self._append(rows.where(self._not_in_quarantine()), contract.rejected_table, batch_id, count)

    def _not_in_quarantine(self) -> Column:
        held = F.lit(False)
        for partition, following in self.rejected_offsets.items():
            held = held | ((F.col("kafka_partition") == partition) & (F.col("kafka_offset") < following))
        return ~held

    def _append(self, rows: DataFrame, table: str, batch_id: int, count: int) -> None:
        (
            (rows.coalesce(1) if count < _ONE_FILE_BELOW else rows)
            .write.format("delta")
            .mode("append")
            .options(**commit_options(rows.sparkSession, batch_id))
            .save(self.catalog.spark_uri(table))
        )
