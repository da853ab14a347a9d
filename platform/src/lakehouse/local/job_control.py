"""Starting and stopping the writers of streaming tables: what `lakehouse jobs` and Dagster's job `streaming_jobs` do.

A Flink job is stopped and started by itself. Spark's queries live in one application, which is asked of its supervisor.
"""

import time
from collections.abc import Collection
from datetime import UTC, datetime

from lakehouse.contracts import Engine, find_contract, load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.flink import control
from lakehouse.flink.status import JobState, JobStatus
from lakehouse.invocation import command
from lakehouse.local.flink import job_manager
from lakehouse.local.flink_jobs import flink_jobs
from lakehouse.local.supervisor import Supervisor
from lakehouse.settings import Settings

_START_SECONDS = 180.0
_LOOK_EVERY_SECONDS = 0.5
_APPLICATION = "spark"


class JobError(LakehouseError):
    """The table has no job, or its job does not do what was asked in time."""


def tables_by_engine(settings: Settings, tables: Collection[str]) -> dict[Engine, list[str]]:
    """``tables``, or all where none is named, by the engine that writes them.

    Raises JobError for one that no contract declares, and where some of Spark's are named and others are not.
    """
    written = {contract.table: contract.resolved_engine for contract in load_contracts(settings.contracts_dir)}
    if unknown := sorted(set(tables) - written.keys()):
        raise JobError(f"no contract declares {', '.join(unknown)}. Tables: {', '.join(written)}")
    chosen = {
        engine: [table for table, writer in written.items() if writer is engine and (not tables or table in tables)]
        for engine in dict.fromkeys(written.values())
    }
    left = [t for t, writer in written.items() if writer is Engine.SPARK and t not in chosen[Engine.SPARK]]
    if chosen.get(Engine.SPARK) and left:
        raise JobError(
            f"{', '.join(chosen[Engine.SPARK])}: Spark's queries run in one application, which also writes "
            f"{', '.join(left)}. Name all of these, or none of them."
        )
    return {engine: names for engine, names in chosen.items() if names}


def flink_job(settings: Settings, table: str) -> JobStatus:
    """The job of ``table``. Raises JobError where Flink serves no such table."""
    jobs = {job.table: job for job in flink_jobs(settings)}
    if table not in jobs:
        raise JobError(f"{table!r} is no table that Flink serves. Those are: {', '.join(jobs) or 'none'}")
    return jobs[table]


def stop_flink_job(settings: Settings, table: str, *, now: bool = False) -> str:
    """Stops the job until it is started again; the savepoint it goes on with, empty for its newest checkpoint."""
    flink_job(settings, table)
    return control.stop(settings, job_manager(settings), table, now=now)


def start_flink_job(settings: Settings, table: str, *, anew: bool = False, fingerprint: str | None = None) -> JobStatus:
    """Starts the job, with ``anew`` without its state, and returns it as soon as it runs, as what has ``fingerprint``
    where that is given.
    """
    flink_job(settings, table)
    if anew:
        control.start_anew(settings, job_manager(settings), find_contract(settings.contracts_dir, table))
    else:
        control.start(settings, table)
    began, give_up = datetime.now(UTC), time.monotonic() + _START_SECONDS
    while (job := flink_job(settings, table)).state is not JobState.RUNNING or (
        fingerprint not in (None, job.fingerprint)
    ):
        if job.state is JobState.FAILED and job.failed_at and job.failed_at > began:
            raise JobError(f"{table} has failed: {job.error}\nSee {command('logs flink-jobs')}")
        if time.monotonic() > give_up:
            raise JobError(
                f"waited {_START_SECONDS:.0f} s for {table} to run, it is {job.state.value}"
                f"{f': {job.error}' if job.error else ''}\nSee {command('logs flink-jobs')}"
            )
        time.sleep(_LOOK_EVERY_SECONDS)
    return job


def stop_application(settings: Settings) -> None:
    """Ends Spark's application, which finishes the batches it is at. Its checkpoints hold what comes next."""
    _application(settings).stop(_APPLICATION)


def start_application(settings: Settings) -> int:
    """Starts Spark's application, and returns its process once the supervisor says that it lives."""
    supervisor = _application(settings)
    supervisor.start(_APPLICATION)
    give_up = time.monotonic() + _START_SECONDS
    while (state := supervisor.states()[_APPLICATION]).state != "RUNNING":
        if state.state == "FATAL" or time.monotonic() > give_up:
            raise JobError(f"Spark's application does not start: {state.detail}. See {command('logs spark')}")
        time.sleep(_LOOK_EVERY_SECONDS)
    return state.pid


def _application(settings: Settings) -> Supervisor:
    supervisor = Supervisor(settings)
    if _APPLICATION not in supervisor.states():
        raise JobError(
            f"no supervisor of {settings.state_dir} knows Spark's application. Start the stack: {command('up')}"
        )
    return supervisor
