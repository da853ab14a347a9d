"""What was stopped by hand, and what went wrong, outlive the processes that noted it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse.flink import control
from lakehouse.flink.notes import Note, read_notes, write_notes
from lakehouse.flink.rest import FlinkError, FlinkUnreachableError, Job, JobManager
from lakehouse.settings import Settings


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def test_nothing_is_stopped_until_it_was(settings: Settings) -> None:
    assert control.stopped_at(settings, "raw.visits") is None
    control.start(settings, "raw.visits")
    assert control.stopped_at(settings, "raw.visits") is None


def test_a_stop_that_reached_no_jobmanager_leaves_nothing_behind(settings: Settings) -> None:
    with pytest.raises(FlinkUnreachableError):
        control.stop(settings, JobManager(f"http://127.0.0.1:{settings.flink_rest_port}"), "raw.visits")
    assert control.stopped_at(settings, "raw.visits") is None


def test_notes_are_read_back(settings: Settings) -> None:
    assert read_notes(settings) == {}
    note = Note("no slots", datetime(2026, 1, 2, tzinfo=UTC))
    write_notes(settings, {"raw.visits": note})
    assert read_notes(settings) == {"raw.visits": note}
    write_notes(settings, {})
    assert read_notes(settings) == {}


class _StoppedBefore(JobManager):
    """A job that a caller who was killed had asked to stop: it ends, and the savepoint of this caller is refused.

    That Flink refuses the second of two stops is assumed: a stop takes it a tenth of a second, too short to meet in a
    test.
    """

    def __init__(self, after: str) -> None:
        super().__init__("http://127.0.0.1:1")
        self.cancelled = False
        self._after = after

    def stop(self, job_id: str, directory: str) -> str:
        raise FlinkError("checkpoint coordinator is suspending")

    def jobs(self) -> list[Job]:
        return [replace(JOB, state=self._after)]

    def cancel(self, job_id: str) -> None:
        self.cancelled = True


JOB = Job("1", "raw.visits", "RUNNING", 0, -1, all_tasks_run=True)


def test_a_job_that_ended_meanwhile_is_not_cancelled(settings: Settings) -> None:
    manager = _StoppedBefore("FINISHED")
    assert control.end(settings, manager, JOB) == ""
    assert not manager.cancelled


def test_one_that_cannot_make_a_savepoint_is(settings: Settings) -> None:
    manager = _StoppedBefore("RUNNING")
    assert control.end(settings, manager, JOB) == ""
    assert manager.cancelled
