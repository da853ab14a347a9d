"""Events that are gone before they were read: found, told, and kept in the quarantine table.

With `failOnDataLoss=false` Spark goes on at the first offset left, and says nothing. Here what it passed over becomes a
quarantine row a partition, so that a table which misses events says which. With `failOnDataLoss=true` Spark itself
stops at the first such offset; here its error is told by offsets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from lakehouse.contracts.source import KafkaSource
from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.checkpoint import BatchRange, Offsets
from lakehouse_spark.origin import Origin, TopicRecreatedError

#: What to do about expired events where the table can record them.
GO_ON = "To go on without them, and have them recorded in quarantine, set `fail_on_data_loss: false` in the contract"


class DataLossError(RuntimeError):
    """Events expired before they were read, and the contract says `fail_on_data_loss: true`."""


class Loss(Protocol):
    """Events of a partition that are gone; its text is the reason that quarantine gives."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def start(self) -> int: ...


@dataclass(frozen=True)
class Gap:
    """Offsets ``start`` (inclusive) to ``end`` (exclusive) of one partition, gone before they were read.

    ``missing`` is how many of these were not read, where some between them were; None: all.
    """

    topic: str
    partition: int
    start: int
    end: int
    missing: int | None = None

    def __str__(self) -> str:
        events = f"{self.end - self.start} events" if self.missing is None else f"{self.missing} of them"
        return (
            f"offsets_lost: {self.topic}[{self.partition}] offsets {self.start} to {self.end - 1} "
            f"({events}) expired before they were read"
        )


@dataclass(frozen=True)
class ReadRange:
    """What a batch read of one partition: its first offset, and how many rows."""

    first: int
    rows: int


@dataclass(frozen=True)
class GapGuard:
    """Watches the batches of one source.

    ``planned`` gives the offsets of a batch, ``topic_id`` the id that the topic has now, ``connect`` its offsets.
    """

    source: KafkaSource
    origin: Origin
    planned: Callable[[int], BatchRange]
    topic_id: Callable[[], str]
    connect: Callable[[], TopicOffsets]
    remedy: str = GO_ON

    def refuse(self, batch_id: int) -> None:
        """After a batch failed to be read: raises DataLossError when that is because a part of it expired, and
        TopicRecreatedError when the topic is another one by now.
        """
        planned = self.planned(batch_id)
        self.verify()
        gaps = expired(self.source.topic, planned, self._beginning(planned.start))
        if gaps and self.source.fail_on_data_loss:
            lost = "; ".join(str(gap) for gap in gaps)
            raise DataLossError(f"{lost}. {self.remedy}")

    def verify(self) -> None:
        """Before a batch is written: raises TopicRecreatedError when the topic is another one than began it."""
        topic_id = self.topic_id()
        if topic_id != self.origin.topic_id:
            raise TopicRecreatedError(
                f"topic {self.source.topic} was deleted and created again while it was read: its id is {topic_id}, and "
                f"was {self.origin.topic_id}. The next start tells what that means and goes on as the contract says"
            )

    def size(self, batch_id: int) -> int:
        """How many offsets a batch spans."""
        return self.planned(batch_id).size

    def lost(self, read: Mapping[int, ReadRange], rows: DataFrame, batch_id: int) -> list[Loss]:
        """After a batch was read as ``rows``, per partition ``read``: what of it had expired before.

        The first batch of a checkpoint also tells what was abandoned with the topic of the checkpoint before.

        The topic is looked at after each batch was read and before it is written: offsets of a topic that was created
        again mean other events. Its offsets are asked for only when rows are missing, for the markers of a transaction
        and what compaction removed are missing too. Missing is lost where the broker's first offset is beyond it: just
        then, events that expired while the batch was read cannot be told from such markers, and both count. Raises
        TopicRecreatedError.
        """
        planned = self.planned(batch_id)
        self.verify()
        lost: list[Loss] = list(self.origin.abandoned) if batch_id == 0 else []
        if self.source.fail_on_data_loss:
            return lost
        short = {p: start for p, start in planned.start.items() if _rows(read, p) < planned.end.get(p, start) - start}
        if not short:
            return lost
        for gap in expired(self.source.topic, BatchRange(short, planned.end), self._beginning(short)):
            first = read[gap.partition].first if gap.partition in read else gap.end
            unread = gap if first >= gap.end else _holes(gap, rows)
            if unread is not None:
                lost.append(unread)
        return lost

    def _beginning(self, partitions: Mapping[int, int]) -> Offsets:
        with self.connect() as topic:
            return topic.beginning(list(partitions))


def expired(topic: str, planned: BatchRange, beginning: Offsets) -> list[Gap]:
    """The part of each partition's ``planned`` range that lies before the first offset the broker still holds."""
    return [
        Gap(topic, partition, start, min(beginning[partition], planned.end[partition]))
        for partition, start in sorted(planned.start.items())
        if partition in planned.end and start < min(beginning.get(partition, 0), planned.end[partition])
    ]


def _rows(read: Mapping[int, ReadRange], partition: int) -> int:
    return read[partition].rows if partition in read else 0


def _holes(expired: Gap, rows: DataFrame) -> Gap | None:
    """What of ``expired`` is not among ``rows``, which are cached; None where all of it was read in time."""
    offset = F.col("kafka_offset")
    within = rows.where(
        (F.col("kafka_partition") == expired.partition) & (offset >= expired.start) & (offset < expired.end)
    )
    edges = within.select(offset).union(
        rows.sparkSession.createDataFrame([(expired.start - 1,), (expired.end,)], "kafka_offset bigint")
    )
    pairs = edges.select(offset, F.lead(offset).over(Window.orderBy(offset)).alias("following"))
    first, last, missing = (
        pairs.where(F.col("following") > offset + 1)
        .agg(F.min(offset + 1), F.max(F.col("following") - 1), F.sum(F.col("following") - offset - 1))
        .collect()[0]
    )
    if missing is None:
        return None
    size = last + 1 - first
    return Gap(expired.topic, expired.partition, first, last + 1, None if missing == size else missing)


def loss_rows(spark: SparkSession, losses: Sequence[Loss]) -> DataFrame:
    """One row of the quarantine table a loss, at the first offset that is gone."""
    rows = [(loss.topic, loss.partition, loss.start, str(loss)) for loss in losses]
    frame = spark.createDataFrame(rows, "kafka_topic string, kafka_partition int, kafka_offset bigint, reason string")
    return frame.select(
        "*",
        F.lit(None).cast("timestamp").alias("kafka_timestamp"),
        F.current_timestamp().alias("ingested_at"),
        F.lit(None).cast("binary").alias("raw_key"),
        F.lit(None).cast("binary").alias("raw_value"),
    )
