"""`lakehouse apply` is killed with SIGKILL at every point at which it changes anything, and run again.

Tables, checkpoints and supervisord are real. The programs below supervisord are sleepers, so that the dozens of kills
take seconds: what it is with the engines themselves under load, tests/integration/flink/test_engine_move.py shows.
"""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from deltalake import DeltaTable
from deltalake.table import TableAlterer

from lakehouse.contracts import load_contracts
from lakehouse.flink.generation import read_generation
from lakehouse.local import planning
from lakehouse.local import stack as stack_module
from lakehouse.local.applied import applied_dir
from lakehouse.local.apply import apply_steps
from lakehouse.local.java import Java
from lakehouse.local.journal import Journal
from lakehouse.local.planning import plan_stack
from lakehouse.local.programs import Program, declare_programs
from lakehouse.local.stack import Stack
from lakehouse.local.supervisor import Supervisor
from lakehouse.plan import Plan
from lakehouse.settings import Settings, load_settings
from lakehouse.storage import Catalog, create_tables
from lakehouse_spark.noted import note_contracts
from tests.conftest import free_ports
from tests.integration.command_line import REPOSITORY

#: What changes anything, as the code calls it; of supervisord's methods all but those that only ask.
EFFECTS = (
    (DeltaTable, "create"),
    (TableAlterer, "add_columns"),
    (TableAlterer, "set_table_properties"),
    (Path, "rename"),
    (Path, "write_text"),
    (Path, "unlink"),
    (os, "replace"),
    (Supervisor, "_call"),
)
ASKING = ("getPID", "getAllProcessInfo")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["lakehouse.local.apply", "lakehouse.local.planning", "tests.integration.test_apply"])


@dataclass(frozen=True)
class Project:
    """Contracts of one's own, and tables below a directory of one's own."""

    settings: Settings

    def declare(self, table: str, **changes: Any) -> None:
        shipped = yaml.safe_load((REPOSITORY / "streaming" / "contracts" / "orders.yaml").read_text())
        file = self.settings.contracts_dir / f"{table}.yaml"
        file.write_text(yaml.safe_dump({**shipped, **changes, "table": table}))

    def create(self, table: str) -> None:
        contracts = {contract.table: contract for contract in load_contracts(self.settings.contracts_dir)}
        create_tables(Catalog.from_settings(self.settings), contracts[table])

    def spark_has(self, table: str) -> None:
        (Path(self.settings.checkpoint_root) / table / "offsets").mkdir(parents=True)

    def flink_has(self, table: str) -> None:
        number = read_generation(self.settings, table).number
        name = table if number == 1 else f"{table}-{number}"
        directory = Path(self.settings.checkpoint_root) / "flink" / name / "savepoints" / "savepoint-1"
        directory.mkdir(parents=True)
        (directory / "_metadata").write_bytes(b"complete")

    def state(self) -> dict[str, object]:
        """All that an apply leaves: tables with their versions, checkpoints, generations."""
        catalog = Catalog.from_settings(self.settings)
        tables = {name: catalog.open(name) for name in catalog.names()}
        root = Path(self.settings.checkpoint_root)
        return {
            "tables": {
                name: (table.version(), table.schema().to_json(), sorted(table.metadata().configuration.items()))
                for name, table in tables.items()
            },
            "checkpoints": sorted(str(path.relative_to(root)) for path in root.rglob("*")),
            "generations": {name: read_generation(self.settings, name).number for name in tables},
        }

    def apply(self) -> None:
        """As the command does, but for what it shows."""
        with standing_in():
            stack = Stack(self.settings)
            with stack.exclusively():
                for step in apply_steps(self.settings, stack, plan_stack(self.settings)):
                    step.run()
                Journal(self.settings).close()

    def plan(self) -> Plan:
        with standing_in():
            return plan_stack(self.settings)

    def apply_killed_at(self, point: int) -> bool:
        """Applies in a process that is killed at its ``point``-th effect, before or after it; False if it came through.

        Even points are before an effect, odd ones after it.
        """
        process = CONTEXT.Process(target=_apply_until, args=(self, point))
        process.start()
        process.join(600)
        assert process.exitcode in (0, -signal.SIGKILL), f"point {point}: exit code {process.exitcode}"
        return process.exitcode != 0


