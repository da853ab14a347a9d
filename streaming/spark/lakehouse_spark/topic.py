"""A contract's topic as a stream of messages: where it begins, what a batch may hold, what watches over it."""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial

from pyspark.sql import DataFrame, SparkSession

from lakehouse.contracts.source import KafkaSource
from lakehouse.kafka import Kafka
from lakehouse_spark.broker import TopicIdentity, TopicOffsets
from lakehouse_spark.checkpoint import BatchRange, Checkpoint, Offsets
from lakehouse_spark.gaps import GO_ON, GapGuard
from lakehouse_spark.origin import Origin


@dataclass(frozen=True)
class TopicStream:
    """The topic of ``source``, as the query with the checkpoint at ``checkpoint_location`` reads it."""

    spark: SparkSession
    kafka: Kafka
    source: KafkaSource
    checkpoint_location: str
    #: A consumer group to read in; None: one that Spark makes up.
    group: str | None = None

    def messages(self, start: Offsets, longest_wait: timedelta | None) -> DataFrame:
        """The stream of Spark's Kafka source. Messages that fill no batch wait for one at most ``longest_wait``.

        A batch starts as soon as it is full, and takes what there is, up to the contract's bound for catching up: so a
        backlog pays for few batches, and the events of a steady stream for a batch of their own.
        """
        source = self.source
        stream = self.spark.readStream.format("kafka")
        if longest_wait is not None:
            stream = stream.option("minOffsetsPerTrigger", source.max_offsets_per_trigger)
            stream = stream.option("maxTriggerDelay", f"{longest_wait // timedelta(milliseconds=1)}ms")
        if self.group is not None:
            stream = stream.option("kafka.group.id", self.group)
        return (
            stream.options(**self.kafka.for_spark())
            .option("subscribe", source.topic)
            .option("startingOffsets", json.dumps({source.topic: start}) if start else source.starting_offsets)
            .option("maxOffsetsPerTrigger", source.largest_batch)
            .option("failOnDataLoss", str(source.fail_on_data_loss).lower())
            .load()
        )

    def guard(self, origin: Origin, remedy: str = GO_ON) -> GapGuard:
        """Watches the batches of a query that began at ``origin``; ``remedy`` says what to do about lost events."""
        planned = partial(self.planned, origin.start)
        return GapGuard(self.source, origin, planned, self._identity.topic_id, self.connect, remedy)

    def planned(self, start: Offsets, batch_id: int) -> BatchRange:
        """The offsets of a batch; ``start`` is where the first one began."""
        planned = self.checkpoint.batch_range(batch_id)
        return BatchRange(start=start, end=planned.end) if batch_id == 0 else planned

    def connect(self) -> TopicOffsets:
        """Asks the broker; to be closed after use."""
        return TopicOffsets(self.kafka, self.source.topic)

    @property
    def checkpoint(self) -> Checkpoint:
        """What the query has read."""
        return Checkpoint(self.spark, self.checkpoint_location, self.source.topic)

    @cached_property
    def _identity(self) -> TopicIdentity:
        return TopicIdentity(self.kafka, self.source.topic)
