"""What is known of the queries: their states, their last batches, their last errors.

It stands in a file too, which outlives the process: of a query that fails at every start, the process has gone, or has
just come and knows nothing yet, whenever somebody asks. Nothing here needs Spark, so that the command line can read it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from lakehouse.settings import Settings


class QueryState(StrEnum):
    """``RESTARTING``: failed, was started again and has not come through a batch since."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class QueryStatus:
    """One query. Times are ISO 8601 in UTC; ``error`` is the first line of the last error, however long ago."""

    table: str
    state: QueryState = QueryState.STARTING
    batch: int | None = None
    batch_at: str | None = None
    input_rows: int | None = None
    rows_per_second: float | None = None
    error: str | None = None
    failed_at: str | None = None

    @property
    def failing(self) -> bool:
        """Whether the last thing that happened was a failure."""
        return self.failed_at is not None and (self.batch_at is None or self.batch_at < self.failed_at)


@dataclass(frozen=True)
class ApplicationStatus:
    """All queries by table, and what ended the application last, which may concern none of them."""

    queries: Mapping[str, QueryStatus] = field(default_factory=dict)
    error: str | None = None
    failed_at: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "queries": {table: asdict(query) for table, query in self.queries.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ApplicationStatus":
        queries = {
            table: QueryStatus(**{**query, "state": QueryState(query["state"])})
            for table, query in values["queries"].items()
        }
        return cls(queries, values["error"], values["failed_at"])


def status_file(settings: Settings) -> Path:
    """Where the last status stands."""
    return settings.run_dir / "spark-queries.json"


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
