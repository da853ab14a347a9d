"""Computes a range of events again, by the code of the live queries, into tables beside theirs.

Events as they came are read in bounded batches, each through the parser and the sink of ingestion; what a function
makes of events is a query of its own, which ends where the topic ended when it began. Both go on where a crash left
them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.contracts.model import Contract
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.commit import REPLAY, progress_of
from lakehouse.storage.create import create_tables
from lakehouse_spark.checkpoint import BatchRange, Checkpoint
from lakehouse_spark.faults import Faults
from lakehouse_spark.functions import transformed
from lakehouse_spark.gaps import GapGuard
from lakehouse_spark.generations import Generations
from lakehouse_spark.origin import Origin, TopicRecreatedError, noted_origin
from lakehouse_spark.parse import parse_events
from lakehouse_spark.results import Results
from lakehouse_spark.sink import Sink
from lakehouse_spark.topic import TopicStream

#: Under this name Spark has the id of a query, by which its commits are marked.
_QUERY_ID = "sql.streaming.queryId"
_EXPIRED = "Begin the replay anew, with a range that the topic still holds"


@dataclass(frozen=True)
class Recomputation:
    """The replay ``replay_id`` of the table of ``contract``, into the table ``side``."""

    spark: SparkSession
    settings: Settings
    catalog: Catalog
    contract: Contract
    side: str
    replay_id: str

    def events(self, ranges: Mapping[int, tuple[int, int]], largest: int) -> None:
        """Reads ``ranges`` of the topic: offsets by partition, from (inclusive) and to (exclusive).

        About ``largest`` at a time, always the same for one replay: what is done is known by the number of the batch.

        Raises TopicRecreatedError where the topic is not the one that the live query reads, DataLossError where a part
        of the ranges expires meanwhile, and InvalidRowError where the contract wants none.
        """
        chunks = list(_chunks(ranges, largest))
        guard = replace(self._topic.guard(self._origin(), _EXPIRED), planned=chunks.__getitem__)
        for number, chunk in enumerate(chunks):
            self._write(self._messages(chunk), guard, number)

    def quarantined(self, condition: str, version: int) -> None:
        """Takes the events of ``condition`` from ``version`` of the quarantine table, which has their bytes."""
        location = self.catalog.spark_uri(self.contract.rejected_table)
        held = self.spark.read.format("delta").option("versionAsOf", version).load(location).where(condition)
        messages = held.select(
            F.col("raw_key").alias("key"),
            F.col("raw_value").alias("value"),
            F.col("kafka_topic").alias("topic"),
            F.col("kafka_partition").alias("partition"),
            F.col("kafka_offset").alias("offset"),
            F.col("kafka_timestamp").alias("timestamp"),
        )
        nothing_planned = BatchRange({}, {})
        guard = GapGuard(self._topic.source, Origin(""), lambda _: nothing_planned, lambda: "", self._topic.connect)
        self._write(messages, guard, 0)

    def rows(self, start: Mapping[int, int], condition: str) -> None:
        """What the contract's function makes of the events from the offsets ``start`` on: the rows of ``condition``.

        Errors of the function and of the stream pass through.
        """
        self._origin()
        create_tables(self.catalog, self._beside)
        events = parse_events(self._topic.messages(dict(start), None), self.contract).where(F.col("reason").isNull())
        rows = transformed(events.select([column.name for column in self.contract.event_columns]), self.contract)
        results = Results(self._beside, self.catalog.spark_uri(self.side))
        assert self.contract.transform is not None  # noqa: S101  (what has no transform is replayed by `events`)
        query = (
            rows.where(condition)
            .writeStream.queryName(self.side)
            .option("checkpointLocation", self.checkpoint.location)
            .outputMode(self.contract.transform.output_mode.value)
            .trigger(availableNow=True)
            .foreachBatch(lambda batch, batch_id: results.write(batch, batch_id, _nothing))
            .start()
        )
        try:
            query.awaitTermination()
        finally:
            query.stop()

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the computation of a transform keeps its state."""
        location = f"{self.settings.checkpoint_root}/replay/{self.replay_id}"
        return Checkpoint(self.spark, location, self.contract.source.topic)

    def _write(self, messages: DataFrame, guard: GapGuard, number: int) -> None:
        create_tables(self.catalog, self._beside)
        app_id = f"{REPLAY}{self.replay_id}"
        done = progress_of(self.catalog.open(self.side), f"spark:{app_id}")
        if done is not None and done >= number:
            return
        context = self.spark.sparkContext
        context.setLocalProperty(_QUERY_ID, app_id)
        try:
            sink = Sink(self._beside, self.catalog, guard, {}, Faults(self.side, ""))
            sink.write(parse_events(messages, self.contract), number)
        finally:
            context.setLocalProperty(_QUERY_ID, None)  # type: ignore[arg-type]  # so it is unset

    def _messages(self, chunk: BatchRange) -> DataFrame:
        return (
            self.spark.read.format("kafka")
            .options(**self.settings.kafka.for_spark())
            .option("kafka.group.id", f"lakehouse.{REPLAY}{self.replay_id}")
            .option("assign", json.dumps({self.contract.source.topic: sorted(chunk.end)}))
            .option("startingOffsets", json.dumps({self.contract.source.topic: chunk.start}))
            .option("endingOffsets", json.dumps({self.contract.source.topic: chunk.end}))
            .load()
        )

    def _origin(self) -> Origin:
        """The topic as it is now. Raises TopicRecreatedError where the live query knows another one."""
        with self._topic.connect() as topic:
            topic_id = topic.topic_id()
        generations = Generations(self.spark, self.settings, self.contract)
        location = generations.location(generations.current)
        noted = noted_origin(Checkpoint(self.spark, location, self.contract.source.topic))
        if noted is not None and noted.topic_id != topic_id:
            raise TopicRecreatedError(
                f"topic {self.contract.source.topic} was deleted and created again (its id is {topic_id}, and the "
                f"query of {self.contract.table} knows {noted.topic_id}): its offsets are of other events than the "
                "table's. "
                "Have the query go on first, see `lakehouse status`; then replay what it has read of the new topic."
            )
        return Origin(topic_id)

    @property
    def _topic(self) -> TopicStream:
        # Whatever the live query may pass over: a replay of less would delete what the table has.
        source = self.contract.source.model_copy(update={"fail_on_data_loss": True})
        group = f"lakehouse.{REPLAY}{self.replay_id}"
        return TopicStream(self.spark, self.settings.kafka, source, self.checkpoint.location, group)

    @property
    def _beside(self) -> Contract:
        """The contract of the side tables. Nothing of them is late, or goes anywhere else."""
        return self.contract.model_copy(update={"table": self.side, "late": None, "also_to": None})


def _chunks(ranges: Mapping[int, tuple[int, int]], largest: int) -> Iterator[BatchRange]:
    """``ranges`` in batches of about ``largest`` offsets at most, of all partitions in turn."""
    each, at = max(largest // max(len(ranges), 1), 1), {p: start for p, (start, _) in ranges.items()}
    while left := {p: start for p, start in at.items() if start < ranges[p][1]}:
        end = {p: min(start + each, ranges[p][1]) for p, start in left.items()}
        yield BatchRange(left, end)
        at |= end


def _nothing() -> None:
    """Nobody else writes to the side table, and its topic was looked at."""
