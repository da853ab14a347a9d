"""Order metrics with Flink, on the stack as it is shipped: windows, corrections, late orders, and the topic.

The oracle is what DuckDB makes of the orders that were sent. Seconds are those after START, in event time.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from confluent_kafka import Consumer, TopicPartition

from lakehouse.contracts import find_contract
from lakehouse.observability.broker import Broker
from lakehouse.observability.positions import group_of
from lakehouse.storage.duck import connect
from tests.integration.flink.stack import RECOVERY_SECONDS, FlinkStack, order
from tests.lakehouse_dbt import Lakehouse
from tests.waiting import wait_for

METRICS, LATE, TOPIC = "streaming.order_metrics_5min", "streaming.orders_late", "orders.metrics.5min"
START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = 300
STATUSES = ("placed", "paid", "shipped")
#: Orders go to the first partition; two others fall silent at once, and the last one never has any.
BUSY, SILENT = 0, (1, 2)
#: Behind the window that ends at 600, the watermark being 620: within the allowed lateness, and beyond it.
CORRECTION, TOO_LATE = 590, 310
COLUMNS = (
    "window_start, window_end, status, order_count, total_amount_cents, average_amount_cents, max_amount_cents, "
    "emitted_at"
)
Row = tuple[object, ...]


@dataclass
class Windows:
    """Orders to send in the order of their times, and what was made of them."""

    flink: FlinkStack
    sent: list[tuple[int, str, int]] = field(default_factory=list)
    too_late: list[int] = field(default_factory=list)

    def send(self, *orders: tuple[int, str, int], partition: int = BUSY) -> None:
        """Orders of (second, status, cents)."""
        numbered = enumerate(orders, start=len(self.sent))
        values = [
            order(n, amount=cents, at=at(second).isoformat(), status=status) for n, (second, status, cents) in numbered
        ]
        self.flink.send(self.flink.topic(METRICS), *values, partition=partition)
        self.sent += orders

    def versions(self, start: int) -> int:
        """How many versions of the window that begins at ``start`` the table has."""
        if not self.flink.catalog.exists(METRICS):
            return 0
        sql = f"SELECT count(*) FROM {METRICS} WHERE window_start = ?"
        return int(connect(self.flink.catalog).execute(sql, [at(start)]).fetchall()[0][0])

    def await_versions(self, start: int, count: int, what: str) -> None:
        detail = lambda: f"{self.flink.job(METRICS)}\n{self.flink.logs()}"  # noqa: E731
        wait_for(lambda: self.versions(start) >= count, what, RECOVERY_SECONDS, detail)

    def table(self) -> list[Row]:
        return connect(self.flink.catalog).execute(f"SELECT {COLUMNS} FROM {METRICS}").fetchall()

    def topic(self, isolation: str) -> list[Row]:
        """The messages of the topic, as rows of the table."""
        return [
            tuple(
                _moment(value) if name in ("window_start", "window_end", "emitted_at") else value
                for name, value in ((name, json.loads(message)[name]) for name in COLUMNS.split(", "))
            )
            for message in self.flink.messages(TOPIC, isolation)
        ]

    def expected(self, before: int) -> list[Row]:
        """The newest versions of the windows that end at ``before`` or earlier: without emitted_at, sorted."""
        duck = duckdb.connect()
        counted = [entry for n, entry in enumerate(self.sent) if n not in self.too_late]
        names = ("second", "status", "cents")
        duck.register("orders", pa.table(dict(zip(names, zip(*counted, strict=True), strict=True))))
        rows = duck.execute(
            f"""
            SELECT start, status, count(*), sum(cents)::BIGINT, avg(cents), max(cents)
            FROM (SELECT second // {WINDOW} * {WINDOW} AS start, status, cents FROM orders)
            WHERE start + {WINDOW} <= {before} GROUP BY start, status ORDER BY start, status
            """
        ).fetchall()
        return [(at(start), at(start + WINDOW), *rest) for start, *rest in rows]


@pytest.fixture(scope="module")
def windows(flink: FlinkStack) -> Windows:
    """Windows that close, one that is corrected, an order too late for any, and a kill in between."""
    made = Windows(flink)
    flink.await_running(METRICS)
    # What is read first may hold the others back, but nothing is late yet.
    for partition in SILENT:
        made.send((10, "placed", 100), partition=partition)
    await_read(flink, dict.fromkeys(SILENT, 1))
    chosen = random.Random(5)
    bulk = [(n * 600 // 20_000, chosen.choice(STATUSES), chosen.randrange(1, 100_000)) for n in range(20_000)]
    made.send(*bulk, (650, "placed", 1))
    made.await_versions(0, len(STATUSES), "the first window, though two partitions are silent")
    made.await_versions(WINDOW, len(STATUSES), "the second window")
    made.send((CORRECTION, "paid", 7))
    made.await_versions(WINDOW, len(STATUSES) + 1, "the correction of the second window")
    made.send((900, "placed", 3), (1000, "paid", 4), (1240, "paid", 5))
    new = at(900).isoformat().replace("+00:00", "Z")
    begun = lambda: any(new in message for message in flink.messages(TOPIC, "read_uncommitted"))  # noqa: E731
    wait_for(begun, "a new window", RECOVERY_SECONDS, flink.logs)
    flink.kill("flink-taskmanager")
    # The last checkpoint may hold these orders and not the watermark behind them: only a next order closes the window.
    made.send((1250, "paid", 9))
    made.await_versions(900, 2, "the window that was being written when the TaskManager was killed")
    wait_for(lambda: flink.job(METRICS).restarts > 0, "the job to be restarted", RECOVERY_SECONDS, flink.logs)
    made.send((1540, "shipped", 6))
    made.await_versions(1200, 1, "a window after the kill")
    made.too_late.append(len(made.sent))
    made.send((TOO_LATE, "paid", 1_000_000))
    wait_for(lambda: flink.held(LATE) > 0, f"the late order in {LATE}", RECOVERY_SECONDS, flink.logs)
    made.send((1900, "paid", 8))
    made.await_versions(1500, 1, "the last window")
    return made


def test_the_newest_version_of_each_window_is_what_its_orders_make(windows: Windows) -> None:
    newest = duckdb_newest(windows.flink)
    assert newest == windows.expected(before=1800)
    assert {row[0] for row in newest} == {at(start) for start in (0, 300, 600, 900, 1200, 1500)}


def test_an_order_within_the_allowed_lateness_makes_a_new_version(windows: Windows) -> None:
    sql = f"SELECT order_count FROM {METRICS} WHERE window_start = ? AND status = 'paid' ORDER BY emitted_at"
    counts = [row[0] for row in connect(windows.flink.catalog).execute(sql, [at(WINDOW)]).fetchall()]
    assert counts == [counts[0], counts[0] + 1]


def test_an_order_beyond_it_is_in_the_late_table_and_nowhere_else(windows: Windows) -> None:
    duck = connect(windows.flink.catalog)
    late = duck.execute(f"SELECT event_time, amount_cents, kafka_partition, kafka_offset FROM {LATE}").fetchall()
    assert late == [(at(TOO_LATE), 1_000_000, BUSY, windows.too_late[0] - len(SILENT))]
    assert duck.execute(f"SELECT count(*) FROM {METRICS} WHERE max_amount_cents = 1000000").fetchall() == [(0,)]


def test_the_committed_messages_are_the_rows_of_the_table(windows: Windows) -> None:
    # A transaction that the kill left open hides what follows it until the job has aborted it.
    there = lambda: len(windows.topic("read_committed")) >= len(windows.table())  # noqa: E731
    wait_for(there, f"the rows in {TOPIC}", RECOVERY_SECONDS)
    committed = Counter(windows.topic("read_committed"))
    assert committed == Counter(windows.table())
    assert set(committed.values()) == {1}
    versions = Counter((row[0], row[2], row[3]) for row in committed)
    assert set(versions.values()) == {1}
    assert Counter(windows.topic("read_uncommitted")) >= committed


def test_the_mart_takes_the_newest_versions(windows: Windows) -> None:
    lakehouse = Lakehouse(windows.flink.settings.state_dir, windows.flink.settings.dbt_dir)
    lakehouse.run("--select", "mart_order_metrics")
    columns = "window_start, window_end, status, order_count, total_amount_cents, average_amount_cents"
    rows = lakehouse.rows(f"SELECT {columns} FROM marts.mart_order_metrics ORDER BY ALL")
    assert rows == [row[:-1] for row in windows.expected(before=1800)]


def test_a_replay_of_the_finished_windows_equals_them(windows: Windows) -> None:
    done = windows.flink.command_line.succeed("replay", METRICS, "--whole", "--json")
    told = json.loads(done)
    # The last window is not beyond its allowed lateness.
    finished = windows.expected(before=1500)
    assert (told["state"], told["differing"]) == ("equal", 0)
    assert sum(bucket["live_rows"] for bucket in told["comparisons"][METRICS]) == len(finished)
    assert sum(bucket["replayed_rows"] for bucket in told["comparisons"][METRICS]) == len(finished)
    assert [name for name in windows.flink.catalog.names() if name.startswith("replay.")] == []
    with Broker(windows.flink.settings.kafka, 30) as broker:
        assert [group for group in broker.groups() if "replay" in group] == []


def test_a_row_changed_by_hand_is_told_swapped_beside_the_job_and_taken_back(windows: Windows) -> None:
    flink, job = windows.flink, windows.flink.job(METRICS).job_id
    wrong, right = (at(600), "placed", 99), (at(600), "placed", 1)
    where = f"window_start = '{at(600).isoformat()}' AND status = 'placed'"
    flink.catalog.open(METRICS).update(predicate=where, updates={"order_count": "99"})
    done = flink.command_line.run(
        "replay", METRICS, "--from", at(600).isoformat(), "--to", at(1200).isoformat(), "--json"
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["differing"]) == (1, "differs", 1)
    [bucket] = [bucket for bucket in told["comparisons"][METRICS] if bucket["changed"]]
    assert bucket["bucket"] == f"{at(600):%Y-%m-%d %H:%M:%S}"
    assert wrong in counts(windows)
    flink.command_line.succeed("replay", "swap", told["id"])
    assert right in counts(windows)
    windows.send((2200, "shipped", 9))
    windows.await_versions(1800, 1, "a window behind the swap, of the job that ran on")
    assert flink.job(METRICS).job_id == job
    swapped = counts(windows)
    flink.command_line.succeed("replay", "rollback", told["id"])
    assert counts(windows) == sorted([*(row for row in swapped if row != right), wrong], key=repr)


def counts(windows: Windows) -> list[Row]:
    """Start, status and count of each row."""
    return sorted(((row[0], row[2], row[3]) for row in windows.table()), key=repr)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def duckdb_newest(flink: FlinkStack) -> list[Row]:
    columns = COLUMNS.removesuffix(", emitted_at")
    newest = "QUALIFY row_number() OVER (PARTITION BY window_start, status ORDER BY emitted_at DESC) = 1"
    return connect(flink.catalog).execute(f"SELECT {columns} FROM {METRICS} {newest} ORDER BY ALL").fetchall()


def await_read(flink: FlinkStack, offsets: dict[int, int]) -> None:
    """Returns when the job has read its topic up to ``offsets``, by partition.

    It commits them to its group, by which its freshness is measured.
    """
    topic = flink.topic(METRICS)
    group = group_of(find_contract(flink.settings.contracts_dir, METRICS))
    consumer = Consumer({"bootstrap.servers": flink.settings.kafka_bootstrap_servers, "group.id": group})
    wanted = [TopicPartition(topic, partition) for partition in offsets]
    try:
        wait_for(
            lambda: all(found.offset >= offsets[found.partition] for found in consumer.committed(wanted, timeout=30)),
            f"the job to read {offsets} of {topic}",
            RECOVERY_SECONDS,
            flink.logs,
        )
    finally:
        consumer.close()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
