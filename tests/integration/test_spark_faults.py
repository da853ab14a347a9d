"""The application killed with SIGKILL at each moment of a batch; and DuckDB's account of the same windows.

The oracle of `raw.orders` is the generator's record of what the broker confirmed; that of `streaming.order_metrics` is
`raw.orders` itself, summed up by another engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from lakehouse.contracts import load_contracts
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.identity import CHECKSUM_SQL
from lakehouse.generator.manifest import Manifest
from lakehouse.generator.producer import produce
from lakehouse.local.kafka import ensure_topics
from lakehouse.settings import Settings
from lakehouse.storage import Catalog
from lakehouse.storage.duck import connect
from tests.integration.conftest import REPOSITORY, Broker
from tests.integration.spark_job import SparkJob
from tests.waiting import wait_for

EVENTS, BATCH = 24_000, 1_000
SMALL = f"max_offsets_per_trigger: {BATCH}\n  catch_up_offsets_per_trigger: {BATCH}"
#: Every moment of a batch of ingestion, every moment of a query that merges, which has no second table, and for those
#: that append and replace, the one after which Spark repeats what is in the table already.
FAULTS = (
    "before-commit:raw.orders:2",
    "between-commits:raw.orders:2",
    "after-commit:raw.orders:2",
    "before-commit:streaming.order_metrics:2",
    "after-commit:streaming.order_metrics:2",
    "after-commit:streaming.orders_deduplicated:2",
    "after-commit:streaming.order_statuses:2",
)
#: Of a new generation, which writes beside the table: before its rows are swapped in, and when they have been.
TAKEOVER_FAULTS = ("between-commits:streaming.order_metrics:1", "after-commit:streaming.order_metrics:1")
WINDOWS = """
    SELECT time_bucket(INTERVAL '1 minute', event_time) - to_minutes(back::INT) AS window_start,
           coalesce(status, 'unknown') AS status, count(*) AS order_count,
           sum(amount_cents)::BIGINT AS total_amount_cents
    FROM raw.orders, range(5) AS earlier(back) GROUP BY ALL
"""
MODES = ("order_metrics", "orders_deduplicated", "order_statuses")
DISTINCT = "SELECT DISTINCT order_id, event_time FROM raw.orders"
STATUSES = "SELECT status, max(event_time) AS newest, count(*) AS orders FROM raw.orders GROUP BY ALL"
METRICS = "SELECT window_start, status, order_count, total_amount_cents FROM streaming.order_metrics"


ORDER_STATUSES = f"""
table: streaming.order_statuses
description: The newest order of each status, and how many there are
owner: team:data-platform
freshness: 1 minute
source:
  topic: faults.orders
  columns_of: raw.orders
  {SMALL}
transform:
  function: tests.integration.spark_functions:by_status
  mode: complete
  max_rows: 20
  trigger: 1 second
columns:
  - {{name: status, type: string}}
  - {{name: newest, type: timestamp, required: true}}
  - {{name: orders, type: bigint, required: true}}
event_time:
  column: newest
