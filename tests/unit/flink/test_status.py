"""How a job is told of while its JobManager does not know all of it yet."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.flink.notes import Note
from lakehouse.flink.rest import FlinkError, Job, JobManager
from lakehouse.flink.status import JobState, job_statuses
from lakehouse.settings import Settings


class Initializing(JobManager):
    """As Flink 2.3 for the moments in which it makes a job's master: listed, and every detail refused."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")

    def jobs(self) -> list[Job]:
        return [Job("1f", "raw.visits", "INITIALIZING", 0, -1, all_tasks_run=False)]

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        raise FlinkError(f"GET /jobs/{job_id}/checkpoints: Unable to get JobMasterGateway for initializing job.")


@pytest.mark.parametrize("error", [None, "the last attempt failed"])
def test_a_job_that_is_being_initialized_is_starting(
    make_settings: Callable[..., Settings], tmp_path: Path, error: str | None
) -> None:
    notes = {"raw.visits": Note(error, datetime.now(UTC))} if error else {}
    [status] = job_statuses(make_settings(tmp_path), Initializing(), ["raw.visits"], notes)
    assert (status.state, status.job_id, status.error) == (JobState.STARTING, "1f", error)


class FailedAt(JobManager):
    """A running job with failures of so many minutes ago."""

    def __init__(self, *minutes: int) -> None:
        super().__init__("http://127.0.0.1:1")
        self.minutes = minutes

    def jobs(self) -> list[Job]:
        return [Job("1f", "raw.visits", "RUNNING", 1_767_225_600_000, -1, all_tasks_run=True)]

    def parameters(self, job_id: str) -> dict[str, str]:
        return {}

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        return {"counts": {"failed": 0}, "latest": {"completed": None}}

    def metric(self, job_id: str, name: str) -> str:
        return str(len(self.minutes))

    def failures(self, job_id: str) -> list[dict[str, Any]]:
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        return [{"timestamp": now_ms - ago * 60_000, "stacktrace": "java.io.IOException: full"} for ago in self.minutes]


def test_the_failures_of_the_last_quarter_of_an_hour_are_told_apart(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    [status] = job_statuses(make_settings(tmp_path), FailedAt(1, 14, 16, 600), ["raw.visits"], {})
    assert (status.restarts, status.recent_failures, status.error) == (4, 2, "full")
    assert status.submitted_at == datetime(2026, 1, 1, tzinfo=UTC)
