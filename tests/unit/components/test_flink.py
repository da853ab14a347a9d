"""What is remembered of Flink's jobs from one look to the next."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.components import flink
from lakehouse.contracts import load_contracts
from lakehouse.flink.rest import Job, JobManager
from lakehouse.flink.spec import contract_file
from lakehouse.flink.status import JobState
from lakehouse.settings import Settings

TABLE = "streaming.order_metrics_5min"


class Cluster(JobManager):
    """Answers as a JobManager does that has forgotten its jobs, or that runs one."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.runs = False

    def jobs(self) -> list[Job]:
        return [Job("1f", TABLE, "RUNNING", 1, -1, all_tasks_run=True)] if self.runs else []

    def parameters(self, job_id: str) -> dict[str, str]:
        return {}

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        return {"counts": {"failed": 0}, "latest": {"completed": None}}

    def metric(self, job_id: str, name: str) -> None:
        return None

    def failures(self, job_id: str) -> list[dict[str, Any]]:
        return []


def test_since_when_a_job_starts_is_remembered_until_it_runs(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, cluster = make_settings(tmp_path), Cluster()
    monkeypatch.setattr(flink, "job_manager", lambda _: cluster)
    submitted = contract_file(settings, TABLE)
    submitted.parent.mkdir(parents=True)
    submitted.touch()
    ask = flink.known_jobs(settings, load_contracts(settings.contracts_dir))

    began = datetime.now(UTC)
    first, again = ask()[TABLE], ask()[TABLE]
    assert first.state is JobState.STARTING
    assert first.starting_since is not None
    assert first.starting_since >= began
    assert again.starting_since == first.starting_since

    cluster.runs = True
    assert ask()[TABLE].starting_since is None
    cluster.runs = False
    anew = ask()[TABLE].starting_since
    assert anew is not None
    assert anew > first.starting_since
