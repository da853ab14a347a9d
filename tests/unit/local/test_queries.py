"""What is told of the queries while the Spark application does not answer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.local.queries import query_statuses
from lakehouse.local.supervisor import ProgramState
from lakehouse.settings import Settings
from lakehouse_spark.status import (
    ApplicationStatus,
    QueryState,
    QueryStatus,
    first_line,
    read_status,
    status_file,
    write_status,
)

EARLY, LATE = "2026-01-01T00:00:00.000+00:00", "2026-01-02T00:00:00.000+00:00"
FAILED = QueryStatus(
    "raw.orders", QueryState.FAILED, batch=7, batch_at=EARLY, input_rows=5, error="no such table", failed_at=LATE
)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Nothing answers at the application's port, whatever stack runs on this machine."""
    return make_settings(tmp_path)


@pytest.fixture
def recorded(settings: Settings) -> Settings:
    """The application has failed, and noted it."""
    write_status(status_file(settings), ApplicationStatus({"raw.orders": FAILED}, "raw.orders: no such table", LATE))
    return settings


def part(state: str) -> ProgramState:
    return ProgramState(name="spark", state=state, pid=0, uptime_seconds=None, detail="")


@pytest.mark.parametrize(
    ("program", "crashed", "expected"),
    [
        (None, False, QueryState.STOPPED),
        (part("STOPPED"), True, QueryState.STOPPED),
        (part("STARTING"), False, QueryState.STARTING),
        (part("RUNNING"), True, QueryState.RESTARTING),
        (part("BACKOFF"), True, QueryState.RESTARTING),
        (part("EXITED"), True, QueryState.RESTARTING),
        (part("FATAL"), True, QueryState.FAILED),
    ],
)
def test_the_state_follows_the_process_and_all_else_is_as_it_was_noted(
    recorded: Settings, program: ProgramState | None, crashed: bool, expected: QueryState
) -> None:
    told = query_statuses(recorded, program, crashed=crashed)
    query = told.queries["raw.orders"]
    assert query.state is expected
    assert (query.batch, query.input_rows, query.error, query.failed_at) == (7, 5, "no such table", LATE)
    assert told.error == "raw.orders: no such table"


def test_before_the_first_start_there_is_no_query(settings: Settings) -> None:
    assert query_statuses(settings, None, crashed=False) == ApplicationStatus()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"queries": {"raw.orders": {"table": 1, "other": 2}}}'])
def test_a_file_of_another_release_tells_nothing(settings: Settings, text: str) -> None:
    file = status_file(settings)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert read_status(file) == ApplicationStatus()


def test_a_query_fails_until_a_batch_is_written_after_the_error() -> None:
    assert FAILED.failing
    assert not QueryStatus("t", batch_at=LATE, error="x", failed_at=EARLY).failing
    assert QueryStatus("t", error="x", failed_at=EARLY).failing
    assert not QueryStatus("t", batch_at=EARLY).failing


@pytest.mark.parametrize(
    ("error", "line"), [("one\ntwo", "one"), ("\n  two", "two"), (ValueError(""), "ValueError"), ("", "str")]
)
def test_the_first_line_that_says_something_is_taken(error: object, line: str) -> None:
    assert first_line(error) == line
