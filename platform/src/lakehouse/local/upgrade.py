"""Has the writers of some tables go by their contracts as these are now, and leaves all else of the stack as it is.

It is the part of `lakehouse apply` that a run of Dagster can do: that one restarts Dagster itself where contracts have
changed. What is more than a writer that goes on with its state, `lakehouse apply` has to do, and is refused here.
"""

import configparser
import shlex
from collections.abc import Collection, Iterator

from lakehouse.contracts import Engine
from lakehouse.errors import LakehouseError
from lakehouse.flink.control import stopped_at
from lakehouse.invocation import command
from lakehouse.local.applied import apply_tables, declared_dir
from lakehouse.local.apply import alter_tables
from lakehouse.local.build import sources_fingerprint
from lakehouse.local.flink_jobs import wanted_fingerprints
from lakehouse.local.job_control import start_application, start_flink_job, stop_application, tables_by_engine
from lakehouse.local.planning import plan_stack
from lakehouse.local.stack import Stack
from lakehouse.local.supervisor import Supervisor, config_file
from lakehouse.plan.steps import AddColumns, CreateTable, NextStart, Refuse, Restart, SetProperties, Start, Step
from lakehouse.settings import Settings

_KEEPER = "flink-jobs"
#: The programs that read contracts and submit, or are, the writers.
_READERS = {Engine.FLINK: _KEEPER, Engine.SPARK: "spark"}
#: What a writer goes on over. Anything else moves, ends or replaces something.
_SAFE = (CreateTable, AddColumns, SetProperties, Restart, Start, NextStart)


class UpgradeError(LakehouseError):
    """A contract asks for more than its writer can go on over."""


def upgrade(settings: Settings, names: Collection[str]) -> Iterator[str]:
    """Upgrades the writers of the tables ``names``, of all where none is named, and tells what it has done.

    A Flink job is stopped with a savepoint and goes on from it. Raises UpgradeError where `lakehouse plan` refuses, or
    asks for more, and EntangledError; then nothing has been changed.
    """
    own = settings.model_copy(update={"contracts_dir": declared_dir(settings)})
    by_engine = tables_by_engine(own, names)
    tables = [table for of_engine in by_engine.values() for table in of_engine]
    with Stack(own).exclusively():
        _check(own, by_engine, tables)
        # First, since it may refuse: tables that were altered would stay so.
        apply_tables(own, tables)
        alter_tables(own, tables)
        yield f"tables and contracts are as declared: {', '.join(tables)}"
        if queries := by_engine.get(Engine.SPARK):
            try:
                stop_application(own)
            finally:
                pid = start_application(own)
            yield f"Spark's application runs, process {pid}: {', '.join(queries)}"
        if jobs := by_engine.get(Engine.FLINK):
            yield from _upgrade_jobs(own, jobs)


def _upgrade_jobs(settings: Settings, tables: Collection[str]) -> Iterator[str]:
    # The keeper reads contracts when it starts; jobs that are as their contracts want them run on.
    supervisor = Supervisor(settings)
    try:
        supervisor.stop(_KEEPER)
    finally:
        supervisor.start(_KEEPER)
    wanted = wanted_fingerprints(settings)
    for table in tables:
        job = start_flink_job(settings, table, fingerprint=wanted[table])
        yield f"{table} is running by its contract, job {job.job_id}"


def _check(settings: Settings, by_engine: dict[Engine, list[str]], tables: list[str]) -> None:
    alive = {name for name, state in Supervisor(settings).states().items() if state.alive}
    if missing := {_READERS[engine] for engine in by_engine} - alive:
        raise UpgradeError(
            f"{', '.join(sorted(missing))} does not run in the stack of {settings.state_dir}. Start it: {command('up')}"
        )
    if stopped := [table for table in by_engine.get(Engine.FLINK, ()) if stopped_at(settings, table) is not None]:
        raise UpgradeError(
            f"{', '.join(stopped)}: stopped by hand, and an upgrade would start it. Start it, "
            f"{command(f'jobs start {stopped[0]}')}, or name the tables without it"
        )
    plan = plan_stack(settings, only=tables[0] if len(tables) == 1 else None)
    if plan.interrupted:
        raise UpgradeError(f"an apply was interrupted: finish it first, {command('apply')}")
    steps = [step for step in plan.steps if step.table in tables]
    if refused := [step.reason for step in steps if isinstance(step, Refuse)]:
        raise UpgradeError("\n".join(refused))
    if others := [_told(step) for step in steps if not isinstance(step, _SAFE)]:
        raise UpgradeError(
            f"{'; '.join(others)}: that is more than an upgrade. See {command('plan')}, and do it: {command('apply')}"
        )
    if Engine.FLINK in by_engine and sources_fingerprint(settings, "flink") != _running_code(settings):
        raise UpgradeError(
            "the code of the Flink jobs has changed since the cluster was started, whose JVMs have loaded it for all "
            f"of them. Restart these with it: {command('apply')}"
        )


def _told(step: Step) -> str:
    return f"{step.table} asks for {step.kind.replace('_', ' ')}"


def _running_code(settings: Settings) -> str:
    """Of the jobs, that which the stack was last started with; empty where it never was."""
    parser = configparser.RawConfigParser()
    parser.read(config_file(settings), encoding="utf-8")
    words = shlex.split(parser.get(f"program:{_KEEPER}", "command", fallback=""))
    return words[words.index("--code") + 1] if "--code" in words else ""
