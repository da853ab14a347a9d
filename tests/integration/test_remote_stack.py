"""The stack as in production: tables, checkpoints and savepoints on S3, and Kafka with TLS and SASL.

For S3 that takes LAKEHOUSE_ROOT, and AWS_* in the environment.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

from lakehouse.contracts import find_contract
from lakehouse.flink.restore import newest_complete
from lakehouse.flink.spec import checkpoints
from lakehouse.maintenance.run import Maintenance
from lakehouse.storage.catalog import object_store
from lakehouse.storage.duck import connect
from tests.integration.command_line import project, stop
from tests.integration.conftest import SASL
from tests.integration.flink.stack import FlinkStack, order
from tests.integration.secrets import found_in
from tests.integration.spark_appends import PARTITION as SPARKS_PARTITION
from tests.integration.spark_appends import appending
from tests.waiting import wait_for

PARTS = "kafka,postgres,spark,flink-jobmanager,flink-taskmanager,flink-jobs"
ORDERS, METRICS, SHARED = "raw.orders", "streaming.order_metrics_5min", "raw.shared"
TOPIC = "orders.events"
DELTA_RS_PARTITION = 200
COMMITS = 6
SECONDS = 420


@pytest.fixture(scope="module")
def stack(s3_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkStack]:
    """Kafka, Spark with one table and Flink with two."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in s3_environment.items():
            environment.setenv(name, value)
        directory = tmp_path_factory.mktemp("s3-stack")
        remote = {"root": f"s3://lake/{directory.name}", "checkpoint_root": ""}
        stack = FlinkStack(project(directory, flink_metrics_ports="0", **remote, **SASL))
        for file in stack.settings.contracts_dir.glob("*.yaml"):
            file.unlink()
        stack.declare(ORDERS, engine="spark", freshness="6 seconds")
        stack.declare(SHARED, freshness="5 seconds", topic="shared.events", maintenance={"small_files": 2})
        waits = {"watermark": "30 seconds", "idleness": "2 seconds", "allowed_lateness": "1 minute"}
        stack.declare(METRICS, shipped="order_metrics_5min", event_time={"column": "window_end", **waits})
        try:
            stack.command_line.succeed("up", "--detach", "--only", PARTS)
            yield stack
        finally:
            stop(stack.command_line)


def offsets(stack: FlinkStack, table: str) -> list[tuple[int, int]]:
    sql = f"SELECT kafka_partition, kafka_offset FROM {table} ORDER BY ALL"
    return connect(stack.catalog).execute(sql).fetchall()


def windows(stack: FlinkStack) -> list[tuple[int, int]]:
    """Number of orders, and their cents, of each window: its newest version."""
    if not stack.catalog.exists(METRICS):
        return []
    sql = f"""
        SELECT order_count, total_amount_cents FROM {METRICS}
        QUALIFY row_number() OVER (PARTITION BY window_start, status ORDER BY emitted_at DESC) = 1 ORDER BY window_start
    """
    return connect(stack.catalog).execute(sql).fetchall()


def await_windows(stack: FlinkStack, expected: list[tuple[int, int]]) -> None:
    detail = lambda: f"there is {windows(stack)}\n{stack.logs()}"  # noqa: E731
    wait_for(lambda: windows(stack) == expected, f"the windows {expected}", SECONDS, detail)


def test_both_engines_fill_their_tables(stack: FlinkStack) -> None:
    values = [order(number, at=f"2026-01-01T00:00:{number % 60:02}Z") for number in range(300)]
    stack.send(TOPIC, *values, b"not an order", order(300, at="2026-01-01T00:06:00Z"))
    stack.await_rows(ORDERS, 302)
    assert offsets(stack, ORDERS) == [(0, number) for number in (*range(300), 301)]
    await_windows(stack, [(300, 1500)])
    assert stack.settings.checkpoint_root == f"{stack.catalog.root.replace('s3:', 's3a:')}/_checkpoints"
    options = stack.catalog.storage_options
    spark = object_store(f"{stack.catalog.root}/_checkpoints/{ORDERS}", options)
    assert any(meta["path"].startswith("commits/") for batch in obstore.list(spark) for meta in batch)
    assert newest_complete(checkpoints(stack.settings, METRICS), options) is not None


def test_killed_engines_go_on_from_s3_and_write_nothing_twice(stack: FlinkStack) -> None:
    before = stack.job(METRICS).job_id
    stack.kill("spark", "flink-jobmanager", "flink-taskmanager")
    stack.send(TOPIC, *(order(number, at="2026-01-01T00:06:30Z") for number in range(301, 400)))
    stack.send(TOPIC, order(400, at="2026-01-01T00:12:00Z"))
    stack.await_rows(ORDERS, 402)
    assert offsets(stack, ORDERS) == [(0, number) for number in (*range(300), *range(301, 402))]
    # Of its own state: the first order of the second window was read before the kill.
    await_windows(stack, [(300, 1500), (100, 500)])
    stack.await_running(METRICS, other_than=before)


