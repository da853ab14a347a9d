"""Which messages are remembered. Kafka's client is not asked here; `tests/integration/test_freshness.py` does."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from lakehouse.kafka import Kafka
from lakehouse.observability.broker import Broker
from lakehouse.observability.messages import Messages

FIRST, SECOND = UUID(int=1), UUID(int=2)


class Fetched(Messages):
    """Messages of a topic that are fetched from here, and how often."""

    def __init__(self, timestamp: int) -> None:
        super().__init__("nowhere:9092", 1.0)
        self.timestamp, self.fetches = timestamp, 0

    def _fetch(self, topic: str, offsets: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        self.fetches += 1
        return {partition: (offset, self.timestamp) for partition, offset in offsets.items()}


def test_a_message_is_fetched_once() -> None:
    messages = Fetched(1000)
    for _ in range(2):
        messages.known_as("visits", FIRST)
        assert messages.at("visits", {0: 7}) == {0: (7, 1000)}
    assert messages.fetches == 1


def test_a_topic_that_was_made_anew_has_other_messages() -> None:
    messages = Fetched(1000)
    for topic in ("visits", "orders"):
        messages.known_as(topic, FIRST)
        messages.at(topic, {0: 7})
    messages.timestamp = 5000
    messages.known_as("visits", SECOND)
    assert messages.at("visits", {0: 7}) == {0: (7, 5000)}
    assert messages.at("orders", {0: 7}) == {0: (7, 1000)}


class Admin:
    """Answers as KafkaAdminClient 3.0 does for a topic of one partition."""

    def __init__(self, identity: UUID) -> None:
        self.identity = identity

    def list_topics(self) -> list[str]:
        return ["visits"]

    def describe_topics(self, topics: list[str]) -> list[dict[str, object]]:
        return [{"name": name, "topic_id": self.identity, "partitions": [{"partition_index": 0}]} for name in topics]


def test_the_broker_tells_by_its_id_that_a_topic_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, messages = Broker(Kafka("nowhere:9092"), 1.0), Fetched(1000)
    monkeypatch.setattr(broker, "_messages", messages)
    for identity, timestamp in ((FIRST, 1000), (SECOND, 5000)):
        messages.timestamp = timestamp
        monkeypatch.setattr(broker, "_connected", Admin(identity))
        assert broker.partitions(["visits"]) == {"visits": [0]}
        assert broker.messages("visits", {0: 7}) == {0: (7, timestamp)}
