"""The exporter's own process, beside a real broker and beside a dead one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient

from lakehouse.contracts import load_contracts
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from tests.event_tables import Event, Tables
from tests.groups import commit_offsets
from tests.integration.conftest import Broker
from tests.scraping import scrape
from tests.waiting import wait_for

Metrics = dict[tuple[str, ...], float]


@contextmanager
def exporting(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "lakehouse.observability.exporter"]
    environment = {**os.environ, **settings.as_environment()}
    with (settings.state_dir / "exporter.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)


def log(settings: Settings) -> str:
    return (settings.state_dir / "exporter.log").read_text()


def await_metrics(settings: Settings, complete: Callable[[Metrics], bool]) -> Metrics:
    """The first scrape that is ``complete``."""
    found: Metrics = {}

    def scraped() -> bool:
        found.clear()
        found.update(scrape(settings))
        return complete(found)

    wait_for(scraped, "the metrics", 120, lambda: (log(settings), found))
    return found


@pytest.fixture
def orders(tmp_path: Path, make_settings: Callable[..., Settings]) -> tuple[Settings, Tables]:
    """Settings of a state directory of its own, and the tables of `raw.orders` with one event."""
    settings = make_settings(tmp_path / "state")
    catalog = Catalog.from_settings(settings)
    contract = next(c for c in load_contracts(settings.contracts_dir) if c.table == "raw.orders")
    create_tables(catalog, contract)
    tables = Tables(catalog, contract)
    now_ms = int(time.time() * 1000)
    tables.commit([Event(0, now_ms - 2000)], now_ms)
    return settings, tables


def test_lag_is_told_under_the_names_of_the_usual_exporter(orders: tuple[Settings, Tables], broker: Broker) -> None:
    settings, _ = orders
    settings = settings.model_copy(update={"kafka_bootstrap_servers": broker.bootstrap_servers})
    topic, group = "exported", "exported-group"
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    now_ms = int(time.time() * 1000)
    for number in range(5):
        producer.produce(topic, b"{}", partition=0, timestamp=now_ms - 60_000 + number)
    assert producer.flush(30) == 0
    admin.close()
    commit_offsets(broker.bootstrap_servers, group, topic, {0: 2})
    with exporting(settings):
        lag = ("kafka_consumergroup_lag", group, "0", topic)
        late = ("kafka_consumergroup_lag_seconds", group, "0", topic)
        found = await_metrics(settings, lambda found: {lag, late} <= found.keys())
    assert found[lag] == 3
    assert found["kafka_consumergroup_current_offset", group, "0", topic] == 2
    assert found["kafka_topic_partition_current_offset", "0", topic] == 5
    assert found["kafka_topic_partition_current_offset", "1", topic] == 0
    assert 59 <= found[late] <= 61 + time.time() - now_ms / 1000


def test_a_dead_broker_keeps_no_table_from_being_told_of(orders: tuple[Settings, Tables]) -> None:
    settings, tables = orders
    with exporting(settings) as process:
        down = {("lakehouse_exporter_source_up", source) for source in ("kafka", "freshness", "dagster")}
        rows = ("lakehouse_table_rows", "raw.orders")
        measured = ("lakehouse_table_latency_seconds_count", "raw.orders")
        wait_for(lambda: "source kafka is down" in log(settings), "the broker's absence", 120, lambda: log(settings))
        found = await_metrics(settings, lambda found: found.get(rows) == 1 and found.get(measured) == 1)
        assert {found[name] for name in down} == {0}
        assert not any(name.startswith("kafka_") for name, *_ in found)
        now_ms = int(time.time() * 1000)
        tables.commit([Event(1, now_ms)], now_ms)
        wait_for(lambda: scrape(settings).get(rows) == 2, "the next row", 120, lambda: log(settings))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in log(settings)