def test_a_job_goes_on_from_a_savepoint_on_s3(stack: FlinkStack) -> None:
    told = stack.command_line.succeed("jobs", "stop", METRICS)
    assert f"{checkpoints(stack.settings, METRICS)}/savepoints/" in told
    stack.command_line.succeed("jobs", "start", METRICS)
    stack.send(TOPIC, order(401, at="2026-01-01T00:18:00Z"))
    await_windows(stack, [(300, 1500), (100, 500), (1, 5)])


def test_spark_flink_and_delta_rs_commit_to_one_table_while_it_is_compacted(stack: FlinkStack, tmp_path: Path) -> None:
    sent, stopping, committed = [50], threading.Event(), []
    stack.send("shared.events", *map(order, range(50)))
    stack.await_rows(SHARED, 50)

    def produce() -> None:
        while not stopping.wait(0.2):
            stack.send("shared.events", *map(order, range(sent[0], sent[0] + 20)))
            sent[0] += 20

    def append() -> None:
        row = stack.catalog.open(SHARED).to_pyarrow_dataset().head(1).to_pylist()[0]
        schema = pa.schema(stack.catalog.open(SHARED).schema().to_arrow())
        while not stopping.wait(0.2):
            told = {**row, "kafka_partition": DELTA_RS_PARTITION, "kafka_offset": len(committed)}
            write_deltalake(
                stack.catalog.uri(SHARED),
                pa.Table.from_pylist([told], schema=schema),
                mode="append",
                storage_options=dict(stack.catalog.storage_options),
                commit_properties=CommitProperties(max_commit_retries=100),
            )
            committed.append(len(committed))

    contract = find_contract(stack.settings.contracts_dir, SHARED)
    with ThreadPoolExecutor(2) as pool, appending(SHARED, COMMITS, stack.command_line.environment, tmp_path) as spark:
        working = [pool.submit(produce), pool.submit(append)]
        try:
            while spark.poll() is None:
                Maintenance(stack.settings, [contract]).maintain(SHARED, dry_run=False)
                assert not any(work.done() for work in working), [work.exception() for work in working if work.done()]
        finally:
            stopping.set()
        for work in working:
            work.result(SECONDS)
    stack.await_rows(SHARED, sent[0] + len(committed) + COMMITS)
    assert offsets(stack, SHARED) == [
        *((0, number) for number in range(sent[0])),
        *((SPARKS_PARTITION, number) for number in range(COMMITS)),
        *((DELTA_RS_PARTITION, number) for number in committed),
    ]
    history = [
        f"{entry['operation']} {entry['engineInfo']}" for entry in reversed(stack.catalog.open(SHARED).history())
    ]
    of_spark = [number for number, entry in enumerate(history) if "Apache-Spark" in entry]
    beside = history[of_spark[0] : of_spark[-1]]
    for commit in ("OPTIMIZE", "WRITE delta-rs", "lakehouse-flink-delta-sink"):
        assert any(commit in entry for entry in beside), history


def test_dagster_builds_models_of_the_table_of_spark(stack: FlinkStack) -> None:
    home = stack.settings.state_dir / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    stack.send(TOPIC, order(1, amount=7, at="2026-01-01T00:20:00Z"), order(402, at="2026-01-01T00:20:00Z"))
    stack.await_rows(ORDERS, 405)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "job",
        "execute",
        "-m",
        "lakehouse.definitions",
        "-j",
        "dbt_incremental",
    ]
    done = subprocess.run(
        command,
        cwd=stack.settings.home,
        env={**stack.command_line.environment, "DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    (home / "run.log").write_text(done.stdout + done.stderr)
    sql = "SELECT count(*), sum(amount_usd_cents) FROM marts.fct_orders_daily"
    assert connect(stack.catalog).execute(sql).fetchall() == [(403, 2017)]


def test_every_table_is_maintained_and_its_freshness_is_told(stack: FlinkStack) -> None:
    maintained = stack.command_line.succeed("maintain")
    status = stack.command_line.succeed("status")
    for table in (ORDERS, METRICS, SHARED):
        assert table in maintained
        assert table in status


def test_no_secret_is_in_tables_checkpoints_and_logs(stack: FlinkStack) -> None:
    secrets = [os.environ["AWS_SECRET_ACCESS_KEY"], SASL["kafka_sasl_password"]]
    # The supervisor's own file gives programs their environment; nobody else may read it.
    private = stack.settings.run_dir / "supervisord.conf"
    assert private.stat().st_mode & 0o077 == 0
    assert found_in(secrets, stack.catalog, stack.settings.state_dir) == [str(private)]
