"""Keeps one query running: started, watched, and started again after a failure, with longer and longer pauses.

Whatever ends a query may end: a broker comes back, somebody puts a table or a contract right. The other queries of the
application are not concerned, not even while a broker keeps one waiting that starts.
"""

import logging
import time
from concurrent.futures import Executor, Future, wait
from dataclasses import replace

from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.errors import LakehouseError
from lakehouse_spark.groups import GroupOffsets
from lakehouse_spark.progress import Progress, last_progress, late_rows_since
from lakehouse_spark.query import Query
from lakehouse_spark.status import QueryState, QueryStatus, first_line, now
from lakehouse_spark.table_lag import TableLag

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 1.0
#: A broker that is back, or a mistake that was mended, is noticed within this.
_LONGEST_PAUSE_SECONDS = 60.0
_NOTED_SECONDS = 0.05


class SupervisedQuery:
    """``query`` with its ``status``, which begins with what was known of it before. ``threads`` start it."""

    def __init__(self, query: Query, before: QueryStatus, threads: Executor) -> None:
        self.query = query
        self._offsets = GroupOffsets(query.settings.kafka, query.contract, threads)
        table = query.contract.source.table
        self._table_lag = TableLag(query.catalog, table, threads) if table else None
        self._threads = threads
        self._starting: Future[StreamingQuery] | None = None
        self.status = before
        self.progress: Progress | None = None
        self._reported: Progress | None = None
        self._running: StreamingQuery | None = None
        self._start_at = time.monotonic()

    def look(self) -> None:
        """Starts the query when it is time to, and notes how it does. Errors of the query end in its status."""
        if self._starting is not None:
            if self._starting.done():
                self._started(self._starting)
        elif self._running is None:
            if time.monotonic() >= self._start_at:
                self._start()
        elif not self._running.isActive:
            # It may have come through a last trigger since it was looked at.
            self._note_progress(self._running)
            error = self.query.errors[-1] if self.query.errors else self._running.exception()
            self._failed(error or RuntimeError("the query ended without an error"))
        else:
            self._note_progress(self._running)
            self._note_table_lag()

    def stop(self, seconds: float) -> None:
        """Ends the query between two batches; after ``seconds`` in the midst of one, which the next start repeats."""
        if self._starting is not None and wait([self._starting], max(seconds, 0)).done:
            self._started(self._starting)
        if self._running is not None:
            self._end(self._running, time.monotonic() + max(seconds, 0))
        self._offsets.close()
        if not self.status.failing:
            self.status = replace(self.status.without_lag(), state=QueryState.STOPPED)

    def _end(self, running: StreamingQuery, deadline: float) -> None:
        between_batches = self.query.gate.close(deadline - time.monotonic())
        if between_batches:
            # What is written but not noted as done would be done again by the next start.
            while self._unnoted() and time.monotonic() < deadline:
                time.sleep(_NOTED_SECONDS)
        try:
            running.stop()
        except Exception as error:
            # Its batch does not end: the other queries are stopped all the same, and Spark itself takes this one along.
            _LOG.warning("%s: did not stop: %s", self.status.table, first_line(error))
        # The end of a last batch that no look has seen.
        self._offsets.finish(self.query.checkpoint.committed_offsets() or {})
        _LOG.info("%s: stopped %s", self.status.table, "between batches" if between_batches else "in a batch")

    def _unnoted(self) -> bool:
        written = self.query.batches[-1].number if self.query.batches else -1
        noted = self.query.checkpoint.committed_batch()
        return (-1 if noted is None else noted) < written

    def _start(self) -> None:
        self.query.errors.clear()
        if self.status.failures:
            self.status = replace(self.status, state=QueryState.RESTARTING)
        self._starting = self._threads.submit(self.query.start)

    def _started(self, starting: "Future[StreamingQuery]") -> None:
        self._starting = None
        if error := starting.exception():
            self._failed(error)
            return
        self._running = starting.result()
        _LOG.info("%s: reading %s", self.status.table, self.query.contract.source.origin)

    def _failed(self, error: BaseException) -> None:
        failures = self.status.failures + 1
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** (failures - 1), _LONGEST_PAUSE_SECONDS)
        # What a user can act on says all in its text; anything else is for whoever reads the code.
        trace = None if isinstance(error, LakehouseError) else error
        _LOG.error("%s: failed, starting again in %.0f s: %s", self.status.table, pause, error, exc_info=trace)
        self._running, self._start_at = None, time.monotonic() + pause
        # Nothing of it is current any more.
        self.progress = None
        self.status = replace(
            self.status.without_lag(),
            state=QueryState.FAILED,
            error=first_line(error),
            failed_at=now(),
            failures=failures,
            failures_in_all=self.status.failures_in_all + 1,
        )

    def _note_progress(self, running: StreamingQuery) -> None:
        progress = last_progress(running, self.query.contract.source.topic)
        if progress is None or progress == self._reported:
            return
        late = self.status.late_rows
        if progress.late_rows is not None:
            late = (late or 0) + late_rows_since(running, self._reported)
        self._reported = self.progress = progress
        if self._table_lag is not None:
            self.progress = replace(
                progress, lag_messages=self.status.lag_messages, lag_versions=self.status.lag_versions
            )
        # Spark reports a first progress when it came through a trigger, be it one that found nothing to read.
        after = replace(self.status, state=QueryState.RUNNING, failures=0, late_rows=late)
        if self.query.batches:
            batch = self.query.batches[-1]
            after = replace(after, batch=batch.number, batch_at=batch.written_at, input_rows=batch.rows)
        if progress.lag_messages == 0:
            after = replace(after, caught_up_at=progress.at.isoformat(timespec="milliseconds"))
        self.status = replace(
            after,
            rows_per_second=round(progress.processed_rows_per_second, 1),
            lag_messages=self.progress.lag_messages,
        )
        self._offsets.commit(progress.end_offsets)

    def _note_table_lag(self) -> None:
        """Of a table, what came since the last trigger: that one tells nothing of it."""
        if self._table_lag is None or self.progress is None or self.progress.end_version is None:
            return
        lag = self._table_lag.of(self.progress.end_version)
        if lag is not None:
            caught_up_at = lag.read_up_to.isoformat(timespec="milliseconds")
            self.progress = replace(self.progress, lag_messages=lag.rows, lag_versions=lag.versions)
            self.status = replace(
                self.status, lag_messages=lag.rows, lag_versions=lag.versions, caught_up_at=caught_up_at
            )
