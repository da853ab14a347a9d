"""A contract without a transform as one streaming query: its table holds the events as they came."""

from functools import cached_property, partial

from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts.model import OnInvalid
from lakehouse.contracts.output import OutputMode
from lakehouse.storage.create import check_tables, create_tables
from lakehouse.storage.offsets import following_offsets
from lakehouse_spark.checkpoint import Offsets
from lakehouse_spark.compatibility import Change, changes, made_with, refuse_unsafe, remember
from lakehouse_spark.origin import Beginning, Origin, noted_origin
from lakehouse_spark.parse import parse_events
from lakehouse_spark.query import LostTableError, Outcome, Plan, Query, longest_wait
from lakehouse_spark.sink import Sink
from lakehouse_spark.topic import TopicStream


class IngestionQuery(Query):
    """Deleting its checkpoint makes a new query that goes on behind the table's rows."""

    def start(self) -> StreamingQuery:
        """Creates the tables where they are missing and starts the query, going on where it stopped.

        Raises SchemaMismatchError when a table does not fit the contract, and TopicRecreatedError when the topic is
        another one than was read before; errors of the stream itself end the query.
        """
        self._changes()
        create_tables(self.catalog, self.contract)
        origin = self._origin()
        self._refuse_lost_tables(origin.start)
        remember(self._topic.checkpoint, made_with(self.contract))
        rows = parse_events(self._topic.messages(origin.start, longest_wait(self.contract)), self.contract)
        sink = Sink(self.contract, self.catalog, self._topic.guard(origin), origin.rejected, self.faults)
        return self._run(rows, OutputMode.APPEND, sink.write)

    def plan(self) -> Plan:
        """What a start would do. Raises what it would raise about contract, tables and checkpoint."""
        found = self._changes()
        check_tables(self.catalog, self.contract)
        noted = noted_origin(self._topic.checkpoint)
        self._refuse_lost_tables(noted.start if noted else {})
        begun = self._topic.checkpoint.exists() or bool(self._held(self.contract.table))
        return Plan(self.contract.table, Outcome.GOES_ON if begun else Outcome.BEGINS, tuple(found))

    def _changes(self) -> list[Change]:
        found = changes(self._topic.checkpoint, made_with(self.contract))
        ways_on = (
            "Either change it back; or move the checkpoint away, and the query reads the other topic, into the same "
            f"table: {self.checkpoint_location}"
        )
        refuse_unsafe(self.contract.table, found, ways_on)
        return found

    def _refuse_lost_tables(self, start: Offsets) -> None:
        """A checkpoint that is ahead of its tables would go on as if nothing had been lost with them."""
        if self.contract.on_invalid is OnInvalid.DROP:
            return
        names = (self.contract.table, self.contract.rejected_table)
        written = any(self.catalog.exists(name) and self.catalog.open(name).version() > 0 for name in names)
        committed = self._topic.checkpoint.committed_offsets() or {}
        if not written and any(following > start.get(p, 0) for p, following in committed.items()):
            raise LostTableError(
                f"{self.contract.table} at {self.catalog.uri(self.contract.table)} is empty, but its checkpoint "
                f"{self.checkpoint_location} has read the topic already. Put the table back; or delete the checkpoint "
                "to fill the table again with what the topic still holds."
            )

    def _origin(self) -> Origin:
        tables = (self.contract.table, self.contract.rejected_table)
        held, held_rejected = (partial(self._held, table) for table in tables)
        topic = self._topic
        return Beginning(self.contract.source, topic.checkpoint, topic.connect, held, held_rejected).origin()

    def _held(self, table: str) -> Offsets:
        return following_offsets(self.catalog, table, self.contract.source.topic)

    @cached_property
    def _topic(self) -> TopicStream:
        return TopicStream(self.spark, self.settings.kafka, self.contract.source, self.checkpoint_location)
