"""The local Dagster instance: where it keeps its runs, and what is left of one that was killed."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from dagster import DagsterInstance
from dagster._core.test_utils import freeze_time
from dagster._core.workspace.context import IWorkspaceProcessContext
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project directory with this repository's dagster.yaml, and another as the current directory."""
    project = tmp_path / "project"
    (project / "streaming" / "contracts").mkdir(parents=True)
    shutil.copy(REPOSITORY / "dagster.yaml", project)
    monkeypatch.chdir(tmp_path)
    return project


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*.db")}


def test_without_variables_it_lies_in_the_projects_state_directory(project: Path, tmp_path: Path) -> None:
    with DagsterInstance.from_config(str(project)) as instance:
        assert instance.get_runs() == []
        assert instance.run_monitoring_enabled
        # Else the pool of a run that was killed would have no place for another, ever.
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] > 0
    assert {"runs.db", "schedules.db"} <= files(project / ".lakehouse" / "dagster")
    assert files(tmp_path) == files(project / ".lakehouse" / "dagster")


def test_two_state_directories_of_one_checkout_keep_their_runs_apart(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path / name))
        with DagsterInstance.from_config(str(project)) as instance:
            assert instance.run_storage.get_run_storage_id()
    first, second = ((tmp_path / name / "dagster" / "history" / "runs.db") for name in ("first", "second"))
    assert first.is_file()
    assert second.is_file()
    assert not (project / ".lakehouse").exists()


def test_the_dagster_command_line_finds_it(project: Path, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "instance", "info"]
    environment = {**os.environ, "DAGSTER_HOME": str(project), "LAKEHOUSE_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert str(tmp_path / "state" / "dagster") in done.stdout


KILLED_IN_A_STEP = """
import os, signal
import dagster as dg

@dg.op(pool="dbt")
def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

@dg.job(executor_def=dg.in_process_executor)
def job() -> None:
    killed()

job.execute_in_process(instance=dg.DagsterInstance.get())
"""


def test_a_run_that_was_killed_in_a_step_gives_its_place_in_the_pool_back(project: Path) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(project)}
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_STEP], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    with DagsterInstance.from_config(str(project)) as instance:
        (run,) = instance.get_runs()
        taken = instance.event_log_storage.get_concurrency_info
        assert taken("dbt").claimed_slots[0].run_id == run.run_id
        # What the code server says of a run whose process is gone.
        instance.report_run_failed(run, f"Run execution process for {run.run_id} unexpectedly exited")
        free_slots(instance)
        assert taken("dbt").claimed_slots, "its steps may still end in good order"
        with freeze_time(datetime.now(UTC) + timedelta(minutes=5)):
            free_slots(instance)
        assert not taken("dbt").claimed_slots


def free_slots(instance: DagsterInstance) -> None:
    """One round of the daemon's loop, which asks its context for the instance alone."""
    context = cast(IWorkspaceProcessContext, SimpleNamespace(instance=instance))
    list(execute_concurrency_slots_iteration(context, logging.getLogger(__name__)))
