"""`lakehouse add` against a real broker: the contract that it drafts loads, and Spark's parser takes every event."""

import json
import os
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from lakehouse.cli.main import app
from lakehouse.contracts import ColumnType, find_contract
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.stream import OrderGenerator
from lakehouse.sampling.sample import sample_topic
from lakehouse.settings import Settings
from lakehouse_spark.parse import parse_events
from tests.integration.conftest import REPOSITORY, Broker
from tests.topics import create_topic

Send = Callable[..., str]
MESSAGE = "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp"


@pytest.fixture
def send(broker: Broker) -> Send:
    """Sends messages, (key, value), to a new topic of three partitions, and returns its name."""

    def send(messages: Sequence[tuple[bytes | None, bytes | None]]) -> str:
        topic = f"add.{uuid.uuid4().hex[:8]}"
        create_topic(broker.bootstrap_servers, topic, 3)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for key, value in messages:
            producer.produce(topic, value, key)
        assert producer.flush(60) == 0
        return topic

    return send


@pytest.fixture
def add(
    broker: Broker,
    make_settings: Callable[..., Settings],
    contracts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Result]:
    """`lakehouse add` in a project without a contract."""
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    contracts.mkdir(parents=True)
    monkeypatch.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
    monkeypatch.setenv("LAKEHOUSE_CONTRACTS_DIR", str(contracts))
    # Of its own, or the plan would be about whatever stack runs here.
    own = make_settings(tmp_path / "state")
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(own.state_dir))
    monkeypatch.setenv("LAKEHOUSE_FLINK_REST_PORT", str(own.flink_rest_port))
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)

    def add(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, ["add", *arguments], input=typed)

    return add


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    return tmp_path / "streaming" / "contracts"


def orders(count: int, **config: float) -> list[tuple[bytes | None, bytes | None]]:
    """Order events as the generator makes them."""
    return [
        message
        for chunk in OrderGenerator(GeneratorConfig(events=count, seed=7, **config)).chunks()
        for message in zip(chunk.keys, chunk.values, strict=True)
    ]


def test_of_orders_it_drafts_what_the_shipped_contract_says(
    send: Send, add: Callable[..., Result], contracts: Path, spark: SparkSession, broker: Broker
) -> None:
    topic = send(orders(900))
    result = add(topic, "--table", "raw.sampled", "--owner", "team:web", "--freshness", "5 seconds", "--yes")
    assert result.exit_code == 0, result.output
    contract = find_contract(contracts, "raw.sampled")
    types = {column.name: (column.type, column.required) for column in contract.columns}
    assert types["order_id"] == (ColumnType.STRING, True)
    assert types["customer_id"] == (ColumnType.STRING, True)
    assert types["amount_cents"] == (ColumnType.BIGINT, True)
    assert types["event_time"] == (ColumnType.TIMESTAMP, True)
    assert types["status"][0] is ColumnType.STRING
    assert contract.event_time.column == "event_time"
    assert len(contract.keys) == 1
    assert f"wrote {contracts / 'sampled.yaml'}" in result.stdout
    assert "raw.sampled: flink" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("apply")

    sampled = sample_topic(broker.settings, topic, 900, 30).messages
    assert len(sampled) == 900
    rows = [(m.key, m.value, topic, m.partition, m.offset, datetime.now(UTC)) for m in sampled]
    parsed = parse_events(spark.createDataFrame(rows, MESSAGE), contract)
    assert parsed.where("reason IS NOT NULL").collect() == []
    assert parsed.count() == 900


