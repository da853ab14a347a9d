"""Maintenance while a job writes: it yields, and neither loses nor doubles a row."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.contracts import find_contract
from lakehouse.maintenance.run import Maintenance
from lakehouse.storage.duck import connect
from tests.integration.flink.stack import RECOVERY_SECONDS, FlinkStack, order
from tests.waiting import wait_for

TABLE, TOPIC = "raw.maintained", "maintained.events"
ROUNDS = 8


@pytest.fixture(scope="module", autouse=True)
def declared(flink: FlinkStack) -> None:
    flink.declare(TABLE, freshness="5 seconds", topic=TOPIC, maintenance={"small_files": 2})
    flink.up()


def test_a_table_is_compacted_while_its_job_commits_every_second(flink: FlinkStack) -> None:
    before = flink.await_running(TABLE)
    contract = find_contract(flink.settings.contracts_dir, TABLE)
    stop, sent = threading.Event(), [0]

    def produce() -> None:
        while not stop.is_set():
            flink.send(TOPIC, *(order(sent[0] + number) for number in range(50)))
            sent[0] += 50

    def more_commits() -> None:
        version = flink.catalog.open(TABLE).version()
        newer = lambda: flink.catalog.open(TABLE).version() > version + 1  # noqa: E731
        wait_for(newer, f"commits after version {version}", RECOVERY_SECONDS, flink.logs)

    with ThreadPoolExecutor(1) as pool:
        producing = pool.submit(produce)
        try:
            for _ in range(ROUNDS):
                more_commits()
                Maintenance(flink.settings, [contract]).maintain(TABLE, dry_run=False)
        finally:
            stop.set()
            producing.result(60)
    flink.await_rows(TABLE, sent[0])
    after = flink.job(TABLE)
    assert after.job_id == before.job_id
    # A machine that stalls loses its TaskManager, which no maintenance does.
    assert after.restarts == 0 or "TaskManager" in (after.error or ""), after
    operations = [entry["operation"] for entry in flink.catalog.open(TABLE).history()]
    assert operations.count("OPTIMIZE") >= ROUNDS - 2, operations
    held = connect(flink.catalog).execute(f"SELECT kafka_offset FROM {TABLE} ORDER BY 1").fetchall()
    assert held == [(offset,) for offset in range(sent[0])]
