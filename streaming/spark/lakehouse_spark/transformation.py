"""A contract with a PySpark function as one streaming query: its table holds what the function makes of the events."""

import logging
from contextlib import suppress
from functools import cached_property, partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts.output import OutputMode
from lakehouse.storage.catalog import TableNotFoundError
from lakehouse.storage.create import check_tables, create_tables
from lakehouse_spark.broker import TopicMissingError, reachable
from lakehouse_spark.compatibility import Change, changes, made_with, refuse_unsafe, remember
from lakehouse_spark.events import BatchWatch, EventSource, EventStream
from lakehouse_spark.functions import transformed
from lakehouse_spark.generations import Generations
from lakehouse_spark.origin import noted_origin
from lakehouse_spark.query import LostTableError, Outcome, Plan, Query
from lakehouse_spark.rebuild import Rebuild
from lakehouse_spark.results import Results
from lakehouse_spark.stateful import refuse_unbounded_state
from lakehouse_spark.table_events import TableEvents
from lakehouse_spark.takeover import Takeover, has_rows, take_over, unfinished_since
from lakehouse_spark.topic import TopicStream
from lakehouse_spark.topic_events import TopicEvents

_LOG = logging.getLogger(__name__)


class TransformQuery(Query):
    """Without its checkpoint it computes anew what its source still holds, and so does each new generation."""

    def start(self) -> StreamingQuery:
        """Creates the table where it is missing and starts the query, going on where it stopped.

        Raises LostTableError when the checkpoint has read events whose results are in no table, TransformError and
        UnboundedStateError for what the contract's function does wrong, IncompatibleCheckpointError for a change that
        the checkpoint cannot follow, SchemaMismatchError when the table does not fit the contract; errors of the
        stream itself end the query.
        """
        for change in self._changes():
            _LOG.info("%s: goes on although changed: %s", self.contract.table, change)
        begun = self._topic.checkpoint.exists()
        # Before the table is created: the next start would find it there.
        self._refuse_lost_table()
        create_tables(self.catalog, self.contract)
        anew = not begun and has_rows(self.catalog, self.contract.table)
        stream = self._source().open(from_beginning=anew)
        rows = transformed(stream.events, self.contract)
        # What is refused here is refused before anything is noted: the generation before may still go on.
        found = self._takeover(stream) if anew else None
        stream.note()
        remember(self._topic.checkpoint, made_with(self.contract, self._blank_rows))
        if not begun:
            self._generations.supersede()
        if found is not None:
            found.write(self._topic.checkpoint)
            _LOG.warning("%s: computing anew what its source holds, %s", self.contract.table, found)
        takeover = found or (Takeover.read(self._topic.checkpoint) if begun else None)
        if takeover is not None:
            rows = takeover.written(rows)
        write = partial(self._write, self._results(takeover, stream), stream.watch)
        return self._run(rows, self._mode, write)

    def _results(self, takeover: Takeover | None, stream: EventStream) -> Results | Rebuild:
        if takeover is None:
            return Results(self.contract, self.catalog.spark_uri(self.contract.table))
        return Rebuild(self.contract, self.catalog, self.checkpoint, takeover, stream.present(), self.faults)

    @property
    def _mode(self) -> OutputMode:
        assert self.contract.transform is not None  # noqa: S101  (what has no transform is an IngestionQuery)
        return self.contract.transform.output_mode

    def _write(self, results: Results | Rebuild, watch: BatchWatch, batch: DataFrame, batch_id: int) -> int | None:
        def verify() -> None:
            watch.verify()
            # A later generation may have begun in another application, while this one runs.
            self._generations.refuse_superseded()

        try:
            results.write(batch, batch_id, verify)
        except Exception:
            watch.refuse(batch_id)
            raise
        return watch.size(batch_id)

    def _takeover(self, stream: EventStream) -> Takeover:
        """From when on the table is computed anew, and nothing is written yet.

        Raises AnotherSourceError, LostTableError and UnfinishedRowsError.
        """
        self._generations.refuse_other_source({"source": self.contract.source.origin, **stream.identity})
        wanted = unfinished_since(self.catalog, self.contract)
        complete_from = stream.complete_from(wanted)
        if complete_from is not None and self._mode is OutputMode.COMPLETE:
            raise LostTableError(
                f"{self.contract.table} is one complete result, and its source no longer holds what came before "
                f"{complete_from}. Move the table away to begin with what there is."
            )
        return take_over(self.contract, complete_from, wanted)

    def _refuse_lost_table(self) -> None:
        if self._topic.checkpoint.exists() and not self.catalog.exists(self.contract.table):
            raise LostTableError(
                f"{self.contract.table} at {self.catalog.uri(self.contract.table)} is gone, but its checkpoint "
                f"{self.checkpoint_location} has read events already. Put the table back; or delete the checkpoint to "
                "compute the table again from what its source still holds."
            )

    @property
    def checkpoint_location(self) -> str:
        """Where the generation that the contract asks for keeps its offsets and its state."""
        return self._generations.location(self._generations.current)

    def plan(self) -> Plan:
        """What a start would do. Raises what it would raise about contract, function, table and checkpoint."""
        found = self._changes()
        self._refuse_lost_table()
        check_tables(self.catalog, self.contract)
        if self._topic.checkpoint.exists():
            return Plan(self.contract.table, Outcome.GOES_ON, tuple(found))
        if not (self.catalog.exists(self.contract.table) and has_rows(self.catalog, self.contract.table)):
            return Plan(self.contract.table, Outcome.BEGINS)
        self._plan_takeover()
        return Plan(self.contract.table, Outcome.COMPUTES_ANEW)

    def _plan_takeover(self) -> None:
        """Raises what a start would raise about the rows there are, as far as the source can be asked."""
        self._generations.refuse_other_source({"source": self.contract.source.origin})
        asks = self.contract.source.table is not None or reachable(self.settings.kafka)
        # A start that was cut short has noted where it begins, and to look closer might replace that.
        if asks and noted_origin(self._topic.checkpoint) is None:
            # What the plan itself creates first has no events that were lost.
            with suppress(TopicMissingError, TableNotFoundError):
                self._takeover(self._source().open(from_beginning=True))

    def _changes(self) -> list[Change]:
        """How the query differs from what its checkpoint was made with, told without reading an event."""
        self._generations.refuse_superseded()
        refuse_unbounded_state(self._blank_rows, self.contract)
        found = changes(self._topic.checkpoint, made_with(self.contract, self._blank_rows))
        refuse_unsafe(self.contract.table, found, self._generations.ways_on())
        return found

    @cached_property
    def _blank_rows(self) -> DataFrame:
        """What the function makes of a stream without events: its plan is that of any source."""
        blank = [F.lit(None).cast(column.type.value).alias(column.name) for column in self.contract.event_columns]
        return transformed(self.spark.readStream.format("rate").load().select(blank), self.contract)

    def _source(self) -> EventSource:
        """Where the events come from. Another kind of source is another class here."""
        if self.contract.source.table is not None:
            return TableEvents(self.contract, self.spark, self.catalog, self.checkpoint)
        return TopicEvents(self.contract, self._topic)

    @property
    def _generations(self) -> Generations:
        return Generations(self.spark, self.settings, self.contract)

    @cached_property
    def _topic(self) -> TopicStream:
        return TopicStream(self.spark, self.settings.kafka, self.contract.source, self.checkpoint_location)
