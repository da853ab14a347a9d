"""A run that is killed together with `dagster-code` is started again, by Dagster's own daemon."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml

from tests.conftest import free_port
from tests.integration.conftest import REPOSITORY
from tests.waiting import wait_for

DAGSTER = Path(sys.executable).with_name("dagster")
DEFINITIONS = """
import time
from pathlib import Path
import dagster as dg

@dg.op(pool="dbt")
def build() -> None:
    attempts = Path(__file__).with_name("attempts")
    with attempts.open("a") as file:
        file.write("attempt\\n")
    while len(attempts.read_text().splitlines()) == 1:
        time.sleep(0.1)

@dg.job
def models() -> None:
    build()

defs = dg.Definitions(jobs=[models])
"""
#: Dagster's daemon, which looks for its servers more often.
DAEMON = """
from dagster._daemon import controller
from dagster._daemon.cli import main

controller.THREAD_CHECK_INTERVAL = 1
controller.RELOAD_WORKSPACE_INTERVAL = 10
main()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with this repository's dagster.yaml, whose daemon looks more often, and a job that takes its time."""
    project = tmp_path / "project"
    (project / "streaming" / "contracts").mkdir(parents=True)
    told = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    told["run_monitoring"] |= {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1}
    (project / "dagster.yaml").write_text(yaml.safe_dump(told))
    (project / "jobs.py").write_text(DEFINITIONS)
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DAGSTER_HOME", str(project))
    return project


@contextmanager
def started(project: Path, *command: str) -> Iterator[psutil.Process]:
    """A process whose output is in a file of its name; killed at the end, with its children."""
    with (project / f"{command[-1]}.log").open("ab") as log:
        process = psutil.Popen(command, cwd=project, stdout=log, stderr=log)
    try:
        yield process
    finally:
        kill(process)


def kill(process: psutil.Process) -> None:
    if process.is_running():
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(30)


def test_a_run_that_was_killed_with_its_server_is_started_again(project: Path) -> None:
    port = free_port()
    server = {"host": "127.0.0.1", "port": port, "location_name": "jobs"}
    (project / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    attempts = project / "attempts"
    code = (str(DAGSTER), "api", "grpc", "-h", "127.0.0.1", "-p", str(port), "--location-name", "jobs", "-f", "jobs.py")
    daemon = (sys.executable, "-c", DAEMON, "run", "-w", "workspace.yaml")

    def logs() -> str:
        return "\n".join(file.read_text(errors="replace")[-5000:] for file in project.glob("*.log"))

    with dg.DagsterInstance.from_config(str(project)) as instance, started(project, *daemon):
        with started(project, *code) as serving:
            launch = [str(DAGSTER), "job", "launch", "-w", "workspace.yaml", "-j", "models"]
            wait_for(
                lambda: subprocess.run(launch, cwd=project, capture_output=True, check=False).returncode == 0,
                "the code to be loaded",
                300,
                logs,
            )
            wait_for(attempts.exists, "the run to begin its step", 300, logs)
            (first,) = instance.get_runs()
            kill(serving)
        said = project / "workspace.yaml.log"
        missed = "Error loading repository location jobs"
        wait_for(lambda: missed in said.read_text(errors="replace"), "the daemon to miss the code", 300, logs)
        assert instance.get_run_by_id(first.run_id).status is dg.DagsterRunStatus.STARTED
        with started(project, *code):
            wait_for(lambda: instance.get_run_by_id(first.run_id).is_finished, "the run to be failed", 300, logs)
            assert instance.get_run_by_id(first.run_id).status is dg.DagsterRunStatus.FAILURE
            assert any("is gone" in entry.message for entry in instance.all_logs(first.run_id))
            wait_for(
                lambda: instance.get_runs()[0].status is dg.DagsterRunStatus.SUCCESS,
                "the run that takes its place",
                300,
                logs,
            )
        again, killed = instance.get_runs()
        assert killed.run_id == first.run_id
        assert again.parent_run_id == first.run_id
    assert len(attempts.read_text().splitlines()) == 2
