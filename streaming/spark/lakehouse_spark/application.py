"""The Spark application: every contract whose engine is Spark as a query, until told to stop."""

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from types import FrameType

from pyspark.sql import SparkSession

from lakehouse.contracts.engine import Engine
from lakehouse.contracts.loader import load_contracts
from lakehouse.contracts.model import Contract
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.ingestion import IngestionQuery
from lakehouse_spark.progress import Progress
from lakehouse_spark.query import Query
from lakehouse_spark.status import ApplicationStatus, QueryStatus, now, read_status, status_file, write_status
from lakehouse_spark.supervision import SupervisedQuery
from lakehouse_spark.transformation import TransformQuery

_LOG = logging.getLogger(__name__)
_LOOK_EVERY = timedelta(seconds=1)
#: A sign of life, where nothing else is to be told; far below `status.SILENT_AFTER`.
_BEAT_EVERY = timedelta(seconds=10)
#: A batch in flight may finish before the stop; after this it is left, and repeated at the next start.
_STOP_WITHIN = timedelta(seconds=60)


class SparkEndedError(RuntimeError):
    """Spark itself has ended, and all queries with it. The supervisor starts the application again."""


def query_of(contract: Contract, spark: SparkSession, settings: Settings, catalog: Catalog) -> Query:
    """The query that fills the table of ``contract``."""
    kind = IngestionQuery if contract.transform is None else TransformQuery
    return kind(spark, settings, catalog, contract)


def spark_contracts(settings: Settings, group: str | None = None) -> list[Contract]:
    """The contracts that Spark serves, or those of ``group``. Raises LakehouseError for a group that has none."""
    served = [c for c in load_contracts(settings.contracts_dir) if c.resolved_engine is Engine.SPARK]
    chosen = [contract for contract in served if group in (None, contract.group)]
    if group is not None and not chosen:
        known = ", ".join(sorted({contract.group for contract in served})) or "none"
        raise LakehouseError(f"no contract for Spark has `group: {group}`. Groups: {known}")
    return chosen


class Application:
    """Runs the queries of ``contracts`` in one Spark session. One that fails does not concern the others."""

    def __init__(
        self, spark: SparkSession, settings: Settings, contracts: Sequence[Contract], group: str | None = None
    ) -> None:
        self._spark = spark
        self._file = status_file(settings, group)
        before = read_status(self._file)
        catalog = Catalog.from_settings(settings)
        self._threads = ThreadPoolExecutor(max(3 * len(contracts), 1), thread_name_prefix="queries")
        self._queries = [
            SupervisedQuery(
                query_of(contract, spark, settings, catalog),
                before.queries.get(contract.table, QueryStatus(contract.table)).begun_again(),
                self._threads,
            )
            for contract in contracts
        ]
        self._status = replace(before, queries=self._statuses(), pid=os.getpid(), alive_at=now())
        self._stop = threading.Event()

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
        """Keeps the queries running, and returns after a stop was asked for. Raises SparkEndedError.

        Without a query it waits for that: the last table may have left Spark.
        """
        if not self._queries:
            _LOG.info("no contract is served by Spark: waiting to be told to end, or started again with one")
        try:
            while not self._stop.is_set():
                self._look()
                self._stop.wait(_LOOK_EVERY.total_seconds())
        finally:
            self._finish()

    def status(self) -> ApplicationStatus:
        """State and progress of each query."""
        return self._status

    def progress(self) -> dict[str, Progress]:
        """The last trigger of each query that came through one."""
        return {query.status.table: query.progress for query in self._queries if query.progress is not None}

    def _look(self) -> None:
        if self._spark.sparkContext._jsc.sc().isStopped():
            raise SparkEndedError("Spark has stopped, and no query can run: see the log above for its last error")
        for query in self._queries:
            query.look()
            self._publish()
            if self._stop.is_set():
                return
        # The sign of life of one that has no query.
        self._publish()

    def _publish(self) -> None:
        queries = self._statuses()
        if queries != self._status.queries or self._status.silent_seconds > _BEAT_EVERY.total_seconds():
            self._status = replace(self._status, queries=queries, alive_at=now())
            write_status(self._file, self._status)

    def _statuses(self) -> dict[str, QueryStatus]:
        return {query.status.table: query.status for query in self._queries}

    def _finish(self) -> None:
        deadline = time.monotonic() + _STOP_WITHIN.total_seconds()
        for query in self._queries:
            query.stop(deadline - time.monotonic())
            self._publish()
        self._threads.shutdown(wait=False, cancel_futures=True)
