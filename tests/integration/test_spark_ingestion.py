"""One contract as one streaming query, against a real broker: what happens when something is lost or invalid."""

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions
from deltalake import write_deltalake
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.components.stream_checks import StreamChecks
from lakehouse.contracts import Column, ColumnType, Contract, OnInvalid, find_contract
from lakehouse.local.kafka import PARTITIONS, ensure_topics
from lakehouse.settings import Settings
from lakehouse.storage import SchemaMismatchError
from lakehouse.storage.create import apply_contract
from lakehouse_spark import application as application_module
from lakehouse_spark.application import Application
from lakehouse_spark.checkpoint import Offsets
from lakehouse_spark.ingestion import IngestionQuery
from lakehouse_spark.origin import TopicRecreatedError
from lakehouse_spark.query import LostTableError
from lakehouse_spark.status import QueryState, QueryStatus, read_status, status_file
from lakehouse_spark.topic import TopicStream
from tests.integration.conftest import REPOSITORY
from tests.integration.spark_queries import Run, Stage, stop
from tests.waiting import wait_for

GOOD = b'{"order_id":"o-%d","customer_id":"c-1","amount_cents":5,"event_time":"2026-01-01T00:00:00Z"}'


class Ingestion(Stage):
    """The query of `raw.orders` over a topic of its own."""

    def __init__(self, spark: SparkSession, settings: Settings, **changes: object) -> None:
        shipped = find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders").model_dump()
        source = {**shipped["source"], "topic": f"ingestion-{uuid.uuid4().hex[:8]}"}
        source |= {key: changes.pop(key) for key in list(changes) if key in source and key != "table"}
        values = {**shipped, "freshness": "6 seconds", "engine": "spark", **changes, "source": source}
        super().__init__(spark, settings, Contract.model_validate(values))
        self._produced = 0

    def produce_good(self, count: int) -> None:
        self.send(*(GOOD % number for number in range(self._produced, self._produced + count)))
        self._produced += count

    def create_topic_again(self) -> None:
        """Deletes the topic, and creates it without its events."""
        topic = self.contract.source.topic
        admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap_servers})
        admin.delete_topics([topic])[topic].result(30)
        wait_for(lambda: topic not in admin.list_topics(timeout=10).topics, f"{topic} to be gone", 30)
        ensure_topics(self.settings, [self.contract])

    def offsets(self) -> list[int]:
        """Offsets in the table, in order."""
        found = self.rows("SELECT kafka_offset FROM raw.orders ORDER BY kafka_offset")
        return [int(str(offset)) for (offset,) in found]


@pytest.fixture
def make_stage(spark: SparkSession, own_settings: Settings) -> Callable[..., Ingestion]:
    return lambda **changes: Ingestion(spark, own_settings, **changes)