def test_it_shows_the_plan_of_the_new_table_alone_and_then_names_apply(
    send: Send, add: Callable[..., Result], contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Others that are not there yet either; of the second only a Spark, which takes seconds, knows what it would do.
    for file in ("orders.yaml", "order_metrics.yaml"):
        (contracts / file).write_text((REPOSITORY / "streaming" / "contracts" / file).read_text())
    monkeypatch.setattr("lakehouse_spark.plan.plan_queries", lambda _: pytest.fail("asks Spark"))
    result = add(send(orders(50)), "--table", "raw.sampled", "--owner", "team:web", "--yes")
    assert result.exit_code == 0, result.output
    answer, plan = result.stdout.split("\nraw.sampled\n")
    assert "raw.sampled: spark" in answer
    steps = [line for line in plan.splitlines() if line.startswith("  + ")]
    assert [step.split(",")[0] for step in steps] == [
        "  + create table raw.sampled",
        "  + create table raw.sampled_rejected",
    ]
    assert "\nPlan: 2 to create.\n" in plan
    assert "raw.orders" not in plan
    assert [line.split()[-1] for line in plan.splitlines()[-2:]] == ["generate", "apply"]


def test_a_few_broken_messages_do_not_change_what_the_others_say(
    send: Send, add: Callable[..., Result], contracts: Path
) -> None:
    topic = send(orders(3000, malformed=0.01))
    result = add(topic, "--messages", "3000", "--table", "raw.sampled", "--owner", "team:web", "--yes")
    assert result.exit_code == 0, result.output
    contract = find_contract(contracts, "raw.sampled")
    assert contract.column("amount_cents").type is ColumnType.BIGINT
    assert contract.event_time.column == "event_time"
    text = (contracts / "sampled.yaml").read_text()
    assert "of these were no JSON objects: such go to quarantine, raw.sampled_rejected." in text
    assert "of the values are no bigint: their events go to quarantine." in text


def test_it_asks_for_what_it_cannot_see(send: Send, add: Callable[..., Result], contracts: Path) -> None:
    topic = send([(b"k", json.dumps({"id": f"v-{i}", "at": "2026-01-01T10:11:12Z"}).encode()) for i in range(30)])
    result = add(topic, "--table", "raw.visits", typed="soon\n5 seconds\nsomebody\nteam:web\n")
    assert result.exit_code == 0, result.output
    assert "'soon' is not a duration" in result.stderr
    assert "'somebody' is no owner: expected a team, as team:web" in result.stderr
    contract = find_contract(contracts, "raw.visits")
    assert (contract.owner, contract.freshness.total_seconds(), contract.keys) == ("team:web", 5, ("id",))


def test_the_newest_messages_are_read_and_no_more_than_asked_for(send: Send, broker: Broker) -> None:
    topic = send([(str(i % 3).encode(), str(i).encode()) for i in range(600)])
    sampled = sample_topic(broker.settings, topic, 30, 30).messages
    assert 0 < len(sampled) <= 30
    newest = max(int(message.value or b"0") for message in sampled)
    assert newest == 599


def test_a_burst_counts_as_what_it_is_of_ten_minutes(send: Send, broker: Broker) -> None:
    topic = send([(str(i).encode(), b"{}") for i in range(1200)])
    assert sample_topic(broker.settings, topic, 10, 30).events_per_second == pytest.approx(2)


def test_markers_of_transactions_at_the_end_are_not_waited_for(send: Send, broker: Broker) -> None:
    topic = send([(b"k", b"{}")])
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(60)
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(topic, b"{}", b"k")
        assert producer.flush(60) == 0
        end(60)
    began = time.monotonic()
    assert len(sample_topic(broker.settings, topic, 100, 300).messages) == 2
    assert time.monotonic() - began < 150


def test_an_unknown_topic_is_told_with_those_there_are(send: Send, add: Callable[..., Result]) -> None:
    topic = send([(None, b"{}")])
    result = add(f"{topic}x", "--owner", "team:web", "--yes")
    assert result.exit_code == 1
    assert f"no topic '{topic}x'" in result.stderr
    assert f"Did you mean '{topic}'?" in result.stderr


def test_an_empty_topic_is_told(send: Send, add: Callable[..., Result]) -> None:
    result = add(send([]), "--owner", "team:web", "--yes")
    assert result.exit_code == 1
    assert "holds no message to look at" in result.stderr


def test_messages_that_are_no_json_are_told_with_the_first_of_them(
    send: Send, add: Callable[..., Result], contracts: Path
) -> None:
    result = add(send([(None, b"\x00\x00\x00\x00\x07\xc3(")] * 5), "--owner", "team:web", "--yes")
    assert result.exit_code == 1
    assert "5 of 5 messages of" in result.stderr
    assert "no UTF-8: Avro or Protobuf with a schema registry, by its first byte" in result.stderr
    assert list(contracts.iterdir()) == []


def test_a_contract_that_exists_is_not_overwritten(send: Send, add: Callable[..., Result], contracts: Path) -> None:
    (contracts / "visits.yaml").write_text("mine")
    result = add("any", "--table", "raw.visits", "--owner", "team:web", "--yes")
    assert result.exit_code == 1
    assert "visits.yaml exists, and is not overwritten" in result.stderr
    assert (contracts / "visits.yaml").read_text() == "mine"


def test_a_broker_that_does_not_answer_is_told(add: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = add("any", "--owner", "team:web", "--yes")
    assert result.exit_code == 1
    assert "no answer from the broker at 127.0.0.1:1" in result.stderr
