"""Which runs the local launcher takes for dead."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.test_utils import freeze_time

REPOSITORY = Path(__file__).parents[2]
OVER = 2**22 + 1
"""No process has it: beyond the greatest pid of Linux."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One by this repository's dagster.yaml."""
    project = tmp_path / "project"
    (project / "streaming" / "contracts").mkdir(parents=True)
    shutil.copy(REPOSITORY / "dagster.yaml", project)
    with dg.DagsterInstance.from_config(str(project)) as instance:
        yield instance


@pytest.fixture
def run(instance: dg.DagsterInstance) -> DagsterRun:
    @dg.job
    def job() -> None:
        pass

    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)


def report(instance: dg.DagsterInstance, run: DagsterRun, pid: int, step: str | None = None) -> None:
    instance.report_engine_event(f"pid {pid}", run, EngineEventData.in_process(pid), step_key=step)


def health(instance: dg.DagsterInstance, run: DagsterRun) -> WorkerStatus:
    assert instance.run_launcher.supports_check_run_worker_health
    return instance.run_launcher.check_run_worker_health(run).status


def test_a_run_that_did_not_yet_say_its_process_is_left_alone(instance: dg.DagsterInstance, run: DagsterRun) -> None:
    instance.report_engine_event("waiting for a place", run)
    assert health(instance, run) is WorkerStatus.RUNNING


def test_a_run_lives_as_long_as_its_process(instance: dg.DagsterInstance, run: DagsterRun) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        report(instance, run, process.pid)
        assert health(instance, run) is WorkerStatus.RUNNING
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert health(instance, run) is WorkerStatus.FAILED, "nobody has asked yet how it ended"
    assert health(instance, run) is WorkerStatus.FAILED


def test_the_end_of_a_steps_process_is_the_runs_own_affair(instance: dg.DagsterInstance, run: DagsterRun) -> None:
    report(instance, run, OVER, step="step")
    assert health(instance, run) is WorkerStatus.RUNNING
    report(instance, run, os.getpid())
    report(instance, run, OVER)
    assert health(instance, run) is WorkerStatus.RUNNING, "the first to report is the run's"


def test_a_pid_that_is_anothers_since_is_no_sign_of_life(instance: dg.DagsterInstance, run: DagsterRun) -> None:
    with freeze_time(datetime.now(UTC) - timedelta(days=1)):
        report(instance, run, os.getpid())
    assert health(instance, run) is WorkerStatus.FAILED
