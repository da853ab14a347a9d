"""The oldest event that is not visible yet, asked of a real broker."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient, TopicPartition

from lakehouse.contracts import Contract
from lakehouse.kafka import Kafka
from lakehouse.observability.broker import Broker
from lakehouse.observability.freshness import Freshness, measure
from lakehouse.observability.lag import consumer_lags
from lakehouse.observability.messages import BrokerError
from lakehouse.observability.positions import group_of
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from tests.contracts import visits_contract
from tests.event_tables import Event, Tables
from tests.groups import commit_offsets
from tests.integration.conftest import Broker as RunningBroker
from tests.waiting import wait_for

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]


class Stream:
    """A topic of two partitions, the tables that it fills, and what is measured of them."""

    def __init__(self, settings: Settings, servers: str, **overrides: object) -> None:
        self.servers, self.topic = servers, f"visits-{uuid.uuid4().hex[:8]}"
        self.settings = settings
        source = {"topic": self.topic, **overrides.pop("source", {})}  # type: ignore[dict-item]
        self.began = time.time()
        self.contract: Contract = visits_contract(COLUMNS, **{"source": source, **overrides})
        self.tables = Tables(Catalog.from_settings(settings), self.contract)
        create_tables(self.tables.catalog, self.contract)
        self.broker = Broker(Kafka(servers), 10.0)
        admin = KafkaAdminClient(bootstrap_servers=servers)
        admin.create_topics({self.topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
        admin.close()

    def produce(self, ages: Sequence[float], partition: int = 0, transactional: bool = False) -> None:
        """Messages of so many seconds ago."""
        options = {"transactional.id": self.topic} if transactional else {}
        producer = Producer({"bootstrap.servers": self.servers, "compression.type": "lz4", **options})
        if transactional:
            producer.init_transactions()
            producer.begin_transaction()
        now_ms = int(self.began * 1000)
        for age in ages:
            producer.produce(self.topic, b"{}", partition=partition, timestamp=now_ms - int(age * 1000))
        if transactional:
            producer.commit_transaction()
        assert producer.flush(30) == 0

    def visible(self, *offsets: int, partition: int = 0) -> None:
        now_ms = int(time.time() * 1000)
        self.tables.commit([Event(offset, now_ms - 5000, partition) for offset in offsets], now_ms)

    def rejected(self, *offsets: int) -> None:
        now_ms = int(time.time() * 1000)
        self.tables.reject([Event(offset, now_ms, reason="invalid_json: no object") for offset in offsets], now_ms)

    def commit_group(self, offsets: dict[int, int]) -> None:
        commit_offsets(self.servers, group_of(self.contract), self.topic, offsets)

    def freshness(self) -> Freshness:
        return measure(self.settings, self.tables.catalog, [self.contract], self.broker)[self.contract.table]

    @property
    def age(self) -> float | None:
        """As it was when the stream was made: what the test takes does not count."""
        age = self.freshness().age
        return age - (time.time() - self.began) if age else age


@pytest.fixture
def settings(tmp_path: Path, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(tmp_path / "state")


@pytest.fixture
def make_stream(broker: RunningBroker, settings: Settings) -> Iterator[Callable[..., Stream]]:
    made: list[Stream] = []

    def make(**overrides: object) -> Stream:
        made.append(Stream(settings, broker.bootstrap_servers, **overrides))
        return made[-1]

    yield make
    for stream in made:
        stream.broker.__exit__(None, None, None)


@pytest.fixture
def stream(make_stream: Callable[..., Stream]) -> Stream:
    return make_stream()


def delete(admin: KafkaAdminClient, topic: str) -> None:
    """The broker confirms it before it forgets the topic."""
    admin.delete_topics([topic])
    wait_for(lambda: topic not in admin.list_topics(), f"{topic} to be gone", 120)


def test_of_an_empty_topic_nothing_is_behind(stream: Stream) -> None:
    assert stream.age == 0


def test_the_oldest_event_of_any_partition_counts(stream: Stream) -> None:
    stream.produce([50, 40, 30])
    stream.produce([20], partition=1)
    assert stream.age == pytest.approx(50, abs=5)
    stream.visible(0, 1)
    assert stream.age == pytest.approx(30, abs=5)
    stream.visible(2)
    assert stream.age == pytest.approx(20, abs=5)
    stream.visible(0, partition=1)
    assert stream.age == 0


def test_a_row_behind_a_hole_does_not_make_the_hole_visible(stream: Stream) -> None:
    stream.produce([50, 40, 30, 20])
    stream.visible(0, 3)
    assert stream.age == pytest.approx(40, abs=5)
    stream.visible(2)
    assert stream.age == pytest.approx(40, abs=5)
    stream.visible(1)
    assert stream.age == 0


def test_a_quarantined_event_is_accounted_for(stream: Stream) -> None:
    stream.produce([50, 40, 30])
    stream.visible(0, 2)
    stream.rejected(1)
    assert stream.age == 0


def test_the_marker_of_a_transaction_is_no_event_to_wait_for(stream: Stream) -> None:
    stream.produce([50, 40], transactional=True)
    stream.produce([30], transactional=True)
    stream.visible(0, 1)
    assert stream.age == pytest.approx(30, abs=5)
    stream.visible(3)  # Offset 2 is the marker of the first transaction, 4 that of the second.
    assert stream.age == 0
    assert stream.freshness().missed_for is None


def test_what_expired_unread_is_not_waited_for(stream: Stream) -> None:
    stream.produce([50, 40, 30, 20])
    stream.visible(0)
    admin = KafkaAdminClient(bootstrap_servers=stream.servers)
    admin.delete_records({TopicPartition(stream.topic, 0): 2})
    admin.close()
    assert stream.age == pytest.approx(30, abs=5)
    stream.visible(2)
    assert stream.age == pytest.approx(20, abs=5)
    stream.visible(3)
    assert stream.age == 0


def test_of_a_topic_that_is_not_there_nothing_is_known(stream: Stream) -> None:
    admin = KafkaAdminClient(bootstrap_servers=stream.servers)
    delete(admin, stream.topic)
    admin.close()
    assert stream.age is None


def test_where_invalid_events_are_dropped_the_group_tells_of_those_at_the_end(
    make_stream: Callable[..., Stream],
) -> None:
    stream = make_stream(on_invalid="drop")
    stream.produce([50, 40, 30])
    stream.visible(1)
    assert stream.age == pytest.approx(30, abs=5)
    stream.commit_group({0: 3})
    assert stream.age == 0


def test_of_a_transform_the_group_tells(make_stream: Callable[..., Stream]) -> None:
    source = {"columns": COLUMNS, "event_time": "at"}
    stream = make_stream(engine="flink", on_invalid="drop", transform={"sql": "visits.sql"}, source=source)
    stream.produce([50, 40])
    assert stream.age == pytest.approx(50, abs=5)
    stream.commit_group({0: 1})
    assert stream.age == pytest.approx(40, abs=5)
    stream.commit_group({0: 2})
    assert stream.age == 0


def test_a_lost_state_goes_on_behind_the_newest_rows(stream: Stream, settings: Settings) -> None:
    stream.produce([90 - offset for offset in range(15)])
    for offset in range(14):
        stream.visible(offset)
    assert stream.age == pytest.approx(76, abs=5)
    (settings.state_dir / "freshness" / "raw.visits.json").unlink()
    assert stream.age == pytest.approx(76, abs=5)


def test_a_contract_that_is_missed_says_for_how_long(make_stream: Callable[..., Stream]) -> None:
    stream = make_stream(freshness="10 seconds", tolerance="500 ms", engine="spark")
    stream.produce([60])
    assert stream.freshness().missed_for is not None
    time.sleep(0.6)
    assert stream.freshness().failed
    stream.visible(0)
    assert not stream.freshness().failed


def test_a_topic_that_was_made_anew_is_measured_by_its_own_offsets(stream: Stream) -> None:
    stream.produce([50, 40, 30])
    # The first message is asked for, and remembered.
    assert stream.age == pytest.approx(50, abs=5)
    stream.visible(0, 1, 2)
    assert stream.age == 0
    admin = KafkaAdminClient(bootstrap_servers=stream.servers)
    delete(admin, stream.topic)
    admin.create_topics({stream.topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()
    stream.produce([20])
    assert stream.age == pytest.approx(20, abs=5)


def test_without_a_broker_the_looks_are_stored_before_the_error(stream: Stream, settings: Settings) -> None:
    stream.visible(0)
    with Broker(Kafka("127.0.0.1:1"), 0.5) as dead, pytest.raises(BrokerError, match=r"127.0.0.1:1"):
        measure(settings, stream.tables.catalog, [stream.contract], dead)
    found = measure(settings, stream.tables.catalog, [stream.contract], None)["raw.visits"]
    assert (found.age, found.events) == (None, 1)


def test_what_a_group_has_still_to_read_is_counted_over_all_partitions(stream: Stream) -> None:
    stream.produce([50, 40, 30])
    stream.produce([20], partition=1)
    assert consumer_lags([stream.contract], stream.broker) == {"raw.visits": 4}
    stream.commit_group({0: 2})
    assert consumer_lags([stream.contract], stream.broker) == {"raw.visits": 2}
    stream.commit_group({0: 3, 1: 1})
    assert consumer_lags([stream.contract], stream.broker) == {"raw.visits": 0}


def test_a_group_that_begins_at_the_end_has_no_lag_before_it_has_read(make_stream: Callable[..., Stream]) -> None:
    stream = make_stream(source={"starting_offsets": "latest"})
    stream.produce([50])
    assert consumer_lags([stream.contract], stream.broker) == {}
