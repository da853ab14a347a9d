"""How a job does, as its JobManager tells it, or as it is known while none answers."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from lakehouse.flink.control import stopped_at
from lakehouse.flink.notes import Note
from lakehouse.flink.rest import FlinkUnreachableError, Job, JobManager, reason
from lakehouse.flink.spec import FINGERPRINT
from lakehouse.settings import Settings

_RECENT = timedelta(minutes=15)


class JobState(StrEnum):
    """State of a job: Flink's own words in lower case, STARTING until all of its tasks run, STOPPED by hand only."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    FAILING = "failing"
    FAILED = "failed"
    STOPPED = "stopped"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class JobStatus:
    """One job. ``restarts`` counts since it was submitted, ``recent_failures`` within 15 minutes; ``checkpoint`` is the
    last complete one.

    ``fingerprint`` is that of what it was submitted with. ``starting_since`` is known to who looks again and again.
    """

    table: str
    state: JobState
    job_id: str | None = None
    checkpoint: int | None = None
    checkpoint_at: datetime | None = None
    checkpoint_ms: int | None = None
    failed_checkpoints: int = 0
    restarts: int = 0
    recent_failures: int = 0
    error: str | None = None
    failed_at: datetime | None = None
    fingerprint: str | None = None
    submitted_at: datetime | None = None
    starting_since: datetime | None = None

    @property
    def failing(self) -> bool:
        return self.state not in (JobState.RUNNING, JobState.STOPPED)


def job_statuses(
    settings: Settings, manager: JobManager, tables: Iterable[str], notes: dict[str, Note]
) -> list[JobStatus]:
    """The job of each of ``tables``. ``notes`` say what went wrong before there was a job."""
    try:
        jobs = {job.name: job for job in manager.jobs()}  # The newest of a name is the last.
        return [_status(settings, manager, table, jobs.get(table), notes.get(table)) for table in tables]
    except FlinkUnreachableError:
        return [
            _noted(
                JobStatus(table, JobState.STOPPED if stopped_at(settings, table) is not None else JobState.UNREACHABLE),
                note,
            )
            for table, note in ((table, notes.get(table)) for table in tables)
        ]


def _status(settings: Settings, manager: JobManager, table: str, job: Job | None, note: Note | None) -> JobStatus:
    stopped = stopped_at(settings, table) is not None
    if job is None:
        return _noted(JobStatus(table, JobState.STOPPED if stopped else JobState.STARTING), note)
    if job.state == "INITIALIZING":  # The JobManager has no details of it yet, and says so as an error.
        return _noted(JobStatus(table, JobState.STARTING, job.id), note)
    status = JobStatus(table, JobState.STOPPED if stopped and job.ended else _state(job), job.id)
    submitted = datetime.fromtimestamp(job.started_ms / 1000, UTC)
    status = replace(status, fingerprint=manager.parameters(job.id).get(FINGERPRINT), submitted_at=submitted)
    checkpoints = manager.checkpoints(job.id)
    status = replace(status, failed_checkpoints=checkpoints["counts"]["failed"])
    if last := checkpoints["latest"]["completed"]:
        made = datetime.fromtimestamp(last["latest_ack_timestamp"] / 1000, UTC)
        status = replace(status, checkpoint=last["id"], checkpoint_at=made, checkpoint_ms=last["end_to_end_duration"])
    if restarts := manager.metric(job.id, "numRestarts"):
        status = replace(status, restarts=int(restarts))
    if failures := manager.failures(job.id):
        at = datetime.fromtimestamp(failures[0]["timestamp"] / 1000, UTC)
        since_ms = (datetime.now(UTC) - _RECENT).timestamp() * 1000
        recent = sum(failure["timestamp"] >= since_ms for failure in failures)
        status = replace(status, error=reason(failures[0]["stacktrace"]), failed_at=at, recent_failures=recent)
    return _noted(status, note) if status.state is not JobState.RUNNING else status


def _state(job: Job) -> JobState:
    if job.state in ("RUNNING", "RESTARTING", "FAILING", "FAILED"):
        return JobState.STARTING if job.state == "RUNNING" and not job.all_tasks_run else JobState(job.state.lower())
    # Ended, or on its way there: the keeper starts it again.
    return JobState.STARTING


def _noted(status: JobStatus, note: Note | None) -> JobStatus:
    if note is None or (status.failed_at and status.failed_at > note.at):
        return status
    return replace(status, error=note.error, failed_at=note.at)
