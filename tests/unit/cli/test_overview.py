"""`lakehouse status` as a terminal shows it: a line a table."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lakehouse.cli.main import app
from lakehouse.cli.overview import jobs_overview, overview
from lakehouse.flink.status import JobState, JobStatus
from lakehouse.local.status import PartStatus, StackStatus, TableStatus
from lakehouse.observability.freshness import Freshness
from lakehouse_spark.status import QueryState, QueryStatus

NOW = datetime.now(UTC)
RED, YELLOW, GREEN = "\x1b[31m", "\x1b[33m", "\x1b[32m"
PART = PartStatus("kafka", "RUNNING", {}, "127.0.0.1:9092", pid=7, memory_bytes=300 * 1024**2)


def freshness(age: float | None, missed_for: float | None = None) -> Freshness:
    return Freshness("raw.orders", 60.0, 180.0, age, 2.0, 4.2, 9.0, 1000, missed_for)


def table(found: Freshness | None, **changes: object) -> TableStatus:
    told = {
        "state": "running",
        "lag_messages": 1234,
        "rows_per_second": 49.83,
        "checkpoint": 41,
        "checkpoint_at": datetime.now(UTC) - timedelta(hours=2, minutes=5, seconds=30),
        "rows": 98765,
        "rejected_rows": 3,
        **changes,
    }
    return TableStatus("raw.orders", "spark", 60.0, freshness=found, **told)  # type: ignore[arg-type]


def shown(status: StackStatus, *, colours: bool = False, width: int = 160) -> str:
    console = Console(width=width, force_terminal=colours, color_system="standard" if colours else None)
    with console.capture() as captured:
        console.print(overview(status, console), highlight=False, crop=False)
    return captured.get()


def line_of(name: str, text: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(name))
    return re.split(r"\s{2,}", line.strip())


def test_a_table_is_one_line_with_all_that_is_to_be_known() -> None:
    text = shown(StackStatus([PART], [], [], [table(freshness(12.5))], []))
    assert line_of("raw.orders", text) == [
        *("raw.orders", "spark", "running", "12s", "1m 0s", "4.2s", "1,234", "49.8", "2h 5m ago", "98,765", "3"),
    ]
    assert "memory of all: 300 MiB" in text


@pytest.mark.parametrize(
    ("found", "colour"),
    [(freshness(12.5), GREEN), (freshness(61.0, 1.0), YELLOW), (freshness(300.0, 181.0), RED)],
    ids=["kept", "missed", "not tolerated"],
)
def test_freshness_is_coloured_by_the_contract(found: Freshness, colour: str) -> None:
    (line,) = (
        line
        for line in shown(StackStatus([], [], [], [table(found)], []), colours=True).splitlines()
        if line.startswith("raw.orders")
    )
    assert f"{colour}{'12s' if colour == GREEN else '1m 1s' if colour == YELLOW else '5m 0s'}" in line


def test_what_is_not_known_of_a_table_is_a_dash() -> None:
    empty = dict.fromkeys(
        ("state", "lag_messages", "rows_per_second", "checkpoint", "checkpoint_at", "rows", "rejected_rows")
    )
    text = shown(StackStatus([], [], [], [table(None, **empty)], []))
    assert line_of("raw.orders", text) == ["raw.orders", "spark", "-", "-", "1m 0s", *"------"]


def test_a_writer_that_fails_is_told_with_its_last_error_in_one_line() -> None:
    error = f"the table does not match its contract {'and so on ' * 30}"
    at = NOW.isoformat()
    query = QueryStatus("raw.orders", QueryState.FAILED, failures=3, failed_at=at, error=error)
    text = shown(StackStatus([], [query], [], [table(None, state="failed")], []), width=80)
    assert error.strip() in text
    assert "failed 3 failures" in text


@pytest.mark.parametrize(
    ("width", "there", "left_out"), [(160, {"p95", "rows"}, set()), (80, {"lag"}, {"p95", "rows"})]
)
def test_a_narrow_terminal_goes_without_some_columns_and_cuts_none_off(
    width: int, there: set[str], left_out: set[str]
) -> None:
    longest = replace(table(freshness(12.5)), table="streaming.order_metrics_5min_sql")
    text = shown(StackStatus([], [], [], [longest], []), width=width)
    columns = set(line_of("table ", text))
    assert there <= columns
    assert not left_out & columns
    assert "…" not in text


def test_an_error_that_was_overcome_long_ago_is_not_told() -> None:
    query = QueryStatus(
        "raw.orders", QueryState.RUNNING, failed_at=(NOW - timedelta(hours=2)).isoformat(), error="an old one"
    )
    assert "an old one" not in shown(StackStatus([], [query], [], [table(None)], []))


def test_jobs_tell_restarts_and_errors() -> None:
    job = JobStatus("streaming.fraud_alerts", JobState.RESTARTING, restarts=2, error="no broker", failed_at=NOW)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(jobs_overview([job]))
    assert line_of("streaming.fraud_alerts ", captured.get())[-1] == "2"
    assert "no broker" in captured.get()


def test_watching_is_not_for_scripts() -> None:
    refused = CliRunner().invoke(app, ["status", "--json", "--watch"])
    assert refused.exit_code == 2
    assert "--watch for a terminal" in refused.output
