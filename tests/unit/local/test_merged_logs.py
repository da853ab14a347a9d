"""The logs of several parts as one."""

from pathlib import Path

import pytest

from lakehouse.local.merged_logs import following, merged
from lakehouse.local.supervisor import log_file
from lakehouse.settings import Settings


def line(second: int, message: str, level: str = "INFO") -> str:
    return f"2026-11-22T23:31:{second:02d}.000Z {level:<5} X - {message}\n"


@pytest.fixture
def logged(settings: Settings) -> Settings:
    settings.logs_dir.mkdir(parents=True)
    log_file(settings, "kafka").write_text(line(1, "one") + line(4, "four") + line(5, "five", "WARN"))
    log_file(settings, "spark").write_text(line(2, "raw.orders: two") + line(3, "raw.orders: three", "ERROR"))
    return settings


def shown(settings: Settings, count: int = 100, table: str | None = None, level: str | None = None) -> list[str]:
    found = merged(settings, ["kafka", "postgres", "spark"], count, table, level)
    return [entry.message.rsplit(" ", 1)[-1] for entry in found]


def test_they_are_merged_by_time(logged: Settings) -> None:
    assert shown(logged) == ["one", "two", "three", "four", "five"]


def test_the_last_ones_of_all_are_shown(logged: Settings) -> None:
    assert shown(logged, 2) == ["four", "five"]
    assert shown(logged, 0) == []


def test_a_table_and_a_level_are_looked_for_in_the_whole_log(logged: Settings) -> None:
    assert shown(logged, 1, table="raw.orders") == ["three"]
    assert shown(logged, 2, level="WARN") == ["three", "five"]
    assert shown(logged, 5, table="raw.orders", level="ERROR") == ["three"]


def test_what_comes_is_told_after_what_was(logged: Settings) -> None:
    entries = following(logged, ["kafka", "spark"], 2, None, None)
    assert [next(entries).message, next(entries).message] == ["four", "five"]
    append(log_file(logged, "spark"), line(7, "seven"))
    append(log_file(logged, "kafka"), line(6, "six"))
    assert [next(entries).message, next(entries).message] == ["six", "seven"]


def append(file: Path, text: str) -> None:
    with file.open("a") as stream:
        stream.write(text)
