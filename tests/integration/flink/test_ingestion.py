"""Plain ingestion with Flink, on the stack as it is shipped, while its processes are killed.

The oracle is the generator's own record of what the broker confirmed; delta-rs, DuckDB and Spark read the tables.
"""

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lakehouse.contracts import find_contract
from lakehouse.flink.spec import checkpoints
from lakehouse.flink.status import JobState
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.manifest import Manifest, events_path
from lakehouse.generator.producer import produce
from lakehouse.storage.duck import connect
from tests.integration.command_line import REPOSITORY
from tests.integration.flink.load import SEED, Load, changes
from tests.integration.flink.readers import READERS, Held, expected_offsets, reader
from tests.integration.flink.stack import RECOVERY_SECONDS, FlinkStack, order
from tests.integration.spark_job import SparkJob
from tests.waiting import wait_for

#: The contract's freshness asks for a checkpoint each second.
CHECKPOINT_SECONDS = 1.0
TABLE, UNGUARDED, FEW, MOVED = "raw.orders", "raw.orders_unguarded", "raw.few", "raw.moved"


@dataclass
class Ingested:
    """What the job went through, and what was sent meanwhile."""

    manifest: Manifest
    events: Path
    after_the_first_kill: dict[str, Any]
    parallelism: tuple[int, int]


