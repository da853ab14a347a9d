"""The Spark application: every contract whose engine is Spark as a query, until told to stop."""

import logging
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import FrameType

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts.model import Contract
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.query import IngestionQuery
from lakehouse_spark.status import (
    ApplicationStatus,
    QueryState,
    QueryStatus,
    first_line,
    now,
    read_status,
    status_file,
    write_status,
)

_LOG = logging.getLogger(__name__)
_LOOK_EVERY = timedelta(seconds=1)
#: A batch in flight may finish before the stop; after this it is left, and repeated at the next start.
_STOP_WITHIN = timedelta(seconds=60)


class QueryFailedError(RuntimeError):
    """A query ended by an error. The application ends with it, and its supervisor starts it again."""


class Application:
    """Runs the queries of ``contracts`` in one Spark session."""

    def __init__(self, spark: SparkSession, settings: Settings, contracts: Sequence[Contract]) -> None:
        self._queries = [
            IngestionQuery(spark, settings, Catalog.from_settings(settings), contract) for contract in contracts
        ]
        self._running: dict[str, StreamingQuery] = {}
        self._stop = threading.Event()
        self._file = status_file(settings)
        before = read_status(self._file)
        self._status = replace(before, queries={c.table: _at_start(before, c.table) for c in contracts})

    def stop(self) -> None:
        """Has ``run`` stop the queries between two batches and return. Safe in a signal handler and in any thread."""
        self._stop.set()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT stop the queries."""

        def stop(signum: int, _frame: FrameType | None) -> None:
            _LOG.info("%s: stopping", signal.Signals(signum).name)
            self.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def run(self) -> None:
        """Starts the queries and returns after a stop was asked for. Raises QueryFailedError when one fails."""
        try:
            for query in self._queries:
                self._running[query.contract.table] = self._start(query)
                _LOG.info("%s: reading %s", query.contract.table, query.contract.source.topic)
            while not self._stop.wait(_LOOK_EVERY.total_seconds()):
                self._look()
        finally:
            self._finish()

    def status(self) -> ApplicationStatus:
        """State and progress of each query."""
        return self._status

    def _start(self, query: IngestionQuery) -> StreamingQuery:
        try:
            return query.start()
        except Exception as error:
            raise self._failed(query, error) from error

    def _look(self) -> None:
        """Notes how each query does. Raises QueryFailedError for the first that has ended."""
        for query in self._queries:
            running = self._running[query.contract.table]
            if not running.isActive:
                raise self._failed(query, query.errors[-1] if query.errors else running.exception())
            self._note(_progressed(self._status.queries[query.contract.table], query, running))

    def _failed(self, query: IngestionQuery, error: Exception | None) -> QueryFailedError:
        table, text = query.contract.table, str(error or "the query ended without an error")
        moment = now()
        failed = replace(self._status.queries[table], state=QueryState.FAILED, error=first_line(text), failed_at=moment)
        self._note(failed)
        return QueryFailedError(f"{table}: {text}")

    def _note(self, query: QueryStatus) -> None:
        if query != self._status.queries[query.table]:
            self._status = replace(self._status, queries={**self._status.queries, query.table: query})
            write_status(self._file, self._status)

    def _finish(self) -> None:
        deadline = time.monotonic() + _STOP_WITHIN.total_seconds()
        for query in self._queries:
            running = self._running.get(query.contract.table)
            if running is None:
                continue
            between_batches = query.gate.acquire(timeout=max(deadline - time.monotonic(), 0))
            running.stop()
            _LOG.info("%s: stopped %s", query.contract.table, "between batches" if between_batches else "in a batch")


def _at_start(before: ApplicationStatus, table: str) -> QueryStatus:
    """What the process before this one left behind, for this one to go on with."""
    query = before.queries.get(table, QueryStatus(table))
    return replace(query, state=QueryState.RESTARTING if query.failing else QueryState.STARTING)


def _progressed(before: QueryStatus, query: IngestionQuery, running: StreamingQuery) -> QueryStatus:
    progress = running.lastProgress
    if progress is None:
        return before
    # Spark reports a first progress when it came through a trigger, be it one that found nothing to read.
    after = replace(before, state=QueryState.RUNNING)
    if query.batches:
        batch = query.batches[-1]
        after = replace(after, batch=batch.number, batch_at=batch.written_at, input_rows=batch.rows)
    return replace(after, rows_per_second=round(progress.processedRowsPerSecond, 1))