def _apply_until(project: Project, point: int) -> None:
    reached = count()

    def killing(effect: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if len(arguments) > 1 and arguments[1] in ASKING:
                return effect(*arguments, **options)
            for is_effect in (False, True):
                if is_effect:
                    result = effect(*arguments, **options)
                if next(reached) == point:
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        return run

    with ExitStack() as patches:
        for owner, name in EFFECTS:
            patches.enter_context(patch.object(owner, name, killing(getattr(owner, name))))
        project.apply()


def standing_in() -> ExitStack:
    """Sleepers for the programs, no broker, and no wait for what a sleeper never tells."""

    def sleepers(*arguments: Any) -> tuple[Program, ...]:
        return tuple(
            replace(program, command=("sleep", "1000"), waits_for=()) for program in declare_programs(*arguments)
        )

    patches = ExitStack()
    stand_ins: dict[tuple[object, str], object] = {
        (planning, "broker_answers"): lambda _settings: "it does not run",
        (stack_module, "declare_programs"): sleepers,
        (stack_module, "find_java"): lambda: Java(Path("/opt/java"), 17),
        (stack_module, "check_machine"): lambda *_: None,
        (stack_module, "jars_current"): lambda *_: True,
        (stack_module, "prepare_broker"): lambda *_: None,
        (stack_module, "ensure_topics"): lambda *_: [],
        (stack_module, "wait_until_ready"): lambda *_: None,
    }
    for (owner, name), stand_in in stand_ins.items():
        patches.enter_context(patch.object(owner, name, stand_in))
    return patches


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for part in ("streaming", "deploy"):
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=shutil.ignore_patterns("target", "__pycache__"))
    shutil.rmtree(tmp_path / "streaming" / "contracts")
    (tmp_path / "streaming" / "contracts").mkdir()
    names = [name for name in Settings.model_fields if name.endswith("_port")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    return Project(load_settings({"home": tmp_path, "state_dir": tmp_path / ".lakehouse", **ports}))


def prepare(project: Project) -> None:
    """One table to create, one to alter, one that goes to Flink and one that comes back, while nothing runs."""
    shutil.rmtree(project.settings.state_dir, ignore_errors=True)
    for file in project.settings.contracts_dir.iterdir():
        file.unlink()
    for table in ("raw.altered", "raw.going", "raw.coming"):
        project.declare(table)
        project.create(table)
    note_contracts(project.settings, load_contracts(project.settings.contracts_dir))
    for table in ("raw.altered", "raw.going"):
        project.spark_has(table)
    project.flink_has("raw.coming")
    columns = yaml.safe_load((REPOSITORY / "streaming" / "contracts" / "orders.yaml").read_text())["columns"]
    project.declare("raw.altered", retention="60 days", columns=[*columns, {"name": "note", "type": "string"}])
    project.declare("raw.going", freshness="5 seconds")
    project.declare("raw.created")


def test_while_nothing_runs_an_apply_killed_anywhere_is_finished_by_the_next(project: Project) -> None:
    prepare(project)
    steps = {(step.table, step.kind) for step in project.plan().steps if step.changes}
    assert steps == {
        ("raw.altered", "add_columns"),
        ("raw.altered", "set_properties"),
        ("raw.coming", "move"),
        ("raw.created", "create_table"),
        ("raw.going", "move"),
    }
    project.apply()
    expected = project.state()
    for point in count():
        prepare(project)
        killed = project.apply_killed_at(point)
        project.apply()
        assert not project.plan().changes, f"killed at point {point}"
        # Tables are made with an id of their own, and hold the same versions: nothing was committed twice.
        assert project.state() == expected, f"killed at point {point}"
        if not killed:
            break
    assert point > 12


@pytest.fixture
def running(project: Project) -> Iterator[Project]:
    """A stack in which Spark has a table, with all its programs started."""
    project.declare("raw.moving")
    project.declare("raw.staying", engine="spark")
    project.create("raw.moving")
    project.create("raw.staying")
    try:
        with standing_in():
            for step in Stack(project.settings).up(["kafka", "spark", "dagster-code"], 50):
                step.run()
        yield project
    finally:
        Supervisor(project.settings).shutdown()


def test_while_it_runs_an_apply_killed_anywhere_is_finished_by_the_next(running: Project) -> None:
    """The table goes to and fro: where one apply ends the next one begins."""
    supervisor = Supervisor(running.settings)
    to_flink = ("flink-jobmanager", "flink-taskmanager", "flink-jobs")
    root = Path(running.settings.checkpoint_root)
    for point in count():
        there = point % 2 == 0
        running.spark_has("raw.moving") if there else running.flink_has("raw.moving")
        running.declare("raw.moving", freshness="5 seconds" if there else "1 minute")
        killed = running.apply_killed_at(point)
        if killed and Journal(running.settings).programs():
            assert running.plan().interrupted
        running.apply()
        alive = {name for name, state in supervisor.states().items() if state.alive}
        assert alive == {"kafka", "spark", "dagster-code", *(to_flink if there else ())}, f"killed at point {point}"
        assert not (root / "raw.moving").exists(), f"killed at point {point}"
        assert not running.plan().interrupted
        if not killed:
            break
    assert point > 20


def test_what_does_not_change_is_not_started_anew(running: Project) -> None:
    supervisor = Supervisor(running.settings)
    running.spark_has("raw.moving")
    running.declare("raw.moving", freshness="5 seconds")
    running.apply()
    before = {name: state.pid for name, state in supervisor.states().items()}
    running.flink_has("raw.moving")
    running.declare("raw.moving", freshness="4 seconds")
    running.apply()
    after = {name: state.pid for name, state in supervisor.states().items()}
    assert {name for name in before if before[name] != after[name]} == {"flink-jobs", "dagster-code"}
    assert after["spark"] != 0


def test_an_engine_that_its_last_table_leaves_is_stopped(running: Project) -> None:
    for table in ("raw.moving", "raw.staying"):
        running.spark_has(table)
        running.declare(table, freshness="5 seconds")
    running.apply()
    alive = {name for name, state in Supervisor(running.settings).states().items() if state.alive}
    assert alive == {"kafka", "dagster-code", "flink-jobmanager", "flink-taskmanager", "flink-jobs"}
    assert not running.plan().interrupted


def test_what_is_edited_and_not_applied_concerns_no_program(running: Project) -> None:
    copy = applied_dir(running.settings)
    before = load_contracts(copy)
    running.declare("raw.moving", freshness="5 seconds")
    assert load_contracts(copy) == before
    running.apply()
    assert load_contracts(copy) == load_contracts(running.settings.contracts_dir)


def test_what_concerns_no_writer_is_read_by_dagster_alone(running: Project) -> None:
    supervisor = Supervisor(running.settings)
    for table in ("raw.moving", "raw.staying"):
        running.spark_has(table)
    note_contracts(running.settings, load_contracts(running.settings.contracts_dir))
    assert not running.plan().changes
    before = {name: state.pid for name, state in supervisor.states().items()}
    running.declare("raw.staying", engine="spark", tolerance="1 hour")
    planned = running.plan()
    assert (planned.steps, planned.unread) == ((), True)
    running.apply()
    after = {name: state.pid for name, state in supervisor.states().items()}
    assert {name for name in before if before[name] != after[name]} == {"dagster-code"}
    assert not running.plan().changes


def test_a_second_apply_waits_for_nobody_and_says_so(project: Project) -> None:
    with Stack(project.settings).exclusively(), pytest.raises(stack_module.BusyError, match="`up`, `apply` or `down`"):
        project.apply()