on_invalid: drop
retention: 1 day
"""


@dataclass
class Killed:
    """What the application left behind, and what was sent."""

    settings: Settings
    manifest: Manifest
    kills: int

    def connect(self) -> DuckDBPyConnection:
        return connect(Catalog.from_settings(self.settings))


def contracts(directory: Path) -> None:
    """One contract a mode, over a topic of their own, in small and quick batches: there are many to interrupt."""
    directory.mkdir()
    changes = {
        "topic: orders.events": "topic: faults.orders",
        "freshness: 1 minute": "freshness: 30 seconds",
        "max_offsets_per_trigger: 100000": SMALL,
        "columns_of: raw.orders": f"columns_of: raw.orders\n  {SMALL}",
        "trigger: 30 seconds": "trigger: 1 second",
        "mode: append": "mode: append\n  trigger: 1 second",
    }
    (directory / "order_statuses.yaml").write_text(ORDER_STATUSES)
    for name in ("orders.yaml", "order_metrics.yaml", "orders_deduplicated.yaml"):
        text = (REPOSITORY / "streaming" / "contracts" / name).read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        (directory / name).write_text(text)


@pytest.fixture(scope="module")
def killed(broker: Broker, make_state: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Killed:
    directory = tmp_path_factory.mktemp("faults")
    contracts(directory / "contracts")
    settings = make_state(
        directory / "state", contracts_dir=directory / "contracts", kafka_bootstrap_servers=broker.bootstrap_servers
    )
    ensure_topics(settings, load_contracts(settings.contracts_dir))
    # All within the watermark: how partitions are read among one another must not decide what counts.
    config = GeneratorConfig(
        events=EVENTS, duplicates=0.03, malformed=0.02, seed=3, topic="faults.orders", span=timedelta(minutes=8)
    )
    manifest = produce(settings, config, manifest_path=settings.state_dir / "manifest.json")
    kills = sum(is_killed(settings, fault) for fault in FAULTS)
    # The rest in large batches: what a batch may hold is a change that every checkpoint follows.
    for file in settings.contracts_dir.iterdir():
        file.write_text(file.read_text().replace(SMALL, "max_offsets_per_trigger: 100000"))
    run_until(settings, lambda: complete(settings, manifest))
    return Killed(settings, manifest, kills)


def is_killed(settings: Settings, fault: str) -> bool:
    """Runs the application until it is killed by ``fault``."""
    job = SparkJob(settings.model_copy(update={"spark_fault": fault}))
    try:
        job.start()
        wait_for(lambda: not job.running(), f"the fault {fault}", 600, job.tail)
    finally:
        job.clean_up()
    return job.killed


def run_until(settings: Settings, done: Callable[[], bool]) -> None:
    """Runs the application until ``done``, and stops it in good order."""
    job = SparkJob(settings)
    try:
        job.start()
        wait_for(lambda: done() or not job.running(), "all rows", 600, job.tail)
        assert job.running(), job.tail()
        assert job.terminate(90) == 0
    finally:
        job.clean_up()


def complete(settings: Settings, manifest: Manifest) -> bool:
    """Whether all queries have read everything: each event counts in five windows."""
    catalog = Catalog.from_settings(settings)
    tables = ("raw.orders_rejected", *(f"streaming.{name}" for name in MODES))
    if not all(map(catalog.exists, tables)):
        return False
    duck = connect(catalog)
    (rows,) = duck.execute(
        "SELECT (SELECT count(*) FROM raw.orders) + (SELECT count(*) FROM raw.orders_rejected)"
    ).fetchall()[0]
    (counted,) = duck.execute("SELECT coalesce(sum(order_count), 0) FROM streaming.order_metrics").fetchall()[0]
    (orders,) = duck.execute("SELECT coalesce(sum(orders), 0) FROM streaming.order_statuses").fetchall()[0]
    (distinct,) = duck.execute(f"SELECT count(*) FROM ({DISTINCT})").fetchall()[0]
    (kept,) = duck.execute("SELECT count(*) FROM streaming.orders_deduplicated").fetchall()[0]
    valid = manifest.counts.valid
    return bool(rows >= EVENTS and counted >= 5 * valid and orders >= valid and kept >= distinct)


def test_every_fault_came(killed: Killed) -> None:
    assert killed.kills == len(FAULTS)


def test_every_event_is_in_its_table_once(killed: Killed) -> None:
    duck = killed.connect()
    rows, checksum = duck.execute(f"SELECT count(*), {CHECKSUM_SQL} FROM raw.orders").fetchall()[0]
    assert (rows, checksum) == (killed.manifest.counts.valid, killed.manifest.checksum)
    rejected = duck.execute("SELECT count(*) FROM raw.orders_rejected").fetchall()
    assert rejected == [(killed.manifest.counts.malformed,)]


def test_the_windows_equal_those_that_duckdb_computes_of_the_same_events(killed: Killed) -> None:
    duck = killed.connect()
    assert duck.execute(f"({WINDOWS}) EXCEPT ALL ({METRICS})").fetchall() == []
    assert duck.execute(f"({METRICS}) EXCEPT ALL ({WINDOWS})").fetchall() == []
    assert duck.execute(f"SELECT count(*) > 50 FROM ({METRICS})").fetchall() == [(True,)]


def test_what_is_appended_is_there_once(killed: Killed) -> None:
    duck = killed.connect()
    rows = "SELECT order_id, event_time FROM streaming.orders_deduplicated"
    assert duck.execute(f"({DISTINCT}) EXCEPT ALL ({rows})").fetchall() == []
    assert duck.execute(f"({rows}) EXCEPT ALL ({DISTINCT})").fetchall() == []


def test_a_complete_result_counts_every_event_once(killed: Killed) -> None:
    duck = killed.connect()
    rows = "SELECT status, newest, orders FROM streaming.order_statuses"
    assert duck.execute(f"({STATUSES}) EXCEPT ALL ({rows})").fetchall() == []
    assert duck.execute(f"({rows}) EXCEPT ALL ({STATUSES})").fetchall() == []


def test_a_generation_killed_before_and_behind_its_swap_has_every_window_once(killed: Killed) -> None:
    file = killed.settings.contracts_dir / "order_metrics.yaml"
    file.write_text(file.read_text().replace("mode: update", "mode: update\n  generation: 2"))
    commits = Path(killed.settings.checkpoint_root) / "streaming.order_metrics.g2" / "commits"
    before, behind = TAKEOVER_FAULTS
    assert is_killed(killed.settings, before)
    # Its rows are beside the table, which has the old ones.
    assert (commits.parent / "rows" / "_delta_log").exists()
    table = Catalog.from_settings(killed.settings).open("streaming.order_metrics")
    assert {entry["operation"] for entry in table.history()} <= {"CREATE TABLE", "MERGE"}
    assert is_killed(killed.settings, behind)
    table.update_incremental()
    assert table.history()[0]["operation"] == "WRITE"
    assert not any(commits.glob("[0-9]*"))
    run_until(killed.settings, lambda: any(commits.glob("[0-9]*")))
    test_the_windows_equal_those_that_duckdb_computes_of_the_same_events(killed)
