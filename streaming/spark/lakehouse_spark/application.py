"""The Spark application: every contract whose engine is Spark as a query, until told to stop."""

import logging
import signal
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from types import FrameType

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts.model import Contract
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.query import IngestionQuery

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

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT stop the queries between two batches."""

        def stop(signum: int, _frame: FrameType | None) -> None:
            _LOG.info("%s: stopping", signal.Signals(signum).name)
            self._stop.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def run(self) -> None:
        """Starts the queries and returns after a stop was asked for. Raises QueryFailedError when one fails."""
        for query in self._queries:
            self._running[query.contract.table] = query.start()
            _LOG.info("%s: reading %s", query.contract.table, query.contract.source.topic)
        try:
            while not self._stop.wait(_LOOK_EVERY.total_seconds()):
                self._raise_failure()
        finally:
            self._finish()

    def status(self) -> dict[str, object]:
        """State and progress of each query, as JSON values."""
        return {table: _query_status(query) for table, query in self._running.items()}

    def _raise_failure(self) -> None:
        for table, query in self._running.items():
            if not query.isActive:
                raise QueryFailedError(f"{table}: {query.exception() or 'the query ended without an error'}")

    def _finish(self) -> None:
        deadline = time.monotonic() + _STOP_WITHIN.total_seconds()
        for query in self._queries:
            running = self._running.get(query.contract.table)
            if running is None:
                continue
            between_batches = query.gate.acquire(timeout=max(deadline - time.monotonic(), 0))
            running.stop()
            _LOG.info("%s: stopped %s", query.contract.table, "between batches" if between_batches else "in a batch")


def _query_status(query: StreamingQuery) -> dict[str, object]:
    progress = query.lastProgress
    return {
        "active": query.isActive,
        "message": query.status["message"],
        "batch": progress.batchId if progress else None,
        "input_rows": progress.numInputRows if progress else None,
        "processed_rows_per_second": progress.processedRowsPerSecond if progress else None,
        "progressed_at": progress.timestamp if progress else None,
    }
