"""What tests of single Spark queries share: a topic of one's own, a query over it, and how to run it."""

import threading
from collections.abc import Callable

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts import Contract
from lakehouse.local.kafka import ensure_topics
from lakehouse.settings import Settings
from lakehouse.storage import Catalog
from lakehouse.storage.duck import connect
from lakehouse_spark.application import Application, query_of
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.query import Query
from lakehouse_spark.status import QueryStatus
from tests.waiting import wait_for

#: The first query of a Spark takes minutes where many share the machine.
_PATIENCE_SECONDS = 300


class Stage:
    """The topic and the query of ``contract``; everything goes into partition 0, so that offsets are plain."""

    def __init__(self, spark: SparkSession, settings: Settings, contract: Contract) -> None:
        self.settings = settings
        self.catalog = Catalog.from_settings(settings)
        self.contract = contract
        ensure_topics(settings, [contract])
        self.query: Query = query_of(contract, spark, settings, self.catalog)

    def use(self, contract: Contract) -> None:
        """Changes the contract as its file would be; the query is another one then, over the same tables."""
        self.contract = contract
        self.query = query_of(contract, self.query.spark, self.settings, self.catalog)

    @property
    def checkpoint(self) -> Checkpoint:
        return self.query.checkpoint

    def send(self, *values: bytes, timestamp: int = 0, partition: int = 0) -> None:
        """Messages as they are; ``timestamp`` is when the broker took them, in milliseconds, now where it is 0."""
        producer = Producer({"bootstrap.servers": self.settings.kafka_bootstrap_servers})
        lost: list[object] = []
        for value in values:
            producer.produce(
                self.contract.source.topic,
                value,
                partition=partition,
                timestamp=timestamp,
                on_delivery=lambda error, _message: lost.append(error) if error else None,
            )
        assert (producer.flush(120), lost) == (0, [])

    def expire_before(self, offset: int, partition: int = 0) -> None:
        """What retention does, at once."""
        admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap_servers})
        expired = TopicPartition(self.contract.source.topic, partition, offset)
        for result in admin.delete_records([expired]).values():
            result.result(30)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return connect(self.catalog).execute(sql).fetchall()

    def run_until(self, done: Callable[[], bool], what: str) -> None:
        """Runs the query until ``done``; an error of the query fails the test."""
        running = self.query.start()
        try:
            wait_for(lambda: not running.isActive or done(), what, _PATIENCE_SECONDS, lambda: running.lastProgress)
            assert running.isActive, running.exception()
        finally:
            stop(running)

    def error(self) -> str:
        """Runs the query until it fails, and returns how."""
        running = self.query.start()
        try:
            wait_for(lambda: not running.isActive, "the query to fail", _PATIENCE_SECONDS, lambda: running.lastProgress)
        finally:
            stop(running)
        return str(self.query.errors[-1] if self.query.errors else running.exception())


def stop(query: StreamingQuery) -> None:
    """Between two batches, so that no half-done batch fails loudly in the log."""
    wait_for(lambda: not query.isActive or not query.status["isTriggerActive"], "the batch to end", _PATIENCE_SECONDS)
    query.stop()


class Run:
    """The application with a stage's contract, in a thread of its own."""

    def __init__(self, spark: SparkSession, stage: Stage, application: Application | None = None) -> None:
        self.application = application or Application(spark, stage.settings, [stage.contract])
        self._table = stage.contract.table
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Run":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.application.stop()
        self._thread.join(240)
        assert not self._thread.is_alive()

    def query(self) -> QueryStatus:
        return self.application.status().queries[self._table]

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.application.run()
        except Exception as error:
            self.error = error