def test_a_query_goes_on_where_it_stopped(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage()
    stage.produce_good(10)
    stage.run_until(lambda: len(stage.offsets()) == 10, "10 rows")
    stage.produce_good(5)
    stage.run_until(lambda: len(stage.offsets()) >= 15, "15 rows")
    assert stage.offsets() == list(range(15))


def test_each_row_has_the_time_it_was_read(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage()
    before = datetime.now(UTC)
    stage.produce_good(1)
    stage.send(b"broken")
    stage.run_until(lambda: len(stage.offsets()) == 1, "1 row")
    for table in ("raw.orders", "raw.orders_rejected"):
        [(moment,)] = stage.rows(f"SELECT ingested_at FROM {table}")
        assert isinstance(moment, datetime)
        assert before <= moment <= datetime.now(UTC)


def test_a_lost_checkpoint_doubles_nothing_because_the_table_tells_its_offsets(
    make_stage: Callable[..., Ingestion],
) -> None:
    stage = make_stage()
    stage.produce_good(10)
    stage.send(b"broken")
    stage.run_until(lambda: len(stage.offsets()) == 10, "10 rows")
    shutil.rmtree(stage.query.checkpoint_location)
    stage.produce_good(5)
    stage.run_until(lambda: len(stage.offsets()) >= 15, "15 rows")
    assert stage.offsets() == [*range(10), *range(11, 16)]
    assert stage.rows("SELECT kafka_offset FROM raw.orders_rejected") == [(10,)]


def test_not_even_a_crash_between_the_two_commits_with_a_lost_checkpoint_loses_or_doubles(
    make_stage: Callable[..., Ingestion],
) -> None:
    stage = make_stage()
    stage.produce_good(3)
    stage.send(b"broken")
    stage.produce_good(2)
    stage.run_until(lambda: len(stage.offsets()) == 5, "5 rows")
    # As if the crash had come after the quarantine's commit and before the table's.
    stage.catalog.open("raw.orders").restore(0)
    shutil.rmtree(stage.query.checkpoint_location)
    stage.send(b"broken again")
    stage.run_until(lambda: len(stage.offsets()) >= 5, "5 rows again")
    assert stage.offsets() == [0, 1, 2, 4, 5]
    assert stage.rows("SELECT kafka_offset FROM raw.orders_rejected ORDER BY 1") == [(3,), (6,)]


def test_a_lost_table_is_not_filled_from_where_its_checkpoint_stands(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage(max_offsets_per_trigger=5)
    stage.produce_good(10)
    stage.run_until(lambda: len(stage.offsets()) == 10, "10 rows")
    shutil.rmtree(stage.catalog.uri("raw.orders"))
    with pytest.raises(LostTableError, match="delete the checkpoint"):
        stage.query.start()


def test_a_partition_added_to_the_topic_is_read_from_its_beginning(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage()
    stage.produce_good(3)
    stage.run_until(lambda: len(stage.offsets()) == 3, "3 rows")
    admin = AdminClient({"bootstrap.servers": stage.settings.kafka_bootstrap_servers})
    topic = stage.contract.source.topic
    admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result(30)
    partitions = lambda: admin.list_topics(topic, timeout=30).topics[topic].partitions  # noqa: E731
    wait_for(lambda: len(partitions()) > PARTITIONS, "the partition", 120, partitions)
    stage.send(GOOD % 99, partition=PARTITIONS)
    stage.run_until(lambda: len(stage.offsets()) >= 4, "4 rows")
    assert stage.rows(f"SELECT kafka_offset FROM raw.orders WHERE kafka_partition = {PARTITIONS}") == [(0,)]


def test_expired_events_stop_the_query_and_the_error_names_their_offsets(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage(fail_on_data_loss=True)
    stage.produce_good(10)
    stage.run_until(lambda: len(stage.offsets()) == 10, "10 rows")
    stage.produce_good(10)
    stage.expire_before(14)
    error = stage.error()
    assert f"{stage.contract.source.topic}[0] offsets 10 to 13 (4 events) expired before they were read" in error
    assert "fail_on_data_loss: false" in error
    assert stage.offsets() == list(range(10))


def test_expired_events_are_recorded_in_quarantine_where_the_contract_goes_on(
    make_stage: Callable[..., Ingestion],
) -> None:
    stage = make_stage(fail_on_data_loss=False)
    stage.produce_good(10)
    stage.run_until(lambda: len(stage.offsets()) == 10, "10 rows")
    stage.produce_good(10)
    stage.expire_before(14)
    stage.run_until(lambda: len(stage.offsets()) >= 16, "16 rows")
    assert stage.offsets() == [*range(10), *range(14, 20)]
    [(partition, offset, reason)] = stage.rows("SELECT kafka_partition, kafka_offset, reason FROM raw.orders_rejected")
    assert (partition, offset) == (0, 10)
    assert str(reason).startswith("offsets_lost: ")
    assert "offsets 10 to 13 (4 events)" in str(reason)


def test_dagster_fails_the_check_of_a_table_that_misses_events_until_they_are_acknowledged(
    make_stage: Callable[..., Ingestion],
) -> None:
    stage = make_stage(fail_on_data_loss=False)

    def lose(first: int, following: int) -> None:
        """Produces up to offset ``following``; those from ``first`` on expire, but the last, before they are read."""
        stage.run_until(lambda: len(stage.offsets()) > 0, "the rows before")
        stage.produce_good(following - first)
        stage.expire_before(following - 1)
        stage.run_until(lambda: following - 1 in stage.offsets(), "the row behind the gap")

    def checked() -> dg.AssetCheckEvaluation:
        told = StreamChecks([stage.contract], stage.catalog, stage.settings.run_dir).evaluate()
        return next(evaluation for evaluation, _ in told if evaluation.check_name == "no_events_lost")

    stage.produce_good(10)
    lose(10, 15)
    missed = checked()
    assert not missed.passed
    assert "offsets 10 to 13 (4 events) expired before they were read" in str(missed.metadata["lost"].value)
    [until] = re.findall(r"`losses_acknowledged_until: (\S+)`", str(missed.metadata["acknowledge"].value))
    source = stage.contract.source.model_copy(update={"losses_acknowledged_until": datetime.fromisoformat(until)})
    stage.use(stage.contract.model_copy(update={"source": source}))
    assert checked().passed
    lose(15, 18)
    assert not checked().passed
    assert checked().metadata["losses"].value == 1
    assert "offsets 15 to 16 (2 events)" in str(checked().metadata["lost"].value)


class TestTopicCreatedAgain:
    """Offsets begin anew, so that by them alone events would be skipped or taken for old ones."""

    @pytest.fixture
    def stage(self, make_stage: Callable[..., Ingestion]) -> Ingestion:
        """Ten events were read of a topic whose loss the contract allows."""
        stage = make_stage(fail_on_data_loss=False)
        stage.produce_good(10)
        stage.run_until(lambda: len(stage.offsets()) == 10, "10 rows")
        return stage

    def lost(self, stage: Ingestion) -> list[tuple[object, ...]]:
        return stage.rows("SELECT kafka_offset, reason FROM raw.orders_rejected WHERE kafka_partition = 0")

    def test_it_is_refused_with_both_offsets_and_the_ways_on(self, make_stage: Callable[..., Ingestion]) -> None:
        stage = make_stage(fail_on_data_loss=True)
        stage.produce_good(10)
        stage.run_until(lambda: len(stage.offsets()) == 10, "10 rows")
        stage.create_topic_again()
        for added, found in ((0, "no event"), (3, "offsets 0 to 2"), (12, "offsets 0 to 14")):
            stage.produce_good(added)
            with pytest.raises(TopicRecreatedError) as error:
                stage.query.start()
            assert f"{stage.contract.source.topic}[0] expected offset 10 next, found {found}" in str(error.value)
        for way in ("`fail_on_data_loss: false`", f"the checkpoint {stage.query.checkpoint_location} away"):
            assert way in str(error.value)
        assert stage.offsets() == list(range(10))

    def test_where_the_contract_goes_on_it_is_read_whole_and_what_is_gone_is_recorded_once(
        self, stage: Ingestion
    ) -> None:
        stage.create_topic_again()
        # More than was read of the old one: by offsets alone, the first ten would be taken for read.
        stage.produce_good(15)
        stage.send(b"broken")
        stage.run_until(lambda: len(stage.offsets()) >= 25, "the new rows")
        assert stage.offsets() == sorted([*range(10), *range(15)])
        (broken, _), (offset, reason) = sorted(self.lost(stage), key=lambda row: str(row[1]))
        assert (broken, offset) == (15, 10)
        assert str(reason).startswith(f"offsets_lost: {stage.contract.source.topic}[0] from offset 10 on")
        assert "was deleted and created again" in str(reason)
        stage.produce_good(1)
        stage.run_until(lambda: len(stage.offsets()) >= 26, "one row more")
        assert stage.offsets() == sorted([*range(10), *range(15), 16])
        assert len(self.lost(stage)) == 2

    def test_a_query_that_runs_meanwhile_ends_and_the_next_start_goes_on(self, stage: Ingestion) -> None:
        running = stage.query.start()
        try:
            stage.create_topic_again()
            stage.produce_good(3)
            wait_for(lambda: not running.isActive, "the query to end", 120, lambda: running.lastProgress)
        finally:
            stop(running)
        assert len(stage.offsets()) == 10
        stage.run_until(lambda: len(stage.offsets()) >= 13, "the new rows")
        assert stage.offsets() == sorted([*range(10), *range(3)])
        assert [offset for offset, _ in self.lost(stage)] == [10]

    def test_with_a_lost_checkpoint_nothing_tells_what_was_read_so_it_is_refused(self, stage: Ingestion) -> None:
        shutil.rmtree(stage.query.checkpoint_location)
        stage.create_topic_again()
        stage.produce_good(3)
        with pytest.raises(TopicRecreatedError, match="expected offset 10 next, found offsets 0 to 2"):
            stage.query.start()

    def test_invalid_events_at_offsets_that_quarantine_had_before_are_not_taken_for_old_ones(
        self, stage: Ingestion
    ) -> None:
        stage.send(b"broken")
        stage.run_until(lambda: len(self.lost(stage)) == 1, "a rejected row")
        stage.create_topic_again()
        stage.send(b"broken", b"broken again")
        stage.run_until(lambda: len(self.lost(stage)) >= 4, "the new rejected rows")
        assert sorted(str(offset) for offset, _ in self.lost(stage)) == ["0", "1", "10", "11"]


class Door:
    """Where a reading task stands still until the test lets it pass: opening a FIFO waits for its other end."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path

    @property
    def sql(self) -> str:
        return f"reflect('scala.io.Source', 'fromFile', '{self.path}', 'UTF-8')"

    def open(self, running: StreamingQuery) -> None:
        """Returns when the task has come to the door, and it goes on."""
        wait_for(lambda: self._opened() or not running.isActive, "the task to come", 120, lambda: running.status)
        assert running.isActive, running.exception()

    def _opened(self) -> bool:
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # Nobody is there yet.
            return False
        return True


@dataclass(frozen=True)
class HeldTopic(TopicStream):
    """Stops at the doors when offset 50 has been read, with no more than a few events fetched ahead."""

    doors: tuple[Door, ...] = ()

    def messages(self, start: Offsets, _longest_wait: timedelta) -> DataFrame:
        first, second = self.doors
        return (
            self.spark.readStream.format("kafka")
            .options(**self.kafka.for_spark())
            .option("subscribe", self.source.topic)
            .option("startingOffsets", json.dumps({self.source.topic: start}))
            .option("kafka.max.poll.records", 10)
            .option("kafka.max.partition.fetch.bytes", 1)
            .option("failOnDataLoss", str(self.source.fail_on_data_loss).lower())
            .load()
            .where(f"CASE offset WHEN 50 THEN {first.sql} WHEN 51 THEN {second.sql} ELSE '' END IS NOT NULL")
        )


@dataclass(frozen=True)
class HeldQuery(IngestionQuery):
    """Reads a HeldTopic."""

    doors: tuple[Door, ...] = ()

    @cached_property
    def _topic(self) -> TopicStream:
        kafka = self.settings.kafka
        return HeldTopic(self.spark, kafka, self.contract.source, self.checkpoint_location, doors=self.doors)


class TestExpiryWhileABatchIsRead:
    """200 events in batches of ten; those before offset 150 expire when the first 51 have been read."""

    @pytest.fixture
    def expire_amidst(self, tmp_path: Path) -> Callable[[Ingestion], StreamingQuery]:
        """Returns the running query, which has the rest of its batch still to read."""

        def expire_amidst(stage: Ingestion) -> StreamingQuery:
            for _ in range(20):
                stage.produce_good(10)
            doors = (Door(tmp_path / "first"), Door(tmp_path / "second"))
            query = HeldQuery(stage.query.spark, stage.settings, stage.catalog, stage.contract, doors=doors)
            running = query.start()
            doors[0].open(running)
            stage.expire_before(150)
            doors[1].open(running)
            return running

        return expire_amidst

    def test_the_hole_is_recorded_with_the_offsets_that_are_gone(
        self, make_stage: Callable[..., Ingestion], expire_amidst: Callable[[Ingestion], StreamingQuery]
    ) -> None:
        stage = make_stage(fail_on_data_loss=False)
        running = expire_amidst(stage)
        try:
            wait_for(lambda: 199 in stage.offsets() or not running.isActive, "the batch", 120, lambda: running.status)
            assert running.isActive, running.exception()
        finally:
            stop(running)
        gone = sorted(set(range(200)) - set(stage.offsets()))
        assert gone == list(range(gone[0], 150))
        assert gone[0] > 50
        [(offset, reason)] = stage.rows("SELECT kafka_offset, reason FROM raw.orders_rejected")
        assert offset == gone[0]
        assert f"offsets {gone[0]} to 149 ({len(gone)} events)" in str(reason)

    def test_it_stops_the_query_where_the_contract_says_so(
        self, make_stage: Callable[..., Ingestion], expire_amidst: Callable[[Ingestion], StreamingQuery]
    ) -> None:
        stage = make_stage(fail_on_data_loss=True)
        running = expire_amidst(stage)
        try:
            wait_for(lambda: not running.isActive, "the query to fail", 120)
        finally:
            stop(running)
        assert "offsets 0 to 149 (150 events) expired before they were read" in str(running.exception())
        assert stage.offsets() == []


def test_an_optional_column_joins_a_table_that_has_rows(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage()
    stage.produce_good(3)
    stage.run_until(lambda: len(stage.offsets()) == 3, "three rows")
    note = Column(name="note", type=ColumnType.STRING)
    stage.use(stage.contract.model_copy(update={"columns": (*stage.contract.columns, note)}))
    with pytest.raises(SchemaMismatchError, match=r"contracts apply raw\.orders` adds it"):
        stage.query.start()
    assert apply_contract(stage.catalog, stage.contract) == {"raw.orders": {"column note": "string"}}
    stage.send(GOOD[:-1] % 3 + b',"note":"new"}')
    stage.run_until(lambda: len(stage.offsets()) == 4, "a fourth row")
    notes = stage.rows("SELECT kafka_offset, note FROM raw.orders ORDER BY 1")
    assert notes == [(0, None), (1, None), (2, None), (3, "new")]


def test_a_backlog_is_read_in_larger_batches_than_the_events_of_a_steady_stream(
    make_stage: Callable[..., Ingestion],
) -> None:
    stage = make_stage(max_offsets_per_trigger=10, catch_up_offsets_per_trigger=50, freshness="1 hour")
    stage.produce_good(100)
    stage.run_until(lambda: len(stage.offsets()) == 100, "the backlog")
    stage.produce_good(10)
    # A batch that is full need not wait: of an hour's freshness a sixth would be ten minutes.
    stage.run_until(lambda: len(stage.offsets()) == 110, "the events of a steady stream")
    last = stage.checkpoint.committed_batch()
    assert last is not None
    assert [stage.checkpoint.batch_range(batch).end[0] for batch in range(last + 1)] == [50, 100, 110]


def test_on_invalid_fail_stops_at_the_row_and_writes_nothing_of_its_batch(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage(on_invalid="fail")
    stage.produce_good(3)
    stage.send(b"broken")
    error = stage.error()
    assert "1 invalid rows" in error
    assert "partition 0, offset 3: invalid_json" in error
    assert stage.offsets() == []


def test_the_application_tells_its_queries_and_their_last_batches(
    spark: SparkSession, make_stage: Callable[..., Ingestion]
) -> None:
    stage = make_stage()
    stage.produce_good(3)
    stage.send(b"broken")
    with Run(spark, stage) as run:
        assert run.query() == QueryStatus("raw.orders", QueryState.STARTING)
        wait_for(lambda: run.query().input_rows is not None or run.ended(), "a batch", 120, run.query)
        query = run.query()
    assert run.error is None
    assert (query.state, query.batch, query.input_rows, query.error) == (QueryState.RUNNING, 0, 4, None)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(str(query.batch_at))) < timedelta(minutes=2)


def committed(stage: Ingestion) -> dict[int, int]:
    """The offsets of the query's consumer group."""
    admin = KafkaAdminClient(bootstrap_servers=stage.settings.kafka_bootstrap_servers)
    try:
        (group,) = admin.list_group_offsets({f"lakehouse.{stage.contract.table}": None}).values()
    except KafkaError as error:
        # The broker finds a coordinator when it has its topic for offsets, with the first commit.
        if not error.retriable:
            raise
        return {}
    finally:
        admin.close()
    topic = stage.contract.source.topic
    return {partition.partition: found.offset for partition, found in group.items() if partition.topic == topic}


def test_the_offsets_behind_a_finished_batch_are_those_of_the_consumer_group(
    spark: SparkSession, make_stage: Callable[..., Ingestion]
) -> None:
    stage = make_stage()
    stage.produce_good(3)
    stage.send(b"broken")
    with Run(spark, stage) as run:
        wait_for(lambda: committed(stage).get(0) == 4, "the offsets to be committed", 120)
        assert run.query().lag_messages == 0
    assert run.error is None


def test_a_batch_that_nobody_has_looked_at_is_committed_to_the_group_at_the_stop(
    spark: SparkSession, make_stage: Callable[..., Ingestion], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(table="raw.stopped")
    stage.send(*(GOOD % number for number in range(3)))
    # One look, which starts the query; the next would come after the test.
    monkeypatch.setattr(application_module, "_LOOK_EVERY", timedelta(hours=1))
    with Run(spark, stage) as run:
        wait_for(lambda: stage.checkpoint.committed_offsets() is not None or run.ended(), "a batch", 120)
    assert run.error is None
    assert committed(stage) == {0: 3, **dict.fromkeys(range(1, PARTITIONS), 0)}


def test_a_query_that_failed_shows_no_lag_as_if_it_were_of_now(
    spark: SparkSession, make_stage: Callable[..., Ingestion]
) -> None:
    stage = make_stage(on_invalid="fail")
    stage.produce_good(3)
    with Run(spark, stage) as run:
        wait_for(lambda: run.query().lag_messages == 0 or run.ended(), "no lag", 120, run.query)
        assert list(run.application.progress()) == ["raw.orders"]
        read_until = run.query().caught_up_at
        stage.send(b"broken")
        wait_for(lambda: run.query().state is QueryState.FAILED, "the query to fail", 120, run.query)
        failed, progress = run.query(), run.application.progress()
    assert run.error is None
    assert (failed.lag_messages, failed.rows_per_second, progress) == (None, None, {})
    # That it falls behind is told by the time since it had read everything.
    assert str(failed.caught_up_at) >= str(read_until)
    assert failed.behind_seconds is not None


def test_a_query_runs_once_it_has_looked_even_where_there_is_nothing_to_read(
    spark: SparkSession, make_stage: Callable[..., Ingestion]
) -> None:
    with Run(spark, make_stage()) as run:
        wait_for(lambda: run.query().state is QueryState.RUNNING or run.ended(), "the query to run", 60, run.query)
    assert run.error is None


def test_a_failed_query_is_started_again_until_it_comes_through_and_its_error_is_kept(
    spark: SparkSession, make_stage: Callable[..., Ingestion]
) -> None:
    stage = make_stage(on_invalid="fail")
    stage.send(b"broken")
    with Run(spark, stage) as run:
        wait_for(lambda: run.query().failures >= 2, "the second failure", 120, run.query)
        assert run.query().state in {QueryState.FAILED, QueryState.RESTARTING}
    assert run.error is None
    text = "raw.orders: 1 invalid rows in batch 0"
    assert str(run.query().error).startswith(text)
    stage.contract = stage.contract.model_copy(update={"on_invalid": OnInvalid.DROP})
    with Run(spark, stage) as again:
        # A process of its own would begin like this too: from the file.
        assert again.query().state is QueryState.RESTARTING
        assert str(again.query().error).startswith(text)
        wait_for(lambda: again.query().state is QueryState.RUNNING or again.ended(), "it to run", 120, again.query)
        assert again.query().failures == 0
    assert read_status(status_file(stage.settings)).queries["raw.orders"].error == run.query().error


def test_a_query_that_cannot_start_says_why_and_starts_once_that_is_mended(
    spark: SparkSession, make_stage: Callable[..., Ingestion]
) -> None:
    stage = make_stage()
    write_deltalake(stage.catalog.uri("raw.orders"), pa.table({"other": [1]}))
    with Run(spark, stage) as run:
        wait_for(lambda: run.query().failures > 0, "the query to fail", 60, run.query)
        assert "does not match its contract" in str(run.query().error)
        shutil.rmtree(stage.catalog.uri("raw.orders"))
        wait_for(lambda: run.query().state is QueryState.RUNNING, "the query to run", 120, run.query)
    assert run.error is None


def test_a_query_that_fails_does_not_take_the_others_down(
    spark: SparkSession, make_stage: Callable[..., Ingestion]
) -> None:
    failing, well = make_stage(), make_stage(table="raw.others")
    write_deltalake(failing.catalog.uri("raw.orders"), pa.table({"other": [1]}))
    well.produce_good(3)
    application = Application(spark, well.settings, [failing.contract, well.contract])
    with Run(spark, well, application) as run:
        queries = lambda: run.application.status().queries  # noqa: E731
        wait_for(lambda: queries()["raw.others"].input_rows == 3, "the rows of the other query", 120, queries)
        wait_for(lambda: queries()["raw.orders"].failures >= 2, "a second failure", 120, queries)
        assert queries()["raw.others"].state is QueryState.RUNNING
    assert run.error is None


def test_on_invalid_drop_keeps_the_good_rows_alone(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage(on_invalid="drop")
    stage.send(b"broken")
    stage.produce_good(3)
    stage.run_until(lambda: len(stage.offsets()) >= 3, "3 rows")
    assert stage.offsets() == [1, 2, 3]
    assert not stage.catalog.exists("raw.orders_rejected")


def test_a_batch_of_nothing_but_invalid_rows_commits_to_quarantine_alone(make_stage: Callable[..., Ingestion]) -> None:
    stage = make_stage()
    stage.send(b"broken", b"")
    stage.run_until(
        lambda: (
            stage.catalog.exists("raw.orders_rejected") and len(stage.rows("SELECT 1 FROM raw.orders_rejected")) >= 2
        ),
        "2 rejected rows",
    )
    assert stage.catalog.open("raw.orders").version() == 0
    assert stage.rows(
        "SELECT kafka_offset, raw_value, split_part(reason, ':', 1) FROM raw.orders_rejected ORDER BY 1"
    ) == [
        (0, b"broken", "invalid_json"),
        (1, b"", "empty_value"),
    ]