@pytest.fixture(scope="module")
def ingested(flink: FlinkStack, tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """Events without a pause, and meanwhile: kills of every process, and another parallelism."""
    moments = random.Random(SEED)
    print(f"seed {SEED}")  # noqa: T201 - for whoever reads a failure
    path = tmp_path_factory.mktemp("ingested") / "manifest.json"

    def rows_come(what: str) -> None:
        """Waits until events that were sent after this call are in the table: each fault hits a job at work."""
        sent = load.await_more()
        detail = lambda: f"{flink.held(TABLE)} rows\n{flink.job(TABLE)}\n{flink.logs()}"  # noqa: E731
        wait_for(lambda: flink.held(TABLE) >= sent, f"{sent} rows {what}", RECOVERY_SECONDS, detail)

    def kill(*parts: str) -> None:
        # A random moment is the point here: before, in and after a checkpoint and its commit.
        delay = moments.uniform(0, CHECKPOINT_SECONDS)
        time.sleep(delay)
        flink.kill(*parts)
        print(f"killed {' and '.join(parts)} after {delay:.3f} s with {flink.held(TABLE)} rows")  # noqa: T201

    with Load(flink, flink.topic(TABLE), path) as load:
        rows_come("at first")
        kill("flink-taskmanager")
        rows_come("after a kill of the TaskManager")
        after_the_first_kill = told_of_its_restart(flink)
        before = flink.parallelism(TABLE)
        flink.declare(TABLE, freshness="5 seconds", parallelism=2)
        flink.up()
        wait_for(lambda: flink.parallelism(TABLE) == 2, "another parallelism", RECOVERY_SECONDS, flink.logs)
        rows_come("with another parallelism")
        after = flink.parallelism(TABLE)
        for parts in (("flink-jobmanager",), ("flink-jobmanager", "flink-taskmanager"), ("kafka",)):
            kill(*parts)
            rows_come(f"after a kill of {' and '.join(parts)}")
        manifest = load.finish()
    flink.await_rows(TABLE, manifest.counts.sent)
    return Ingested(manifest, events_path(path), after_the_first_kill, (before, after))


@pytest.fixture(scope="module", params=READERS)
def held(request: pytest.FixtureRequest, ingested: Ingested, flink: FlinkStack, spark: SparkSession) -> Held:
    uri = flink.catalog.uri
    return Held(reader(request.param, spark), uri(TABLE), uri(f"{TABLE}_rejected"), [ingested.events])


def test_every_valid_event_is_in_the_table_once(held: Held, ingested: Ingested) -> None:
    assert ingested.manifest.counts.duplicates > 0
    assert ingested.manifest.counts.late > 0
    assert held.checksum() == ingested.manifest.checksum
    assert held.differences() == ([], [])


def test_every_malformed_message_is_in_quarantine_once_untouched(held: Held, ingested: Ingested) -> None:
    assert min(ingested.manifest.counts.malformed_by_kind.values()) > 0
    assert held.quarantine_differences() == ([], [])
    assert held.rows("SELECT count(*) FROM rejected WHERE NOT reason SIMILAR TO '[a-z0-9_]+: .+'") == [(0,)]


def test_every_offset_is_there_once(held: Held, ingested: Ingested) -> None:
    assert held.offsets() == expected_offsets(ingested.manifest)


def test_readers_of_changes_get_every_row_once(ingested: Ingested, flink: FlinkStack) -> None:
    assert changes(flink, TABLE) == ingested.manifest.counts.sent


def test_without_the_guard_the_same_faults_double_changes(ingested: Ingested, flink: FlinkStack) -> None:
    """The control: its commits were repeated. A table is a set of files, so that only readers of changes see it."""
    sent = ingested.manifest.counts.sent
    flink.await_rows(UNGUARDED, sent)
    doubled = changes(flink, UNGUARDED) - sent
    print(f"{doubled} of {sent} changes doubled")  # noqa: T201
    assert doubled > 0


def told_of_its_restart(flink: FlinkStack) -> dict[str, Any]:
    """What the status tells once it tells of the restart: the JobManager gathers its metrics every ten seconds."""
    told: dict[str, Any] = {}

    def tells() -> bool:
        told.update(flink.listed(TABLE))
        return told["state"] == "running" and told["restarts"] > 0 and told["checkpoint"] is not None

    wait_for(tells, "the status to tell of a restart", RECOVERY_SECONDS, lambda: f"{told}\n{flink.logs()}")
    return told


def test_the_status_tells_of_the_job_and_its_restart(ingested: Ingested) -> None:
    told = ingested.after_the_first_kill
    assert (told["table"], told["state"]) == (TABLE, "running")
    assert told["checkpoint"] > 0
    assert told["checkpoint_at"]
    assert told["restarts"] >= 1


def test_a_job_goes_on_with_the_parallelism_of_its_contract(ingested: Ingested) -> None:
    assert ingested.parallelism == (1, 2)


def test_a_poison_message_does_not_stop_the_job(flink: FlinkStack) -> None:
    before, had = flink.await_running(FEW), flink.held(FEW)
    flink.send(flink.topic(FEW), b"\x00\xff\xfe{", None, b"", b"[[[[", order(1))
    flink.await_rows(FEW, had + 5)
    after = flink.await_running(FEW)
    assert after.job_id == before.job_id
    # A machine that stalls loses its TaskManager, which no message does.
    assert after.restarts == before.restarts or "TaskManager" in (after.error or ""), after


def test_a_job_that_was_stopped_stays_so_over_restarts_of_the_stack(flink: FlinkStack) -> None:
    had = flink.held(FEW)
    flink.send(flink.topic(FEW), order(2))
    flink.await_rows(FEW, had + 1)
    stopped = flink.command_line.succeed("jobs", "stop", FEW)
    assert f"jobs start {FEW}" in stopped
    flink.send(flink.topic(FEW), order(3), order(4))
    flink.command_line.succeed("down")
    flink.up()
    flink.await_running(TABLE)
    assert flink.job(FEW).state is JobState.STOPPED
    assert flink.job(FEW).job_id is None
    flink.command_line.succeed("jobs", "start", FEW)
    expected = last_offset(flink, FEW) + 1
    flink.await_rows(FEW, expected)
    assert offsets(flink, FEW) == list(range(expected))


def test_a_changed_contract_is_taken_up_where_the_job_was(flink: FlinkStack) -> None:
    before = flink.await_running(FEW)
    flink.send(flink.topic(FEW), *(order(number) for number in range(100)))
    flink.declare(FEW, freshness="5 seconds", topic="few.events", description="Another one.")
    flink.up()
    flink.await_running(FEW, other_than=before.job_id)
    flink.send(flink.topic(FEW), order(100))
    expected = last_offset(flink, FEW) + 1
    flink.await_rows(FEW, expected)
    assert offsets(flink, FEW) == list(range(expected))


def test_an_optional_column_joins_a_table_that_is_written(flink: FlinkStack) -> None:
    before = flink.await_running(FEW)
    shipped = find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders").model_dump(mode="json")
    columns = [*shipped["columns"], {"name": "note", "type": "string"}]
    flink.declare(FEW, freshness="5 seconds", topic="few.events", columns=columns)
    assert "column note = string" in flink.command_line.succeed("contracts", "apply", FEW)
    flink.up()
    flink.await_running(FEW, other_than=before.job_id)
    flink.send(flink.topic(FEW), order(200), order(201)[:-1] + b', "note": "new"}')
    expected = last_offset(flink, FEW) + 1
    flink.await_rows(FEW, expected)
    assert offsets(flink, FEW) == list(range(expected))
    noted = connect(flink.catalog).execute(f"SELECT order_id, note FROM {FEW} WHERE note IS NOT NULL").fetchall()
    assert noted == [("o-201", "new")]


def test_a_checkpoint_older_than_the_table_is_refused(flink: FlinkStack, tmp_path: Path) -> None:
    with older_checkpoint(flink, FEW, tmp_path) as committed:
        refused = flink.command_line.run("jobs", "start", FEW)
        assert refused.returncode == 1
        listed = " ".join(flink.command_line.succeed("jobs", "list").split())
        for shown in (refused.stderr, listed):
            assert "The job was restored from checkpoint" in shown
            assert f"already holds checkpoint {committed}" in shown
    flink.await_running(FEW)
    flink.send(flink.topic(FEW), order(3))
    expected = last_offset(flink, FEW) + 1
    flink.await_rows(FEW, expected)
    assert offsets(flink, FEW) == list(range(expected))


def test_without_the_guard_an_older_checkpoint_doubles_rows(
    ingested: Ingested, flink: FlinkStack, tmp_path: Path
) -> None:
    """The control: the tests above can fail."""
    with older_checkpoint(flink, UNGUARDED, tmp_path):
        before = len(offsets(flink, UNGUARDED))
        flink.command_line.succeed("jobs", "start", UNGUARDED)
        more = lambda: len(offsets(flink, UNGUARDED)) > before  # noqa: E731
        wait_for(more, "rows after the older checkpoint", RECOVERY_SECONDS, flink.logs)
    held = offsets(flink, UNGUARDED)
    assert sorted(set(held)) == list(range(last_offset(flink, UNGUARDED) + 1))
    assert len(held) > len(set(held))


@dataclass
class Moved:
    """A table that Spark filled, and Flink after it."""

    manifests: tuple[Manifest, Manifest]
    events: list[Path]
    by_spark: set[str]


@pytest.fixture(scope="module")
def moved(flink: FlinkStack, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    topic, directory = flink.topic(MOVED), tmp_path_factory.mktemp("moved")

    def sent(number: int) -> Manifest:
        config = GeneratorConfig(events=5000, late=0.05, duplicates=0.03, malformed=0.02, seed=number, topic=topic)
        return produce(flink.settings, config, manifest_path=directory / f"{number}.json", with_events=True)

    first = sent(1)
    job = SparkJob(flink.settings)
    try:
        job.start()
        wait_for(lambda: flink.held(MOVED) >= first.counts.sent or not job.running(), "rows of Spark", 600, job.tail)
        job.terminate(300)
    finally:
        job.clean_up()
    by_spark = set(flink.catalog.open(MOVED).file_uris())
    second = sent(2)
    flink.declare(MOVED, freshness="5 seconds", topic=topic)
    flink.up()
    flink.await_rows(MOVED, first.counts.sent + second.counts.sent)
    return Moved((first, second), [events_path(directory / f"{number}.json") for number in (1, 2)], by_spark)


def test_another_engine_goes_on_in_the_same_table(moved: Moved, flink: FlinkStack, spark: SparkSession) -> None:
    uri = flink.catalog.uri
    held = Held(reader("duckdb", spark), uri(MOVED), uri(f"{MOVED}_rejected"), moved.events)
    assert held.differences() == ([], [])
    assert held.quarantine_differences() == ([], [])
    assert held.offsets() == expected_offsets(*moved.manifests)


def test_both_engines_write_the_same_columns(moved: Moved, flink: FlinkStack) -> None:
    by_flink = set(flink.catalog.open(MOVED).file_uris()) - moved.by_spark
    spark_columns, flink_columns = (
        {(field.name, str(field.type)) for field in pq.read_schema(next(iter(files)))}
        for files in (moved.by_spark, by_flink)
    )
    assert flink_columns == spark_columns


def offsets(flink: FlinkStack, table: str) -> list[int]:
    """Of partition 0, where `FlinkStack.send` produces, in order."""
    held = (
        f"(SELECT kafka_offset FROM {table} WHERE kafka_partition = 0 UNION ALL "
        f"SELECT kafka_offset FROM {table}_rejected WHERE kafka_partition = 0)"
    )
    return [row[0] for row in connect(flink.catalog).execute(f"FROM {held} ORDER BY kafka_offset").fetchall()]


def last_offset(flink: FlinkStack, table: str) -> int:
    """Of partition 0 of the table's topic."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": flink.settings.kafka_bootstrap_servers, "group.id": "tests"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(flink.topic(table), 0), timeout=30)
    finally:
        consumer.close()
    return int(end) - 1


@contextmanager
def older_checkpoint(flink: FlinkStack, table: str, aside: Path) -> Iterator[int | None]:
    """The job is stopped, and its newest checkpoint is older than its table, whose checkpoint this gives."""
    flink.await_running(table)
    topic = flink.topic(table)
    flink.send(topic, order(1))
    await_offset(flink, table, last_offset(flink, table))
    flink.command_line.succeed("jobs", "savepoint", table)
    flink.send(topic, order(2))
    await_offset(flink, table, last_offset(flink, table))
    committed = flink.catalog.open(table).transaction_version("flink")
    flink.command_line.succeed("jobs", "stop", table, "--now")
    ended = lambda: flink.job(table).state is JobState.STOPPED  # noqa: E731
    wait_for(ended, f"the job of {table} to end", RECOVERY_SECONDS, flink.logs)
    moved = hide_checkpoints(flink, table, aside)
    try:
        yield committed
    finally:
        for here, there in moved.items():
            shutil.move(here, there)


def await_offset(flink: FlinkStack, table: str, offset: int) -> None:
    """Returns when the table has the row of ``offset`` in partition 0."""
    wait_for(lambda: offset in offsets(flink, table), f"offset {offset} in {table}", RECOVERY_SECONDS, flink.logs)


def hide_checkpoints(flink: FlinkStack, table: str, aside: Path) -> dict[Path, Path]:
    """Moves all checkpoints that are newer than the newest savepoint away; where each is now, and was."""
    root = Path(checkpoints(flink.settings, table))
    made = {file.parent: file.stat().st_mtime_ns for file in root.rglob("_metadata")}
    savepoint = max((at for where, at in made.items() if where.parent.name == "savepoints"))
    newer = [where for where, at in made.items() if at > savepoint]
    assert newer
    moved = {}
    for number, where in enumerate(newer):
        moved[aside / str(number)] = where
        shutil.move(where, aside / str(number))
    return moved
