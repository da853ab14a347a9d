"""Delivery to a real broker: what is in the topic is what the manifest says."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Consumer, TopicPartition

from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.manifest import Manifest, events_path
from lakehouse.generator.producer import produce
from lakehouse.generator.stream import OrderGenerator
from lakehouse.settings import load_settings
from tests.topics import create_topic
from tests.waiting import wait_for

PARTITIONS = 3
RUN_COMMAND = "import typer; from lakehouse.cli.produce import produce; typer.run(produce)"


class Broker(Protocol):
    bootstrap_servers: str


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"generator-{uuid.uuid4().hex[:8]}"
    create_topic(broker.bootstrap_servers, name, PARTITIONS)
    return name


def consumer_of(broker: Broker) -> Consumer:
    return Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": uuid.uuid4().hex})


def ends_of(consumer: Consumer, topic: str) -> dict[int, int]:
    """The end offset of each partition."""
    return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in range(PARTITIONS)}


def consume(broker: Broker, topic: str) -> list[Any]:
    """Every message of the topic, partition by partition."""
    consumer = consumer_of(broker)
    ends = ends_of(consumer, topic)
    consumer.assign([TopicPartition(topic, p, 0) for p in ends])
    found: list[Any] = []
    deadline = time.monotonic() + 60
    while len(found) < sum(ends.values()) and time.monotonic() < deadline:
        found += consumer.consume(10_000, timeout=1)
    consumer.close()
    assert [m.error() for m in found if m.error()] == []
    return found


def test_the_topic_holds_exactly_what_the_manifest_says(broker: Broker, topic: str, tmp_path: Path) -> None:
    config = GeneratorConfig(events=20_000, late=0.05, duplicates=0.05, malformed=0.05, seed=5, topic=topic)
    settings = load_settings({"kafka_bootstrap_servers": broker.bootstrap_servers})
    path = tmp_path / "manifest.json"
    before = time.time() * 1000

    manifest = produce(settings, config, manifest_path=path, with_events=True)

    found = consume(broker, topic)
    wanted = [pair for c in OrderGenerator(config).chunks() for pair in zip(c.keys, c.values, strict=True)]
    assert Counter((m.key(), m.value()) for m in found) == Counter(wanted)
    assert manifest == Manifest.read(path)
    assert manifest.complete
    assert manifest.counts.sent == 20_000
    assert sum(part.delivered for part in manifest.partitions.values()) == 20_000
    for number, part in manifest.partitions.items():
        offsets = [m.offset() for m in found if m.partition() == number]
        assert (part.delivered, part.first_offset, part.last_offset) == (len(offsets), min(offsets), max(offsets))
    assert all(before - 1 <= m.timestamp()[1] <= time.time() * 1000 + 1 for m in found)
    assert pq.read_metadata(events_path(path)).num_rows == 20_000


def test_events_of_an_order_stay_in_sending_order(broker: Broker, topic: str, tmp_path: Path) -> None:
    config = GeneratorConfig(events=10_000, seed=6, topic=topic)
    settings = load_settings({"kafka_bootstrap_servers": broker.bootstrap_servers})
    produce(settings, config, manifest_path=tmp_path / "m.json")

    arrived: dict[bytes, list[bytes]] = {}
    for message in consume(broker, topic):
        arrived.setdefault(message.key(), []).append(message.value())
    sent: dict[bytes, list[bytes | None]] = {}
    for chunk in OrderGenerator(config).chunks():
        for key, value in zip(chunk.keys, chunk.values, strict=True):
            sent.setdefault(key, []).append(value)
    assert arrived == sent


def test_sigterm_flushes_and_writes_the_manifest_of_what_was_delivered(
    broker: Broker, topic: str, tmp_path: Path
) -> None:
    path = tmp_path / "manifest.json"
    arguments = ["--rate", "2000", "--topic", topic, "--manifest", str(path)]
    environment = os.environ | {"LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers}
    process = subprocess.Popen([sys.executable, "-c", RUN_COMMAND, *arguments], env=environment)
    consumer = consumer_of(broker)
    try:
        wait_for(
            lambda: process.poll() is not None or sum(ends_of(consumer, topic).values()) > 0,
            "the first messages of the generator",
            300,
        )
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        consumer.close()
        process.kill()
        process.wait()

    manifest = Manifest.read(path)
    assert not manifest.complete
    assert manifest.counts.failed == 0
    assert manifest.counts.sent == len(consume(broker, topic)) > 0
    assert manifest.newest_event_time is not None
    assert manifest.started_at < manifest.finished_at
    assert manifest.newest_event_time <= datetime.now(manifest.newest_event_time.tzinfo)
