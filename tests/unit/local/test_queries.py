"""What is told of the queries while the Spark application does not answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.local.queries import query_statuses
from lakehouse.local.supervisor import ProgramState
from lakehouse.settings import Settings
from lakehouse_spark.status import (
    SILENT_AFTER,
    ApplicationStatus,
    QueryState,
    QueryStatus,
    first_line,
    read_queries,
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
    query = told["raw.orders"]
    assert query.state is expected
    assert (query.batch, query.input_rows, query.error, query.failed_at) == (7, 5, "no such table", LATE)


def alive(pid: int, ago: timedelta = timedelta(0), state: QueryState = QueryState.RUNNING) -> ApplicationStatus:
    """The application of process ``pid``, which was last heard of ``ago``."""
    beat = (datetime.now(UTC) - ago).isoformat()
    return ApplicationStatus({"raw.orders": QueryStatus("raw.orders", state, batch=7)}, pid=pid, alive_at=beat)


def told(settings: Settings, pid: int = 5) -> QueryStatus:
    return query_statuses(settings, replace(part("RUNNING"), pid=pid), crashed=False)["raw.orders"]


def test_the_process_that_runs_tells_for_itself_and_one_before_it_does_not(settings: Settings) -> None:
    write_status(status_file(settings), alive(5))
    assert told(settings).state is QueryState.RUNNING
    assert told(settings, pid=6).state is QueryState.STARTING


def test_a_process_that_hangs_is_silent_though_it_is_there(settings: Settings) -> None:
    write_status(status_file(settings), alive(5, SILENT_AFTER + timedelta(seconds=1)))
    query = told(settings)
    assert (query.state, query.failing) == (QueryState.SILENT, True)
    assert "(pid 5) gave no sign of life since 20" in str(query.error)
    assert "lakehouse logs spark" in str(query.error)


def test_one_that_was_stopped_may_be_silent(settings: Settings) -> None:
    write_status(status_file(settings), alive(5, timedelta(days=1), QueryState.STOPPED))
    [query] = read_queries(settings.run_dir).values()
    assert (query.state, query.failing) == (QueryState.STOPPED, False)


def test_a_process_that_has_just_come_knows_what_failed_and_counts_anew() -> None:
    failed = replace(FAILED, failures=4, failures_in_all=9, lag_messages=7).begun_again()
    assert (failed.state, failed.failing, failed.error) == (QueryState.RESTARTING, True, "no such table")
    assert (failed.failures, failed.failures_in_all, failed.lag_messages) == (0, 0, None)
    assert replace(FAILED, state=QueryState.STOPPED).begun_again().state is QueryState.STARTING


def test_applications_of_groups_tell_beside_one_another_and_of_a_table_that_moved_the_later(settings: Settings) -> None:
    write_status(status_file(settings), alive(5, timedelta(days=1)))
    moved = replace(alive(6), queries={"raw.orders": replace(FAILED, batch=8), "raw.others": QueryStatus("raw.others")})
    write_status(status_file(settings, "heavy"), moved)
    write_status(status_file(settings, "light"), replace(alive(7), queries={"raw.visits": QueryStatus("raw.visits")}))
    queries = query_statuses(settings, None, crashed=False)
    assert sorted(queries) == ["raw.orders", "raw.others", "raw.visits"]
    assert (queries["raw.orders"].batch, queries["raw.orders"].state) == (8, QueryState.FAILED)
    assert queries["raw.visits"].state is QueryState.STARTING


def test_before_the_first_start_there_is_no_query(settings: Settings) -> None:
    assert query_statuses(settings, None, crashed=False) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"queries": {"raw.orders": {"table": 1, "other": 2}}}'])
def test_a_file_of_another_release_tells_nothing(settings: Settings, text: str) -> None:
    file = status_file(settings)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert read_status(file) == ApplicationStatus()


def test_a_query_fails_until_a_batch_is_written_after_the_error() -> None:
    assert FAILED.failing
    assert not QueryStatus("t", QueryState.RESTARTING, batch_at=LATE, error="x", failed_at=EARLY).failing
    assert QueryStatus("t", QueryState.RESTARTING, error="x", failed_at=EARLY).failing
    # In the same process, or after a stop in good order.
    assert not QueryStatus("t", QueryState.STARTING, error="x", failed_at=EARLY).failing
    # Started again, and through a trigger that found nothing to read.
    assert not QueryStatus("t", QueryState.RUNNING, batch_at=EARLY, error="x", failed_at=LATE).failing


@pytest.mark.parametrize(
    ("error", "line"), [("one\ntwo", "one"), ("\n  two", "two"), (ValueError(""), "ValueError"), ("", "str")]
)
def test_the_first_line_that_says_something_is_taken(error: object, line: str) -> None:
    assert first_line(error) == line
