"""Offsets that expired before they were read: found, told, and kept in the quarantine table.

With `failOnDataLoss=false` Spark goes on at the first offset left, and says nothing. Here each such range becomes
a quarantine row, so that a table which misses events says which.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.contracts.model import KafkaSource
from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.checkpoint import BatchRange, Offsets


class DataLossError(RuntimeError):
    """Events expired before they were read, and the contract says `fail_on_data_loss: true`."""


@dataclass(frozen=True)
class Gap:
    """Offsets ``start`` (inclusive) to ``end`` (exclusive) of one partition, gone before they were read."""

    topic: str
    partition: int
    start: int
    end: int

    def __str__(self) -> str:
        return (
            f"offsets_lost: {self.topic}[{self.partition}] offsets {self.start} to {self.end - 1} "
            f"({self.end - self.start} events) expired before they were read"
        )


@dataclass(frozen=True)
class GapGuard:
    """Watches the batches of one source. ``planned`` gives the offsets of a batch, ``connect`` asks the broker."""

    source: KafkaSource
    planned: Callable[[int], BatchRange]
    connect: Callable[[], TopicOffsets]

    def refuse(self, batch_id: int) -> None:
        """After a batch failed to be read: raises DataLossError when that is because a part of it expired."""
        planned = self.planned(batch_id)
        gaps = expired(self.source.topic, planned, self._beginning(planned))
        if gaps and self.source.fail_on_data_loss:
            lost = "; ".join(str(gap) for gap in gaps)
            raise DataLossError(f"{lost}. To go on without them, set `fail_on_data_loss: false` in the contract")

    def lost(self, first_read: Offsets, batch_id: int) -> list[Gap]:
        """After a batch was read, from ``first_read`` on in each partition: what of it had expired before.

        The broker is asked only when something is missing at the front: a transaction's markers look the same.
        """
        planned = self.planned(batch_id)
        behind = {
            p: start for p, start in planned.start.items() if first_read.get(p, planned.end.get(p, start)) > start
        }
        if not behind:
            return []
        read_from = {p: first_read.get(p, planned.end[p]) for p in behind}
        return expired(self.source.topic, BatchRange(behind, read_from), self._beginning(planned))

    def _beginning(self, planned: BatchRange) -> Offsets:
        with self.connect() as topic:
            return topic.beginning(list(planned.start))


def expired(topic: str, planned: BatchRange, beginning: Offsets) -> list[Gap]:
    """The part of each partition's ``planned`` range that lies before the first offset the broker still holds."""
    return [
        Gap(topic, partition, start, min(beginning[partition], planned.end[partition]))
        for partition, start in sorted(planned.start.items())
        if partition in planned.end and start < min(beginning.get(partition, 0), planned.end[partition])
    ]


def gap_rows(spark: SparkSession, gaps: Sequence[Gap]) -> DataFrame:
    """One row of the quarantine table a gap, at the gap's first offset."""
    rows = [(gap.topic, gap.partition, gap.start, str(gap)) for gap in gaps]
    frame = spark.createDataFrame(rows, "kafka_topic string, kafka_partition int, kafka_offset bigint, reason string")
    return frame.select(
        "*",
        F.lit(None).cast("timestamp").alias("kafka_timestamp"),
        F.current_timestamp().alias("ingested_at"),
        F.lit(None).cast("binary").alias("raw_key"),
        F.lit(None).cast("binary").alias("raw_value"),
    )
