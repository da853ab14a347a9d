"""Dagster's job `streaming_jobs` upgrades the job of one table, and leaves the rest of the stack as it is."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
import yaml

from lakehouse.contracts import find_contract
from lakehouse.defs.streaming_jobs.jobs import streaming_jobs
from lakehouse.local.applied import applied_dir
from lakehouse.local.supervisor import log_file
from lakehouse.storage.duck import connect
from tests.integration.flink.stack import FlinkStack, order

TABLE, BESIDE = "raw.few", "raw.orders_unguarded"
Run = Callable[[], dg.ExecuteInProcessResult]


@pytest.fixture
def upgrade(flink: FlinkStack, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The job, with the environment that the supervisor gives to Dagster."""
    for name, value in flink.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_CONTRACTS_DIR", str(applied_dir(flink.settings)))
    config = {"ops": {"control_streaming_jobs": {"config": {"action": "upgrade", "tables": [TABLE]}}}}
    return lambda: streaming_jobs.execute_in_process(run_config=config, raise_on_error=False)


@pytest.fixture
def edit(flink: FlinkStack) -> Iterator[Callable[..., None]]:
    """Changes a contract's file, until the test has ended."""
    before = {file: file.read_text() for file in flink.settings.contracts_dir.glob("*.yaml")}

    def edit(table: str, change: Callable[[dict[str, Any]], object]) -> None:
        file = flink.settings.contracts_dir / f"{table.replace('.', '_')}.yaml"
        contract = yaml.safe_load(file.read_text())
        change(contract)
        file.write_text(yaml.safe_dump(contract, sort_keys=False))

    yield edit
    for file, text in before.items():
        file.write_text(text)


def test_a_new_column_comes_with_a_savepoint_and_no_other_job_notices(
    flink: FlinkStack, upgrade: Run, edit: Callable[..., None]
) -> None:
    old, beside = flink.await_running(TABLE).job_id, flink.await_running(BESIDE).job_id
    held = flink.held(TABLE)
    flink.send(flink.topic(TABLE), order(9001), order(9002))
    flink.await_rows(TABLE, held + 2)
    edit(TABLE, lambda contract: contract["columns"].append({"name": "remark", "type": "string"}))
    edit(BESIDE, lambda contract: contract.update(freshness="9 seconds"))
    assert upgrade().success
    assert flink.await_running(TABLE).job_id != old
    with_remark = order(9003).replace(b"{", b'{"remark": "fragile", ', 1)
    flink.send(flink.topic(TABLE), with_remark)
    flink.await_rows(TABLE, held + 3)
    sql = f"SELECT order_id, remark FROM {TABLE} WHERE order_id LIKE 'o-900%'"
    rows = connect(flink.catalog).execute(sql).fetchall()
    assert sorted(rows) == [("o-9001", None), ("o-9002", None), ("o-9003", "fragile")]
    submitted = [line for line in log_file(flink.settings, "flink-jobs").read_text().splitlines() if TABLE in line]
    assert "/savepoints/" in [line for line in submitted if "submitted" in line][-1]
    assert flink.job(BESIDE).job_id == beside
    assert find_contract(applied_dir(flink.settings), BESIDE).freshness.total_seconds() == 5


def test_what_the_plan_refuses_is_told_and_nothing_is_touched(
    flink: FlinkStack, upgrade: Run, edit: Callable[..., None]
) -> None:
    job = flink.await_running(TABLE).job_id
    applied = find_contract(applied_dir(flink.settings), TABLE)
    edit(TABLE, lambda contract: contract["columns"][0].update(type="bigint"))
    failure = upgrade().failure_data_for_node("control_streaming_jobs")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert f"table {TABLE} does not match its contract" in (failure.user_failure_data.description or "")
    assert flink.await_running(TABLE).job_id == job
    assert find_contract(applied_dir(flink.settings), TABLE) == applied
