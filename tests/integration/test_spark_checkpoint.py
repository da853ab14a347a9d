"""What checkpoints say about offsets, and what is missing between them and the broker."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyspark.sql import DataFrame, SparkSession

from lakehouse.contracts.model import KafkaSource
from lakehouse_spark.broker import TopicMissingError, TopicOffsets
from lakehouse_spark.checkpoint import BatchRange, Checkpoint, Offsets
from lakehouse_spark.gaps import DataLossError, Gap, GapGuard, ReadRange, expired, loss_rows
from lakehouse_spark.origin import Abandoned, Origin, TopicRecreatedError
from tests.waiting import wait_for


class Broker(Protocol):
    bootstrap_servers: str


@pytest.fixture
def plan(tmp_path: Path) -> Callable[[int, Offsets], None]:
    """Writes the offset log of a batch as Spark does, for the topic `visits`."""
    directory = tmp_path / "checkpoint" / "offsets"
    directory.mkdir(parents=True)

    def plan(batch: int, offsets: Offsets) -> None:
        source = json.dumps({"visits": {str(partition): offset for partition, offset in offsets.items()}})
        (directory / str(batch)).write_text(f'v1\n{{"batchWatermarkMs":0,"batchTimestampMs":1,"conf":{{}}}}\n{source}')
        (directory / f".{batch}.crc").write_bytes(b"crc")

    return plan


@pytest.fixture
def checkpoint(spark: SparkSession, tmp_path: Path) -> Checkpoint:
    return Checkpoint(spark, str(tmp_path / "checkpoint"), "visits")


class TestCheckpoint:
    def test_without_a_directory_there_is_none(self, checkpoint: Checkpoint) -> None:
        assert not checkpoint.exists()
        assert checkpoint.last_batch() is None

    def test_without_a_planned_batch_there_is_none(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None]
    ) -> None:
        assert not checkpoint.exists()

    def test_a_planned_batch_makes_one(self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None]) -> None:
        plan(0, {0: 5})
        assert checkpoint.exists()

    def test_the_last_batch_is_the_newest_by_number(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None]
    ) -> None:
        for batch in (8, 9, 10, 11):
            plan(batch, {0: batch})
        assert checkpoint.last_batch() == 11

    def test_files_that_are_not_yet_batches_do_not_count(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None], tmp_path: Path
    ) -> None:
        plan(3, {0: 5})
        (tmp_path / "checkpoint" / "offsets" / ".4.1f0e.tmp").write_text("v1")
        assert checkpoint.last_batch() == 3

    def test_a_batch_reads_from_the_end_of_the_one_before(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None]
    ) -> None:
        plan(6, {0: 10, 1: 20})
        plan(7, {0: 15, 1: 20})
        assert checkpoint.batch_range(7) == BatchRange(start={0: 10, 1: 20}, end={0: 15, 1: 20})
        assert checkpoint.batch_range(7).size == 5

    def test_the_start_of_the_first_batch_is_unknown(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None]
    ) -> None:
        plan(0, {0: 10, 1: 20})
        assert checkpoint.batch_range(0) == BatchRange(start={}, end={0: 10, 1: 20})
        assert checkpoint.batch_range(0).size == 0

    def test_a_partition_new_in_a_batch_starts_at_its_beginning(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None]
    ) -> None:
        plan(0, {0: 10})
        plan(1, {0: 12, 1: 7})
        assert checkpoint.batch_range(1) == BatchRange(start={0: 10, 1: 0}, end={0: 12, 1: 7})
        assert checkpoint.batch_range(1).size == 9

    def test_another_topic_has_no_offsets_here(
        self, spark: SparkSession, plan: Callable[[int, Offsets], None], tmp_path: Path
    ) -> None:
        plan(0, {0: 10})
        other = Checkpoint(spark, str(tmp_path / "checkpoint"), "clicks")
        assert other.batch_range(0) == BatchRange(start={}, end={})


class TestWithKafka:
    """Against a checkpoint that Spark made, and a topic of a real broker."""

    @pytest.fixture
    def topic(self, broker: Broker) -> str:
        """A topic of two partitions with six events in the first and two in the second."""
        name = f"checkpoint-{uuid.uuid4().hex[:8]}"
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        admin.create_topics([NewTopic(name, 2, 1)])[name].result(30)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for partition, count in ((0, 6), (1, 2)):
            for number in range(count):
                producer.produce(name, str(number).encode(), partition=partition)
        assert producer.flush(30) == 0
        return name

    def test_a_checkpoint_of_spark_is_read(
        self, spark: SparkSession, broker: Broker, topic: str, tmp_path: Path
    ) -> None:
        location = str(tmp_path / "made")
        query = (
            spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", broker.bootstrap_servers)
            .option("subscribe", topic)
            .option("startingOffsets", "earliest")
            .option("maxOffsetsPerTrigger", 4)
            .load()
            .writeStream.format("noop")
            .option("checkpointLocation", location)
            .trigger(availableNow=True)
            .start()
        )
        try:
            assert query.awaitTermination(300)
        finally:
            query.stop()
        checkpoint = Checkpoint(spark, location, topic)
        last = checkpoint.last_batch()
        assert last is not None
        assert last >= 1
        ranges = [checkpoint.batch_range(batch) for batch in range(last + 1)]
        assert ranges[-1].end == {0: 6, 1: 2}
        assert all(later.start == earlier.end for earlier, later in pairwise(ranges))
        assert sum(ranges[0].end.values()) + sum(later.size for later in ranges[1:]) == 8

    def test_the_broker_tells_partitions_and_their_first_offsets(self, broker: Broker, topic: str) -> None:
        with TopicOffsets(broker.settings.kafka, topic) as offsets:
            assert offsets.partitions() == [0, 1]
            assert offsets.beginning([0, 1]) == {0: 0, 1: 0}

    def test_the_id_tells_a_topic_from_an_earlier_one_of_its_name(self, broker: Broker, topic: str) -> None:
        with TopicOffsets(broker.settings.kafka, topic) as offsets:
            first = offsets.topic_id()
            assert offsets.topic_id() == first
            assert offsets.end([0, 1]) == {0: 6, 1: 2}
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        there = lambda: topic in admin.list_topics(timeout=30).topics  # noqa: E731
        admin.delete_topics([topic])[topic].result(30)
        wait_for(lambda: not there(), "the topic to be gone", 120)
        with TopicOffsets(broker.settings.kafka, topic) as offsets, pytest.raises(TopicMissingError):
            offsets.topic_id()
        admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
        wait_for(there, "the topic", 120)
        with TopicOffsets(broker.settings.kafka, topic) as offsets:
            assert offsets.topic_id() != first

    def test_a_topic_that_there_is_not_is_told(self, broker: Broker) -> None:
        with (
            TopicOffsets(broker.settings.kafka, "nope") as offsets,
            pytest.raises(TopicMissingError, match="'nope'"),
        ):
            offsets.partitions()


class TestExpired:
    """The part of a planned batch that the broker no longer holds."""

    def test_nothing_expired_where_the_broker_still_holds_the_start(self) -> None:
        assert expired("visits", BatchRange({0: 10, 1: 0}, {0: 20, 1: 5}), {0: 10, 1: 0}) == []

    def test_what_lies_before_the_first_offset_expired(self) -> None:
        assert expired("visits", BatchRange({0: 10}, {0: 20}), {0: 13}) == [Gap("visits", 0, 10, 13)]

    def test_no_more_than_the_batch_expired(self) -> None:
        assert expired("visits", BatchRange({0: 10}, {0: 20}), {0: 1000}) == [Gap("visits", 0, 10, 20)]

    def test_an_empty_range_has_nothing_to_lose(self) -> None:
        assert expired("visits", BatchRange({0: 10}, {0: 10}), {0: 1000}) == []

    def test_a_partition_without_known_start_is_no_gap(self) -> None:
        assert expired("visits", BatchRange({}, {0: 20}), {0: 13}) == []

    def test_a_partition_that_the_batch_does_not_read_is_no_gap(self) -> None:
        assert expired("visits", BatchRange({0: 10, 1: 5}, {0: 20}), {0: 10, 1: 100}) == []

    def test_a_partition_that_the_broker_does_not_tell_of_is_no_gap(self) -> None:
        assert expired("visits", BatchRange({0: 10}, {0: 20}), {}) == []

    def test_gaps_come_by_partition(self) -> None:
        gaps = expired("visits", BatchRange({2: 0, 0: 0, 1: 0}, {0: 9, 1: 9, 2: 9}), {0: 1, 1: 0, 2: 3})
        assert gaps == [Gap("visits", 0, 0, 1), Gap("visits", 2, 0, 3)]


class TestGap:
    def test_it_says_which_offsets_and_how_many(self) -> None:
        text = "offsets_lost: visits[3] offsets 10 to 14 (5 events) expired before they were read"
        assert str(Gap("visits", 3, 10, 15)) == text

    def test_its_quarantine_row_stands_at_its_first_offset(self, spark: SparkSession) -> None:
        gap = Gap("visits", 3, 2**40, 2**40 + 5)
        (row,) = loss_rows(spark, [gap]).collect()
        assert (row.kafka_topic, row.kafka_partition, row.kafka_offset) == ("visits", 3, 2**40)
        assert (row.reason, row.raw_key, row.raw_value, row.kafka_timestamp) == (str(gap), None, None, None)
        assert row.ingested_at is not None


class FakeTopic:
    """Stands for `TopicOffsets`: a broker would have to expire events at the right moment."""

    def __init__(self, beginning: Offsets, topic_id: str = "one") -> None:
        self._beginning = beginning
        self._topic_id = topic_id
        self.connections = 0
        self.closed = 0

    def connect(self) -> TopicOffsets:
        self.connections += 1
        return self  # type: ignore[return-value]

    def __enter__(self) -> "FakeTopic":
        return self

    def __exit__(self, *_error: object) -> None:
        self.closed += 1

    def topic_id(self) -> str:
        return self._topic_id

    def beginning(self, partitions: list[int]) -> Offsets:
        return {partition: self._beginning[partition] for partition in partitions}


def guard(
    topic: FakeTopic,
    *,
    fail_on_data_loss: bool = False,
    abandoned: Sequence[Abandoned] = (),
) -> GapGuard:
    """A guard of a batch that was to read 10 to 19 of partition 0 and 0 to 4 of partition 1."""
    source = KafkaSource(topic="visits", fail_on_data_loss=fail_on_data_loss)
    planned = BatchRange({0: 10, 1: 0}, {0: 20, 1: 5})
    return GapGuard(
        source, Origin("one", abandoned=tuple(abandoned)), lambda _batch: planned, topic.topic_id, topic.connect
    )


class TestRefuse:
    """After a batch that could not be read."""

    def test_where_a_part_expired_the_offsets_and_the_way_out_are_told(self) -> None:
        topic = FakeTopic({0: 13, 1: 0})
        with pytest.raises(DataLossError, match=r"visits\[0\] offsets 10 to 12 \(3 events\).*fail_on_data_loss: false"):
            guard(topic, fail_on_data_loss=True).refuse(7)
        assert topic.closed == topic.connections

    def test_every_partition_that_lost_is_told(self) -> None:
        with pytest.raises(DataLossError, match=r"visits\[0\] offsets 10 to 12 .*; .*visits\[1\] offsets 0 to 4 "):
            guard(FakeTopic({0: 13, 1: 900}), fail_on_data_loss=True).refuse(7)

    def test_where_nothing_expired_that_was_not_the_reason(self) -> None:
        guard(FakeTopic({0: 10, 1: 0}), fail_on_data_loss=True).refuse(7)

    def test_where_the_contract_allows_loss_that_was_not_the_reason(self) -> None:
        guard(FakeTopic({0: 13, 1: 0}), fail_on_data_loss=False).refuse(7)

    @pytest.mark.parametrize("fail_on_data_loss", [True, False])
    def test_where_the_topic_is_another_one_that_is_the_reason(self, fail_on_data_loss: bool) -> None:
        with pytest.raises(TopicRecreatedError, match=r"visits was deleted and created again.* is two, and was one"):
            guard(FakeTopic({0: 0, 1: 0}, "two"), fail_on_data_loss=fail_on_data_loss).refuse(7)


def read(spark: SparkSession, offsets: Mapping[int, Sequence[int]]) -> tuple[dict[int, ReadRange], DataFrame]:
    """A batch that read ``offsets`` of each partition: what the sink counts of it, and its rows."""
    rows = [(partition, offset) for partition, some in offsets.items() for offset in some]
    frame = spark.createDataFrame(rows, "kafka_partition int, kafka_offset bigint")
    return {partition: ReadRange(min(some), len(some)) for partition, some in offsets.items() if some}, frame


WHOLE = range(10, 20)


class TestLost:
    """After a batch that was read: of what expired, that which is not among its rows."""

    @pytest.mark.parametrize(
        ("offsets", "beginning", "gaps"),
        [
            pytest.param({0: WHOLE, 1: range(5)}, {0: 15, 1: 5}, [], id="all read before it expired"),
            pytest.param({0: range(13, 20), 1: range(5)}, {0: 15, 1: 5}, [Gap("visits", 0, 10, 13)], id="the front"),
            pytest.param({0: range(15, 20), 1: range(5)}, {0: 15, 1: 0}, [Gap("visits", 0, 10, 15)], id="up to there"),
            pytest.param({0: [17, 19], 1: range(5)}, {0: 15, 1: 0}, [Gap("visits", 0, 10, 15)], id="and compacted"),
            pytest.param({1: range(5)}, {0: 900, 1: 0}, [Gap("visits", 0, 10, 20)], id="nothing left of a partition"),
            pytest.param({}, {0: 900, 1: 2}, [Gap("visits", 0, 10, 20), Gap("visits", 1, 0, 2)], id="no row at all"),
            pytest.param({0: range(13, 20), 1: [3, 4]}, {0: 10, 1: 0}, [], id="missing without expiry"),
            pytest.param(
                {0: [10, 11, 12, 16, 17, 18, 19], 1: range(5)}, {0: 16, 1: 0}, [Gap("visits", 0, 13, 16)], id="amidst"
            ),
            pytest.param(
                {0: [10, 11, 12, 16, 17, 18, 19], 1: range(5)}, {0: 90, 1: 0}, [Gap("visits", 0, 13, 16)], id="long ago"
            ),
            pytest.param({0: [10, 11, 12], 1: range(5)}, {0: 90, 1: 0}, [Gap("visits", 0, 13, 20)], id="the end"),
            pytest.param(
                {0: [10, 13, 14, 17, 18, 19], 1: range(5)}, {0: 17, 1: 0}, [Gap("visits", 0, 11, 17, 4)], id="two holes"
            ),
            pytest.param(
                {0: [10, 11, 13, 14, 15, 17, 18, 19], 1: range(5)}, {0: 14, 1: 0}, [Gap("visits", 0, 12, 13)],
                id="one that expired and a marker behind it",
            ),
        ],
    )  # fmt: skip
    def test_what_expired_unread_is_told(
        self, spark: SparkSession, offsets: Mapping[int, Sequence[int]], beginning: Offsets, gaps: list[Gap]
    ) -> None:
        assert guard(FakeTopic(beginning)).lost(*read(spark, offsets), 7) == gaps

    def test_the_broker_is_not_asked_where_nothing_is_missing(self, spark: SparkSession) -> None:
        topic = FakeTopic({0: 10, 1: 0})
        guard(topic).lost(*read(spark, {0: WHOLE, 1: range(5)}), 7)
        assert topic.connections == 0

    def test_the_connection_is_closed(self, spark: SparkSession) -> None:
        topic = FakeTopic({0: 13, 1: 0})
        guard(topic).lost(*read(spark, {0: range(13, 20), 1: range(5)}), 7)
        assert (topic.connections, topic.closed) == (1, 1)

    def test_where_the_contract_forbids_loss_spark_itself_has_looked(self, spark: SparkSession) -> None:
        strict = guard(FakeTopic({0: 16, 1: 0}), fail_on_data_loss=True)
        assert strict.lost(*read(spark, {0: [10, 16, 17, 18, 19], 1: range(5)}), 7) == []

    def test_what_the_topic_before_took_with_it_is_told_with_the_first_batch(self, spark: SparkSession) -> None:
        abandoned = Abandoned("visits", 0, 42)
        watched = guard(FakeTopic({0: 10, 1: 0}), abandoned=[abandoned])
        whole = read(spark, {0: WHOLE, 1: range(5)})
        assert watched.lost(*whole, 0) == [abandoned]
        assert watched.lost(*whole, 1) == []

    def test_a_topic_that_was_created_again_is_noticed_before_anything_of_it_is_written(
        self, spark: SparkSession
    ) -> None:
        with pytest.raises(TopicRecreatedError, match="was deleted and created again while it was read"):
            guard(FakeTopic({0: 0, 1: 0}, "two")).lost(*read(spark, {0: WHOLE, 1: range(5)}), 7)


class TestReplacement:
    """A checkpoint that makes place for another."""

    def test_the_new_one_holds_its_file_and_the_old_one_is_set_aside(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None], tmp_path: Path
    ) -> None:
        plan(3, {0: 5})
        checkpoint.write("origin.json", "old")
        checkpoint.replace("origin.json", "new", "before")
        assert (checkpoint.read("origin.json"), checkpoint.exists()) == ("new", False)
        assert (tmp_path / "checkpoint-before" / "offsets" / "3").is_file()
        assert (tmp_path / "checkpoint-before" / "origin.json").read_text() == "old"
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["checkpoint", "checkpoint-before"]

    def test_a_crash_between_the_two_renames_is_made_good(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None], tmp_path: Path
    ) -> None:
        plan(3, {0: 5})
        (tmp_path / "checkpoint").rename(tmp_path / "checkpoint-before")
        (tmp_path / "checkpoint.next").mkdir()
        (tmp_path / "checkpoint.next" / "origin.json").write_text("new")
        checkpoint.finish_replacement()
        assert checkpoint.read("origin.json") == "new"

    def test_a_crash_before_them_leaves_the_old_one(
        self, checkpoint: Checkpoint, plan: Callable[[int, Offsets], None], tmp_path: Path
    ) -> None:
        plan(3, {0: 5})
        (tmp_path / "checkpoint.next").mkdir()
        checkpoint.finish_replacement()
        assert checkpoint.last_batch() == 3

    def test_a_file_is_written_over(self, checkpoint: Checkpoint) -> None:
        assert checkpoint.read("origin.json") is None
        for text in ("one", "zwölf"):
            checkpoint.write("origin.json", text)
            assert checkpoint.read("origin.json") == text
