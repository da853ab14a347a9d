"""Starting and stopping jobs by hand. A job that was stopped stays so until it is started by hand again."""

import logging
from pathlib import Path

from lakehouse.contracts import Contract, declared_tables
from lakehouse.errors import LakehouseError
from lakehouse.flink.generation import begin_generation
from lakehouse.flink.rest import FlinkError, FlinkUnreachableError, Job, JobManager
from lakehouse.flink.restore import as_uri
from lakehouse.flink.spec import checkpoints
from lakehouse.invocation import command
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, table_stats

_LOG = logging.getLogger(__name__)


class NoJobError(LakehouseError):
    """The table has no running job."""


class NotEmptyError(LakehouseError):
    """A table has rows that a job without state would make once more."""


def stopped_at(settings: Settings, table: str) -> str | None:
    """The savepoint with which the job was stopped by hand (empty: without one); None unless it was."""
    file = _marker(settings, table)
    return file.read_text(encoding="utf-8") if file.is_file() else None


def running_job(manager: JobManager, table: str) -> Job | None:
    """The job of ``table`` that has not ended."""
    return next((job for job in reversed(manager.jobs()) if job.name == table and not job.ended), None)


def stop(settings: Settings, manager: JobManager, table: str, *, now: bool = False) -> str:
    """Ends the job of ``table``, for good; returns the savepoint that it goes on with.

    That is empty with ``now``, which cancels the job, and where it has ended already: it goes on with its newest
    checkpoint. Raises FlinkError when there is no savepoint to be had; the job then runs on.
    """
    job = running_job(manager, table)
    marker = _marker(settings, table)
    marker.parent.mkdir(parents=True, exist_ok=True)
    # First of all, or the keeper would start it anew.
    marker.touch()
    if job is None:
        return ""
    if now:
        manager.cancel(job.id)
        return ""
    try:
        savepoint = manager.stop(job.id, _savepoints(settings, table))
    except FlinkError as error:
        marker.unlink()
        raise FlinkError(
            f"{error}\nThe job is still there, {job.state}. To end it without a savepoint, and go on with its newest "
            f"checkpoint later: {command(f'jobs stop {table} --now')}"
        ) from error
    marker.write_text(savepoint, encoding="utf-8")
    return savepoint


def start(settings: Settings, table: str) -> None:
    """Lets the keeper run the job of ``table`` again."""
    _marker(settings, table).unlink(missing_ok=True)


def start_anew(settings: Settings, manager: JobManager, contract: Contract) -> None:
    """Lets the keeper run the job of ``contract`` without its state, which stays where it is.

    Events become rows once all the same: an ingestion goes on behind the rows of its table. Of another table nothing
    tells which events it was made of. Raises NotEmptyError when such a table has rows, FlinkError while the job runs.
    """
    if job := running_job(manager, contract.table):
        raise FlinkError(
            f"{contract.table} is {job.state.lower()}: stop it first, {command(f'jobs stop {contract.table} --now')}"
        )
    catalog = Catalog.from_settings(settings)
    if contract.transform is not None:
        for table in declared_tables(contract):
            if catalog.exists(table.name) and (rows := table_stats(catalog, table.name).rows):
                raise NotEmptyError(
                    f"{table.name} at {catalog.uri(table.name)} holds {rows:,} rows, and nothing tells which events "
                    "they were made of: beginning without state would make them twice. Move the table away first."
                )
    begin_generation(settings, contract.table)
    start(settings, contract.table)


def savepoint(settings: Settings, manager: JobManager, table: str) -> str:
    """Makes a savepoint while the job runs on, and returns where it is. Raises NoJobError and FlinkError."""
    return manager.savepoint(_required(manager, table).id, _savepoints(settings, table))


def end(settings: Settings, manager: JobManager, job: Job) -> str:
    """Ends ``job``: with a savepoint, whose place is returned, or as it is when it cannot make one."""
    if job.state == "RUNNING" and job.all_tasks_run:
        try:
            return manager.stop(job.id, _savepoints(settings, job.name))
        except FlinkUnreachableError:
            raise
        except FlinkError as error:
            if all(other.id != job.id or other.ended for other in manager.jobs()):
                return ""  # Whoever was killed here before had asked for the same, and it came through.
            _LOG.warning("%s: %s It is cancelled, and its newest checkpoint stays.", job.name, error)
    manager.cancel(job.id)
    return ""


def _required(manager: JobManager, table: str) -> Job:
    job = running_job(manager, table)
    if job is None:
        raise NoJobError(f"{table} has no running job. Jobs: {command('jobs list')}")
    return job


def _savepoints(settings: Settings, table: str) -> str:
    return f"{as_uri(checkpoints(settings, table))}/savepoints"


def _marker(settings: Settings, table: str) -> Path:
    return settings.state_dir / "flink" / "stopped" / table
