"""One contract as one streaming query."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.create import create_tables
from lakehouse.storage.offsets import following_offsets
from lakehouse_spark.broker import TopicIdentity, TopicOffsets
from lakehouse_spark.checkpoint import BatchRange, Checkpoint, Offsets
from lakehouse_spark.gaps import GapGuard
from lakehouse_spark.origin import Beginning, Origin
from lakehouse_spark.parse import parse_events
from lakehouse_spark.sink import Sink
from lakehouse_spark.status import now

#: A batch starts this many times within the freshness a reader was promised, which leaves time to write it.
_BATCHES_PER_FRESHNESS = 6
#: How often a query looks for events. A full batch starts at once, so that a backlog does not wait for the interval.
_LOOK_EVERY = timedelta(seconds=1)


class LostTableError(LakehouseError):
    """A checkpoint remembers batches whose rows are in no table."""


def longest_wait(contract: Contract) -> timedelta:
    """How long events that fill no batch wait for one: the contract's freshness is kept with room to spare."""
    return max(contract.freshness / _BATCHES_PER_FRESHNESS, _LOOK_EVERY)


@dataclass(frozen=True)
class WrittenBatch:
    """A micro-batch that is in its tables: ``rows`` were read for it. ``written_at`` is ISO 8601 in UTC."""

    number: int
    written_at: str
    rows: int


@dataclass(frozen=True)
class IngestionQuery:
    """Starts the query that fills the table of ``contract``."""

    spark: SparkSession
    settings: Settings
    catalog: Catalog
    contract: Contract
    #: Held while a batch is written. Whoever holds it has the query stand still between two batches.
    gate: threading.Lock = field(default_factory=threading.Lock)
    #: The last batch that was written, and the last error of one: Spark's own account of it buries the cause.
    batches: deque[WrittenBatch] = field(default_factory=lambda: deque(maxlen=1))
    errors: deque[Exception] = field(default_factory=lambda: deque(maxlen=1))

    @property
    def checkpoint_location(self) -> str:
        """Where the query keeps its offsets; deleting it makes a new query that goes on behind the table's rows."""
        return f"{self.settings.checkpoint_root}/{self.contract.table}"

    def start(self) -> StreamingQuery:
        """Creates the tables where they are missing and starts the query, going on where it stopped.

        Raises SchemaMismatchError when a table does not fit the contract, and TopicRecreatedError when the topic is
        another one than was read before; errors of the stream itself end the query.
        """
        create_tables(self.catalog, self.contract)
        origin = self._origin()
        self._refuse_lost_tables(origin)
        rows = parse_events(self._messages(origin.start), self.contract)
        guard = GapGuard(
            self.contract.source, origin, partial(self._planned, origin.start), self._identity.topic_id, self._topic
        )
        sink = Sink(self.contract, self.catalog, guard, origin.rejected)
        return (
            rows.writeStream.queryName(self.contract.table)
            .option("checkpointLocation", self.checkpoint_location)
            .trigger(processingTime=f"{_LOOK_EVERY.total_seconds():g} seconds")
            .foreachBatch(partial(self._write, sink))
            .start()
        )

    def _write(self, sink: Sink, batch: DataFrame, batch_id: int) -> None:
        with self.gate:
            try:
                rows = sink.write(batch, batch_id)
            except Exception as error:
                self.errors.append(error)
                raise
            self.batches.append(WrittenBatch(batch_id, now(), rows))

    def _messages(self, start: Offsets) -> DataFrame:
        source = self.contract.source
        return (
            self.spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", self.settings.kafka_bootstrap_servers)
            .option("subscribe", source.topic)
            .option("startingOffsets", json.dumps({source.topic: start}) if start else source.starting_offsets)
            .option("maxOffsetsPerTrigger", source.max_offsets_per_trigger)
            .option("minOffsetsPerTrigger", source.max_offsets_per_trigger)
            .option("maxTriggerDelay", f"{longest_wait(self.contract) // timedelta(milliseconds=1)}ms")
            .option("failOnDataLoss", str(source.fail_on_data_loss).lower())
            .load()
        )

    def _refuse_lost_tables(self, origin: Origin) -> None:
        """A checkpoint that is ahead of its tables would go on as if nothing had been lost with them."""
        if self.contract.on_invalid is OnInvalid.DROP:
            return
        names = (self.contract.table, self.contract.rejected_table)
        written = any(self.catalog.exists(name) and self.catalog.open(name).version() > 0 for name in names)
        committed = self._checkpoint().committed_offsets() or {}
        if not written and any(following > origin.start.get(p, 0) for p, following in committed.items()):
            raise LostTableError(
                f"{self.contract.table} at {self.catalog.uri(self.contract.table)} is empty, but its checkpoint "
                f"{self.checkpoint_location} has read the topic already. Put the table back; or delete the checkpoint "
                "to fill the table again with what the topic still holds."
            )

    def _origin(self) -> Origin:
        tables = (self.contract.table, self.contract.rejected_table)
        held, held_rejected = (partial(self._held, table) for table in tables)
        return Beginning(self.contract.source, self._checkpoint(), self._topic, held, held_rejected).origin()

    def _planned(self, start: Offsets, batch_id: int) -> BatchRange:
        planned = self._checkpoint().batch_range(batch_id)
        return BatchRange(start=start, end=planned.end) if batch_id == 0 else planned

    def _held(self, table: str) -> Offsets:
        return following_offsets(self.catalog, table, self.contract.source.topic)

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(self.spark, self.checkpoint_location, self.contract.source.topic)

    @cached_property
    def _identity(self) -> TopicIdentity:
        return TopicIdentity(self.settings.kafka_bootstrap_servers, self.contract.source.topic)

    def _topic(self) -> TopicOffsets:
        return TopicOffsets(self.settings.kafka_bootstrap_servers, self.contract.source.topic)
