"""The whole slice: Kafka with TLS and SASL → Spark → Delta → Dagster → dbt → Delta, the Spark job killed on the way.

The oracle is the generator's own record of what the broker confirmed.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection
from pydantic import SecretStr

from lakehouse.contracts import find_contract
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.identity import CHECKSUM_SQL
from lakehouse.generator.manifest import Manifest
from lakehouse.generator.producer import produce
from lakehouse.local.customers import ensure_customers
from lakehouse.local.kafka import ensure_topics
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, table_stats
from lakehouse.storage.duck import connect
from lakehouse.storage.postgres import password
from tests.integration.conftest import REPOSITORY, SASL, Broker
from tests.integration.spark_job import SparkJob
from tests.waiting import wait_for

EVENTS = 50_000
CONTRACT = (REPOSITORY / "streaming" / "contracts" / "orders.yaml").read_text()


@dataclass
class Ingested:
    """What the job left behind, and what it should have."""

    settings: Settings
    manifest: Manifest
    events: Path
    exit_code: int
    held_at_kills: list[int]
    log: str

    def connect(self) -> DuckDBPyConnection:
        return connect(Catalog.from_settings(self.settings))


@pytest.fixture(scope="module")
def settings(
    secured_broker: Broker, make_state: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    directory = tmp_path_factory.mktemp("slice")
    contracts = directory / "contracts"
    contracts.mkdir()
    # A topic of its own, and small and quick batches, so that the kills find many batches to interrupt.
    text = (
        CONTRACT.replace("topic: orders.events", "topic: slice.orders")
        .replace("freshness: 1 minute", "freshness: 6 seconds")
        .replace("engine: auto", "engine: spark")
        .replace(
            "max_offsets_per_trigger: 100000", "max_offsets_per_trigger: 4000\n  catch_up_offsets_per_trigger: 4000"
        )
    )
    (contracts / "orders.yaml").write_text(text)
    return make_state(
        directory / "state",
        contracts_dir=contracts,
        kafka_bootstrap_servers=secured_broker.bootstrap_servers,
        kafka_ssl_ca=str(secured_broker.settings.kafka_local_ca),
        **SASL,
    )


@pytest.fixture(scope="module")
def ingested(settings: Settings) -> Ingested:
    """50,000 events with late, duplicate and malformed ones, through a job that was killed twice."""
    contract = find_contract(settings.contracts_dir, "raw.orders")
    ensure_topics(settings, [contract])
    config = GeneratorConfig(
        events=EVENTS, late=0.05, duplicates=0.03, malformed=0.02, seed=7, topic=contract.source.topic
    )
    path = settings.state_dir / "manifest.json"
    manifest = produce(settings, config, manifest_path=path, with_events=True)
    job = SparkJob(settings)
    held_at_kills: list[int] = []
    try:
        job.start()
        for reached, kill in ((0.2, job.kill_driver), (0.5, job.kill_everything)):
            wait_for(lambda: held(settings) > reached * EVENTS, f"{reached:.0%} of the rows", 400, job.tail)  # noqa: B023
            kill()
            held_at_kills.append(held(settings))
            job.start()
        wait_for(lambda: held(settings) >= EVENTS or not job.running(), "all rows", 400, job.tail)
        exit_code = job.terminate(90)
    finally:
        job.clean_up()
    events = path.parent / str(manifest.events_file)
    return Ingested(settings, manifest, events, exit_code, held_at_kills, job.log.read_text(errors="replace"))


def held(settings: Settings) -> int:
    """Rows of the table and of its quarantine."""
    catalog = Catalog.from_settings(settings)
    names = [name for name in ("raw.orders", "raw.orders_rejected") if catalog.exists(name)]
    return sum(table_stats(catalog, name).rows for name in names)


def test_the_kills_found_the_job_at_work(ingested: Ingested) -> None:
    first, second = ingested.held_at_kills
    assert 0 < first < second < EVENTS
    assert ingested.log.count("reading slice.orders") == 3


def test_every_valid_event_is_in_the_table_once(ingested: Ingested) -> None:
    duck = ingested.connect()
    rows, checksum = duck.execute(f"SELECT count(*), {CHECKSUM_SQL} FROM raw.orders").fetchall()[0]
    assert rows == ingested.manifest.counts.valid
    assert checksum == ingested.manifest.checksum


def test_the_table_equals_what_was_sent_row_for_row(ingested: Ingested) -> None:
    duck = ingested.connect()
    columns = "order_id, customer_id, amount_cents, status, event_time, currency, created_at"
    sent = f"SELECT {columns} FROM read_parquet('{ingested.events}') WHERE valid"
    stored = f"SELECT {columns} FROM raw.orders"
    missing = duck.execute(f"({sent}) EXCEPT ALL ({stored})").fetchall()
    surplus = duck.execute(f"({stored}) EXCEPT ALL ({sent})").fetchall()
    assert (missing, surplus) == ([], [])


def test_every_malformed_event_is_in_quarantine_once_untouched_with_its_reason(ingested: Ingested) -> None:
    duck = ingested.connect()
    sent = f"SELECT key, value FROM read_parquet('{ingested.events}') WHERE NOT valid"
    stored = "SELECT raw_key, raw_value FROM raw.orders_rejected"
    assert ingested.manifest.counts.malformed > 0
    assert duck.execute(f"({sent}) EXCEPT ALL ({stored})").fetchall() == []
    assert duck.execute(f"({stored}) EXCEPT ALL ({sent})").fetchall() == []
    assert duck.execute(
        "SELECT count(*) FROM raw.orders_rejected WHERE NOT reason SIMILAR TO '[a-z0-9_]+: .+'"
    ).fetchall() == [(0,)]


def test_the_tables_hold_every_offset_exactly_once(ingested: Ingested) -> None:
    duck = ingested.connect()
    offsets = duck.execute(
        """
        SELECT kafka_partition, count(*), count(DISTINCT kafka_offset), min(kafka_offset), max(kafka_offset)
        FROM (SELECT kafka_partition, kafka_offset FROM raw.orders
              UNION ALL SELECT kafka_partition, kafka_offset FROM raw.orders_rejected)
        GROUP BY kafka_partition ORDER BY kafka_partition
        """
    ).fetchall()
    expected = [
        (partition, taken.delivered, taken.delivered, taken.first_offset, taken.last_offset)
        for partition, taken in sorted(ingested.manifest.partitions.items())
    ]
    assert offsets == expected


def test_sigterm_ends_the_job_between_two_batches_without_an_error(ingested: Ingested) -> None:
    assert ingested.exit_code == 0
    assert "raw.orders: stopped between batches" in ingested.log


@pytest.fixture(scope="module")
def materialized(ingested: Ingested, postgres: Settings) -> Ingested:
    """The dbt models, built by Dagster from the command line."""
    ensure_customers(postgres)
    database = {"postgres_port": postgres.postgres_port, "postgres_password": SecretStr(password(postgres))}
    settings = ingested.settings.model_copy(update=database)
    home = settings.state_dir / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    command = ["job", "execute", "-m", "lakehouse.definitions", "-j", "dbt_incremental"]
    result = subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), *command],
        env={**os.environ, **settings.as_environment(), "DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
    return replace(ingested, settings=settings)


def test_dagster_builds_one_row_an_order(materialized: Ingested) -> None:
    duck = materialized.connect()
    sent = f"SELECT DISTINCT order_id FROM read_parquet('{materialized.events}') WHERE valid"
    stored = "SELECT order_id FROM marts.fct_orders_daily"
    assert duck.execute(f"({sent}) EXCEPT ALL ({stored})").fetchall() == []
    assert duck.execute(f"({stored}) EXCEPT ALL ({sent})").fetchall() == []


def test_an_order_has_the_status_of_its_newest_event(materialized: Ingested) -> None:
    duck = materialized.connect()
    newest = f"""
        SELECT order_id, any_value(status) AS status FROM (
            SELECT order_id, status FROM read_parquet('{materialized.events}') WHERE valid
            QUALIFY rank() OVER (PARTITION BY order_id ORDER BY event_time DESC) = 1)
        GROUP BY order_id HAVING count(DISTINCT status) = 1
    """
    differing = duck.execute(
        f"SELECT * FROM ({newest}) AS sent JOIN marts.fct_orders_daily AS fct USING (order_id) "
        "WHERE sent.status IS DISTINCT FROM fct.status"
    ).fetchall()
    assert differing == []
    counted = duck.execute(f"SELECT count(*) FROM ({newest})").fetchall()[0][0]
    assert counted > 0.9 * duck.execute("SELECT count(*) FROM marts.fct_orders_daily").fetchall()[0][0]


def test_a_second_run_on_an_unchanged_source_commits_nothing(materialized: Ingested) -> None:
    catalog = Catalog.from_settings(materialized.settings)
    names = ("staging.stg_orders", "marts.fct_orders_daily", "marts.dim_customers")
    before = [catalog.open(name).version() for name in names]
    dbt = [
        str(Path(sys.executable).with_name("dbt")),
        "--quiet",
        "run",
        "--project-dir",
        "dbt",
        "--profiles-dir",
        "dbt",
    ]
    environment = {**os.environ, **materialized.settings.as_environment()}
    target = [
        "--target-path",
        str(materialized.settings.state_dir / "dbt-again"),
        "--log-path",
        str(materialized.settings.logs_dir),
    ]
    subprocess.run([*dbt, *target], env=environment, cwd=REPOSITORY, check=True, timeout=800)
    assert [catalog.open(name).version() for name in names] == before


def test_no_log_and_no_table_holds_the_password_of_kafka(materialized: Ingested) -> None:
    written = [file for file in materialized.settings.state_dir.rglob("*") if file.is_file()]
    assert {"spark.log", "00000000000000000000.json"} <= {file.name for file in written}
    secret = SASL["kafka_sasl_password"].encode()
    assert [file for file in written if secret in file.read_bytes()] == []
