"""Each program's own form of a line, read as one."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lakehouse.local.log_entries import Entry, Reader
from lakehouse.logging_format import log_to_stderr

MOMENT = datetime(2026, 11, 22, 23, 31, 24, 770_000, UTC)
JOB = "21b3d4bdf55a0e45f6b0a2b7c39dae04"
TABLES = ("raw.orders", "streaming.order_metrics", "streaming.order_metrics_5min")


def entries(*lines: str, part: str = "a-part") -> list[Entry]:
    reader = Reader(part, TABLES, {JOB: "streaming.order_metrics_5min"}.get)
    return list(reader.read(lines, datetime(2020, 1, 1, tzinfo=UTC)))


@pytest.fixture
def east_of_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# Copied from the logs of a running stack.
@pytest.mark.parametrize(
    ("line", "level", "logger", "message"),
    [
        (
            "2026-11-22T23:31:24.770Z WARN  NativeCodeLoader - Unable to load",
            *("WARN", "NativeCodeLoader", "Unable to load"),
        ),
        (
            "2026-11-22T23:31:24.770Z WARNING lakehouse_spark.supervision - the query ended",
            *("WARN", "lakehouse_spark.supervision", "the query ended"),
        ),
        (
            "\x1b[32m2026-11-22 23:31:24.77 +0000\x1b[0m - dagster.daemon.AssetDaemon - \x1b[34mINFO\x1b[0m - Renaming",
            *("INFO", "dagster.daemon.AssetDaemon", "Renaming"),
        ),
        ("2026-11-22 23:31:24.770 UTC [7514] LOG:  starting PostgreSQL 18.6", "INFO", "", "starting PostgreSQL 18.6"),
        ("2026-11-22 23:31:24.770 UTC [7514] FATAL:  no such role", "ERROR", "", "no such role"),
        (
            'ts=2026-11-22T23:31:24.770Z caller=notifier.go:606 level=error component=notifier msg="no answer"',
            *("ERROR", "notifier.go:606", 'component=notifier msg="no answer"'),
        ),
    ],
    ids=["JVM", "Python", "Dagster", "Postgres", "Postgres fatal", "Prometheus"],
)
def test_a_line_of_each_program_is_understood(line: str, level: str, logger: str, message: str) -> None:
    assert entries(line) == [Entry(MOMENT, "a-part", level, message, logger)]


@pytest.mark.usefixtures("east_of_utc")
def test_a_time_without_a_zone_is_that_of_this_machine() -> None:
    (entry,) = entries("2026-11-23 00:31:24,770 CRIT Supervisor is running as root")
    assert (entry.at, entry.level, entry.message) == (MOMENT, "ERROR", "Supervisor is running as root")


@pytest.mark.usefixtures("east_of_utc")
def test_our_own_processes_log_in_utc_and_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        log_to_stderr()
        logging.getLogger("lakehouse.keeper").warning("raw.orders: %s", "stopped")
    finally:
        root.handlers = before
        logging.addLevelName(logging.WARNING, "WARNING")
    (entry,) = entries(*capsys.readouterr().err.splitlines())
    assert abs((datetime.now(UTC) - entry.at).total_seconds()) < 60
    assert (entry.level, entry.logger, entry.message) == ("WARN", "lakehouse.keeper", "raw.orders: stopped")
    assert entry.table == "raw.orders"


@pytest.mark.parametrize(
    ("message", "table"),
    [
        ("raw.orders: failed, starting again in 2 s", "raw.orders"),
        ("Launching run for raw/orders", "raw.orders"),
        ("streaming.order_metrics_5min: submitted", "streaming.order_metrics_5min"),
        ("streaming.order_metrics: submitted", "streaming.order_metrics"),
        ("raw.orders_rejected has a row", None),
        ("Could not fulfill resource requirements of job " + JOB + ".", "streaming.order_metrics_5min"),
        ("nothing of any table", None),
    ],
)
def test_the_table_is_known_by_its_name_or_by_its_job(message: str, table: str | None) -> None:
    (entry,) = entries(f"2026-11-22T23:31:24.770Z INFO  X - {message}")
    assert entry.table == table


def test_flinks_own_mark_of_a_job_tells_the_table() -> None:
    (entry,) = entries(f"2026-11-22T23:31:24.770Z WARN  [{JOB}] Task - Source (1/1) switched to FAILED")
    assert (entry.job, entry.table) == (JOB, "streaming.order_metrics_5min")
    assert str(entry) == (
        "2026-11-22T23:31:24.770Z WARN  a-part [streaming.order_metrics_5min] Task - Source (1/1) switched to FAILED"
    )


def test_lines_without_a_time_belong_to_the_entry_before_them() -> None:
    reader = Reader("a-part", TABLES, lambda _: None)
    before, failed = reader.read(
        ["a banner", "2026-11-22T23:31:24.770Z ERROR X - raw.orders: failed", "  at A", "  at B"],
        MOMENT.replace(year=2020),
    )
    assert (before.at.year, before.message) == (2020, "a banner")
    assert failed.message == "raw.orders: failed\n  at A\n  at B"
    (rest,) = reader.read(["  at C"], MOMENT.replace(year=2020))
    assert (rest.at, rest.level, rest.table, rest.message) == (MOMENT, "ERROR", "raw.orders", "  at C")


def test_json_holds_what_is_known() -> None:
    (entry,) = entries("2026-11-22T23:31:24.770Z INFO  X - raw.orders: read")
    assert entry.as_json() == {
        "at": "2026-11-22T23:31:24.770+00:00",
        "part": "a-part",
        "level": "INFO",
        "message": "raw.orders: read",
        "logger": "X",
        "table": "raw.orders",
    }
