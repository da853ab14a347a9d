"""The SQL scripts as they are shipped, on the real cluster, broker and database."""

import json
from collections import Counter

import duckdb
import pytest

from lakehouse.generator.customers import customers
from lakehouse.local.postgres import as_local
from lakehouse.storage.duck import connect
from lakehouse.storage.postgres import attach
from tests.integration.flink.stack import RECOVERY_SECONDS, FlinkStack, order
from tests.waiting import wait_for

ENRICHED = "streaming.orders_enriched"
METRICS, METRICS_TOPIC = "streaming.order_metrics_5min_sql", "orders.metrics.5min.sql"
ALERTS = "streaming.fraud_alerts"
KNOWN, LATE_COMER = customers(1000).to_pylist()[7], "c-late-comer"
PARTITIONS = 4


def rows(flink: FlinkStack, sql: str) -> list[tuple[object, ...]]:
    return connect(flink.catalog).execute(sql).fetchall()


def minute(number: float) -> str:
    return f"2026-01-01T{int(number) // 60:02}:{int(number) % 60:02}:{round(number % 1 * 60):02}Z"


@pytest.fixture(scope="module")
def enriched(flink: FlinkStack) -> FlinkStack:
    """Orders of a customer who is known and of one who comes late, before and after a kill."""
    flink.await_running(ENRICHED)
    topic = flink.topic(ENRICHED)
    flink.send(topic, order(1, customer=KNOWN["customer_id"]), b"no order", order(2, customer=LATE_COMER))
    flink.await_rows(ENRICHED, 2)
    with duckdb.connect() as postgres:
        attach(postgres, as_local(flink.settings), read_only=False)
        columns = "'Late Comer', 'late@example.com', 'CH', 'consumer', true, now(), now()"
        postgres.execute(f"INSERT INTO postgres.public.customers VALUES ('{LATE_COMER}', {columns})")
    flink.send(topic, order(3, customer=LATE_COMER))
    flink.await_rows(ENRICHED, 3)
    flink.kill("flink-taskmanager")
    for number in range(4, 2000):
        flink.send(topic, order(number, customer=KNOWN["customer_id"]), partition=number % PARTITIONS)
    flink.await_rows(ENRICHED, 1999)
    return flink


def test_every_order_is_there_once_over_a_kill(enriched: FlinkStack) -> None:
    counted = (
        f"SELECT count(*), count(DISTINCT order_id), count(DISTINCT (kafka_partition, kafka_offset)) FROM {ENRICHED}"
    )
    assert rows(enriched, counted) == [(1999, 1999, 1999)]


def test_an_order_has_its_customer(enriched: FlinkStack) -> None:
    columns = "customer_known, customer_name, customer_email, customer_country, customer_segment, customer_is_active"
    expected = (True, *(KNOWN[name] for name in ("name", "email", "country", "segment", "is_active")))
    assert rows(enriched, f"SELECT {columns} FROM {ENRICHED} WHERE order_id = 'o-1'") == [expected]


def test_an_order_without_a_customer_stays_and_the_next_one_finds_them(enriched: FlinkStack) -> None:
    found = rows(
        enriched,
        f"SELECT customer_known, customer_name FROM {ENRICHED} WHERE customer_id = '{LATE_COMER}' ORDER BY order_id",
    )
    assert found == [(False, None), (True, "Late Comer")]


def test_no_process_logs_the_password(enriched: FlinkStack) -> None:
    secret = enriched.settings.postgres_password_file.read_text().strip()
    logs = [file for file in enriched.settings.logs_dir.iterdir() if file.name.startswith("flink")]
    assert logs
    assert [file.name for file in logs if secret in file.read_text(errors="replace")] == []


def test_windows_are_in_the_table_and_in_the_upsert_topic(flink: FlinkStack) -> None:
    flink.await_running(METRICS)
    sent = [(0, "placed", 10), (1, "paid", 20), (4.9, "placed", 30), (5, "placed", 40), (9, "paid", 50)]
    values = [order(n, at=minute(at), status=status, amount=cents) for n, (at, status, cents) in enumerate(sent)]
    flink.send(flink.topic(METRICS), *values, order(9, at=minute(16)))
    flink.await_rows(METRICS, 4)
    expected = {("00", "placed"): (2, 40, 20.0, 30), ("00", "paid"): (1, 20, 20.0, 20)}
    expected |= {("05", "placed"): (1, 40, 40.0, 40), ("05", "paid"): (1, 50, 50.0, 50)}
    measures = ("order_count", "total_amount_cents", "average_amount_cents", "max_amount_cents")
    stored = rows(flink, f"SELECT strftime(window_start, '%M'), status, {', '.join(measures)} FROM {METRICS}")
    assert {(start, status): tuple(rest) for start, status, *rest in stored} == expected

    def committed() -> list[dict[str, object]]:
        return [json.loads(message) for message in flink.messages(METRICS_TOPIC, "read_committed")]

    wait_for(lambda: len(committed()) >= 4, f"four windows in {METRICS_TOPIC}", RECOVERY_SECONDS, flink.logs)
    told = committed()
    assert Counter(str(row["window_start"])[14:16] for row in told) == {"00": 2, "05": 2}
    assert {
        (str(row["window_start"])[14:16], row["status"]): tuple(row[m] for m in measures) for row in told
    } == expected


def test_a_replay_of_a_script_equals_its_table_and_tells_the_topic_nothing(flink: FlinkStack) -> None:
    before = Counter(flink.messages(METRICS_TOPIC, "read_uncommitted"))
    told = json.loads(flink.command_line.succeed("replay", METRICS, "--whole", "--json"))
    assert (told["state"], [b["replayed_rows"] for b in told["comparisons"][METRICS]]) == ("equal", [2, 2])
    assert Counter(flink.messages(METRICS_TOPIC, "read_uncommitted")) == before


def test_small_orders_and_then_a_large_one_raise_one_alert(flink: FlinkStack) -> None:
    flink.await_running(ALERTS)
    small = [order(n, customer="c-thief", amount=100, at=minute(n)) for n in range(3)]
    honest = [order(10 + n, customer="c-honest", amount=100, at=minute(n)) for n in range(3)]
    large = order(3, customer="c-thief", amount=150_000, at=minute(4))
    slow = order(13, customer="c-honest", amount=150_000, at=minute(20))
    flink.send(flink.topic(ALERTS), *small, *honest, large, large, slow, order(20, customer="c-clock", at=minute(40)))
    flink.await_rows(ALERTS, 1)
    found = rows(flink, f"SELECT customer_id, order_id, small_orders, small_amount_cents, amount_cents FROM {ALERTS}")
    assert found == [("c-thief", "o-3", 3, 300, 150_000)]
