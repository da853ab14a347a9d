"""Processes that die, and processes that run at once: what only the operating system can do to a commit."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lakehouse_dbt import PROJECT, REPOSITORY, Event, Lakehouse
from tests.waiting import wait_for

MODEL, UPSTREAM = "marts.fct_orders_daily", "staging.stg_orders"
#: Runs dbt with the arguments given, and stops at a point of the commit to a model until a file tells it to go on.
CHILD = """
import sys, time
from pathlib import Path
from dbt.cli.main import dbtRunner
from lakehouse.storage import log

model, point, here, go_on, *arguments = sys.argv[1:]
commit_files = log.commit_files

def wait():
    Path(here).touch()
    while not Path(go_on).exists():
        time.sleep(0.02)

def commit_when_told(catalog, name, *rest):
    if name == model and point == "before":
        wait()
    version = commit_files(catalog, name, *rest)
    if name == model and point == "after":
        wait()
    return version

log.commit_files = commit_when_told
result = dbtRunner().invoke(arguments)
for node in result.result.results:
    print(node.node.name, node.status, node.message)
sys.exit(0 if result.success else 1)
"""


class Runs:
    """dbt runs in processes of their own, each stopped at a point of its commit to a model."""

    def __init__(self, directory: Path, lakehouse: Lakehouse) -> None:
        self._directory = directory
        self._lakehouse = lakehouse
        self.go_on = directory / "go on"
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, point: str, state: str = "state", model: str = MODEL) -> subprocess.Popen[str]:
        """Starts a run of ``model`` that will stand at ``point``. Runs of another ``state`` see none of its locks."""
        number = len(self.processes)
        here, target = self._here(number), self._directory / f"target {number}"
        options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet"]
        places = ["--target-path", str(target), "--log-path", str(target)]
        environment = {
            **os.environ,
            "LAKEHOUSE_ROOT": self._lakehouse.catalog.root,
            "LAKEHOUSE_HOME": str(REPOSITORY),
            "LAKEHOUSE_STATE_DIR": str(self._directory / state),
        }
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                CHILD,
                model,
                point,
                str(here),
                str(self.go_on),
                "run",
                "--select",
                model.partition(".")[2],
                *options,
                *places,
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def wait(self) -> None:
        """Waits until every run stands at its point."""
        for number, process in enumerate(self.processes):
            here = self._here(number)
            wait_for(lambda: here.exists() or process.poll() is not None, f"run {number} to stand at its commit", 300)  # noqa: B023  # called at once
            assert here.exists(), process.communicate()[0]

    def _here(self, number: int) -> Path:
        return self._directory / f"here {number}"


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    """Built once; then a new order, and an event that changes a held one, wait upstream of MODEL."""
    lakehouse = Lakehouse(tmp_path)
    lakehouse.create_source()
    lakehouse.produce(Event("o1", at=10), Event("o2", at=20))
    lakehouse.run()
    lakehouse.produce(Event("o3", at=5), Event("o2", at=20).later(5, status="paid"))
    lakehouse.run("--select", "stg_orders")
    return lakehouse


@pytest.fixture
def runs(tmp_path: Path, lakehouse: Lakehouse) -> Iterator[Runs]:
    runs = Runs(tmp_path, lakehouse)
    yield runs
    for process in runs.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def facts(lakehouse: Lakehouse) -> list[tuple[object, ...]]:
    columns = "order_id, status, customer_order_sequence"
    return lakehouse.rows(f"SELECT {columns} FROM {MODEL} ORDER BY order_id")


DONE = [("o1", "placed", 2), ("o2", "paid", 3), ("o3", "placed", 1)]


@pytest.mark.parametrize(("point", "committed"), [("before", 0), ("after", 1)])
def test_a_run_that_is_killed_at_its_commit_loses_and_doubles_nothing(
    lakehouse: Lakehouse, runs: Runs, point: str, committed: int
) -> None:
    before = lakehouse.version(MODEL)
    process = runs.start(point)
    runs.wait()
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert lakehouse.version(MODEL) == before + committed
    lakehouse.run()
    assert lakehouse.version(MODEL) == before + 1, "one commit, by the run that died or by the next one"
    assert facts(lakehouse) == DONE


def test_of_two_runs_that_commit_at_once_one_is_told_to_run_again(lakehouse: Lakehouse, runs: Runs) -> None:
    before = lakehouse.version(MODEL)
    racing = [runs.start("before", "state"), runs.start("before", "state of another machine")]
    runs.wait()
    runs.go_on.touch()
    said = [process.communicate(timeout=120)[0] for process in racing]
    assert sorted(process.returncode for process in racing) == [0, 1], said
    (loser,) = (text for process, text in zip(racing, said, strict=True) if process.returncode)
    assert f"{MODEL}: another writer committed version {before + 1} while this one was computing" in loser
    assert lakehouse.version(MODEL) == before + 1
    lakehouse.run()
    assert facts(lakehouse) == DONE


def test_two_models_of_one_project_are_built_at_once(lakehouse: Lakehouse, runs: Runs) -> None:
    lakehouse.produce(Event("o4", at=30))
    before = {name: lakehouse.version(name) for name in (UPSTREAM, MODEL)}
    building = [runs.start("before", model=name) for name in (UPSTREAM, MODEL)]
    runs.wait()
    runs.go_on.touch()
    said = [process.communicate(timeout=120)[0] for process in building]
    assert [process.returncode for process in building] == [0, 0], said
    assert {name: lakehouse.version(name) - 1 for name in before} == before
    assert facts(lakehouse) == DONE, "the run of one model does not see what the other commits meanwhile"
    lakehouse.run()
    assert facts(lakehouse) == [*DONE, ("o4", "placed", 4)]
