"""What is known of the queries: their states, their last batches, their last errors.

It stands in a file too, which outlives the process: of a query that fails at every start, the process has gone, or has
just come and knows nothing yet, whenever somebody asks. A file a group: each application writes its own. Nothing here
needs Spark, so that the command line can read it.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from lakehouse.settings import Settings

_FILES = "spark-queries"
#: An application that has not written its file for so long does not run, or hangs. It writes it every few seconds.
SILENT_AFTER = timedelta(seconds=90)


class QueryState(StrEnum):
    """``FAILED``: waits to be started again. ``RESTARTING``: was, and has not come through a batch since.

    ``SILENT``: its application gives no sign of life.
    """

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"
    SILENT = "silent"


@dataclass(frozen=True)
class QueryStatus:
    """One query. Times are ISO 8601 in UTC; ``error`` is the first line of the last error, however long ago.

    ``failures`` counts how often it failed since it last came through a trigger, ``failures_in_all`` since the
    application began. ``late_rows`` came behind the watermark since then; None where nothing is kept that they could be
    late for. ``caught_up_at`` is when it had last read all that its source held. A query that does not run has no lag:
    how long ago it had read everything still tells.
    """

    table: str
    state: QueryState = QueryState.STARTING
    batch: int | None = None
    batch_at: str | None = None
    input_rows: int | None = None
    rows_per_second: float | None = None
    error: str | None = None
    failed_at: str | None = None
    failures: int = 0
    failures_in_all: int = 0
    late_rows: int | None = None
    lag_messages: int | None = None
    lag_versions: int | None = None
    caught_up_at: str | None = None

    def begun_again(self) -> "QueryStatus":
        """What is known of the query when the process that runs it has just come."""
        state = QueryState.RESTARTING if self.failing else QueryState.STARTING
        return replace(self.without_lag(), state=state, failures=0, failures_in_all=0, late_rows=None)

    def without_lag(self) -> "QueryStatus":
        """This, without what is true only of a query that runs."""
        return replace(self, lag_messages=None, lag_versions=None, rows_per_second=None)

    @property
    def behind_seconds(self) -> float | None:
        """How long ago the query had last read all there was; None where that is not known."""
        if self.caught_up_at is None:
            return None
        return max((datetime.now(UTC) - datetime.fromisoformat(self.caught_up_at)).total_seconds(), 0.0)

    @property
    def failing(self) -> bool:
        """Whether the last thing that happened was a failure. A quiet topic has no batch that would end it."""
        if self.state is QueryState.SILENT:
            return True
        if self.state not in (QueryState.FAILED, QueryState.RESTARTING) or self.failed_at is None:
            return False
        return self.batch_at is None or self.batch_at < self.failed_at


@dataclass(frozen=True)
class ApplicationStatus:
    """All queries by table, and what ended the application last, which may concern none of them.

    ``pid`` is the process that runs them, ``alive_at`` its last sign of life: ISO 8601, in UTC.
    """

    queries: Mapping[str, QueryStatus] = field(default_factory=dict)
    error: str | None = None
    failed_at: str | None = None
    pid: int | None = None
    alive_at: str | None = None

    @property
    def silent_seconds(self) -> float:
        """How long ago the application gave its last sign of life."""
        if self.alive_at is None:
            return math.inf
        return (datetime.now(UTC) - datetime.fromisoformat(self.alive_at)).total_seconds()

    def as_of_now(self) -> "ApplicationStatus":
        """This; of an application that has been silent for too long, that its queries are, and since when."""
        if self.silent_seconds <= SILENT_AFTER.total_seconds():
            return self
        since = f" since {self.alive_at}" if self.alive_at else ""
        error = f"the Spark application (pid {self.pid}) gave no sign of life{since}. See: lakehouse logs spark"
        silent = {
            table: replace(query, state=QueryState.SILENT, error=error, failed_at=self.alive_at).without_lag()
            for table, query in self.queries.items()
            if query.state is not QueryState.STOPPED
        }
        return replace(self, queries={**self.queries, **silent})

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "queries": {table: asdict(query) for table, query in self.queries.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ApplicationStatus":
        queries = {
            table: QueryStatus(**{**query, "state": QueryState(query["state"])})
            for table, query in values["queries"].items()
        }
        return cls(queries, *(values[name] for name in ("error", "failed_at", "pid", "alive_at")))


def status_file(settings: Settings, group: str | None = None) -> Path:
    """Where the last status of the application of ``group`` stands, or of that which runs all of them."""
    return settings.run_dir / f"{_FILES}{f'.{group}' if group else ''}.json"


def read_applications(run_dir: Path) -> dict[Path, ApplicationStatus]:
    """What each application last wrote below ``run_dir``, by its file."""
    return {file: read_status(file) for file in run_dir.glob(f"{_FILES}*.json")}


def newest(applications: Iterable[ApplicationStatus]) -> dict[str, QueryStatus]:
    """Every query by table. One that moved to another application is told by the one that lived last."""
    by_age = sorted(applications, key=lambda application: application.alive_at or "")
    return {table: query for application in by_age for table, query in application.queries.items()}


def read_queries(run_dir: Path) -> dict[str, QueryStatus]:
    """Every query by table, of all applications that wrote below ``run_dir``, as of now."""
    return newest(application.as_of_now() for application in read_applications(run_dir).values())


def write_status(file: Path, status: ApplicationStatus) -> None:
    """Replaces what stands in ``file``: a reader finds the one or the other, whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(status.as_json(), indent=2) + "\n", encoding="utf-8")
    os.replace(partial, file)


def read_status(file: Path) -> ApplicationStatus:
    """The last status; an empty one where there is none, or one of another release."""
    try:
        return ApplicationStatus.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return ApplicationStatus()


def first_line(error: object) -> str:
    """What a line of a list has room for."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def now() -> str:
    """The present, as a status writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
