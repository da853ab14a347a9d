"""One contract as one streaming query."""

import json
from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts.model import Contract, KafkaSource
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.create import create_tables
from lakehouse.storage.offsets import ingested_offsets
from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.gaps import GapGuard
from lakehouse_spark.parse import parse_events
from lakehouse_spark.sink import Sink

#: A batch starts this many times within the freshness a reader was promised, which leaves time to write it.
_BATCHES_PER_FRESHNESS = 6
_SHORTEST_TRIGGER = timedelta(seconds=1)


def trigger_interval(contract: Contract) -> timedelta:
    """How often a micro-batch starts: often enough that the contract's freshness is kept with room to spare."""
    return max(contract.freshness / _BATCHES_PER_FRESHNESS, _SHORTEST_TRIGGER)


@dataclass(frozen=True)
class IngestionQuery:
    """Starts the query that fills the table of ``contract``."""

    spark: SparkSession
    settings: Settings
    catalog: Catalog
    contract: Contract

    @property
    def checkpoint_location(self) -> str:
        """Where the query keeps its offsets; deleting it makes a new query that goes on behind the table's rows."""
        return f"{self.settings.checkpoint_root}/{self.contract.table}"

    def start(self) -> StreamingQuery:
        """Creates the tables where they are missing and starts the query, going on where it stopped.

        Raises SchemaMismatchError when a table does not fit the contract; errors of the stream itself end the query.
        """
        create_tables(self.catalog, self.contract)
        rows = parse_events(self._messages(), self.contract)
        guard = GapGuard(self.contract.source, self._checkpoint().batch_range, self._topic)
        sink = Sink(self.contract, self.catalog, guard)
        return (
            rows.writeStream.queryName(self.contract.table)
            .option("checkpointLocation", self.checkpoint_location)
            .trigger(processingTime=f"{trigger_interval(self.contract) // timedelta(milliseconds=1)} milliseconds")
            .foreachBatch(sink.write)
            .start()
        )

    def _messages(self) -> DataFrame:
        source = self.contract.source
        return (
            self.spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", self.settings.kafka_bootstrap_servers)
            .option("subscribe", source.topic)
            .option("startingOffsets", self._starting_offsets(source))
            .option("maxOffsetsPerTrigger", source.max_offsets_per_trigger)
            .option("failOnDataLoss", str(source.fail_on_data_loss).lower())
            .load()
        )

    def _starting_offsets(self, source: KafkaSource) -> str:
        """Heeded only without a checkpoint. Then the table's rows tell where to go on: nothing is doubled."""
        if self._checkpoint().exists():
            return source.starting_offsets
        held = ingested_offsets(self.catalog, self.contract)
        if not held:
            return source.starting_offsets
        with self._topic() as topic:
            first = topic.beginning(topic.partitions())
        return json.dumps({source.topic: {str(p): held.get(p, offset) for p, offset in first.items()}})

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(self.spark, self.checkpoint_location, self.contract.source.topic)

    def _topic(self) -> TopicOffsets:
        return TopicOffsets(self.settings.kafka_bootstrap_servers, self.contract.source.topic)
