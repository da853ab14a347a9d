"""What is asked of the broker, and what its answers tell. The broker here has the answers of a real one: offsets and
messages; `tests/integration/test_freshness.py` asks that one.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from tests.event_tables import Event, Tables

from lakehouse.observability import look
from lakehouse.observability.broker import Broker, Partition
from lakehouse.observability.freshness import Freshness, ask, measure
from lakehouse.observability.state import Measured, state_file, write_state
from lakehouse.settings import Settings

NOW = int(time.time() * 1000)
TOPIC = "visits"


@dataclass
class Log(Broker):
    """A topic whose messages, by partition and offset, have these timestamps; every other offset holds a marker."""

    written: dict[int, dict[int, int]]
    end: int

    def partitions(self, topics: Iterable[str]) -> dict[str, list[int]]:
        return {TOPIC: sorted(self.written)}

    def ends(self, partitions: Mapping[str, Iterable[int]]) -> dict[Partition, int]:
        return {(TOPIC, partition): self.end for partition in self.written}

    def beginnings(self, partitions: Mapping[str, Iterable[int]]) -> dict[Partition, int]:
        return {(TOPIC, partition): 0 for partition in self.written}

    def committed(self, groups: Iterable[str]) -> dict[str, dict[Partition, int]]:
        return {group: {} for group in groups}

    def messages(self, topic: str, offsets: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        firsts = {p: min((at for at in self.written[p] if at >= offset), default=None) for p, offset in offsets.items()}
        return {p: (first, self.written[p][first]) for p, first in firsts.items() if first is not None}


def measured(settings: Settings, tables: Tables, broker: Broker) -> Freshness:
    return measure(settings, tables.catalog, [tables.contract], broker)[tables.contract.table]


def every_other(last: int, ago_ms: int = 0) -> dict[int, int]:
    """Transactions of one message each."""
    return dict.fromkeys(range(0, last, 2), NOW - ago_ms)


def test_with_holes_left_to_look_into_the_age_is_unknown_and_not_0(settings: Settings, tables: Tables) -> None:
    tables.commit([Event(offset, NOW) for offset in every_other(90)], NOW)
    # Behind more holes than one question looks into, an event that the table lacks.
    log = Log({0: every_other(90) | {89: NOW - 50_000}}, end=90)
    assert measured(settings, tables, log).age is None
    ages = [measured(settings, tables, log).age for _ in range(3)]
    assert ages[-1] == pytest.approx(50 + time.time() - NOW / 1000, abs=1)


def test_a_miss_is_told_whatever_other_holes_hold(settings: Settings, tables: Tables) -> None:
    tables.commit([Event(offset, NOW) for offset in every_other(90)], NOW)
    log = Log({0: every_other(90), 1: {0: NOW - 90_000}}, end=90)
    freshness = measured(settings, tables, log)
    assert freshness.contract < 90
    assert freshness.age == pytest.approx(90 + time.time() - NOW / 1000, abs=1)


def test_after_a_pause_no_age_is_told_until_the_log_is_read(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the look has not come to yet is visible all the same."""
    monkeypatch.setattr(look, "_MOST_COMMITS", 2)
    for offset in range(4):
        tables.commit([Event(offset, NOW - 3_600_000)], NOW - 3_590_000)
    log = Log({0: dict.fromkeys(range(4), NOW - 3_600_000)}, end=4)
    ages = [measured(settings, tables, log) for _ in range(4)]
    assert [(told.age, told.missed_for) for told in ages] == [(None, None), (None, None), (0, None), (0, None)]


def test_a_table_that_is_not_looked_at_any_more_tells_no_age(settings: Settings, tables: Tables) -> None:
    """The exporter looks and asks in threads of their own; the one that asks may come first, or stay alone."""
    log = Log({0: {0: NOW - 3_600_000}}, end=1)
    file = state_file(settings, tables.contract.table)
    file.parent.mkdir(parents=True)
    write_state(file, Measured(TOPIC, looked_ms=NOW - 3_600_000).as_json())
    assert ask(settings, [tables.contract], log)[tables.contract.table].age_ms is None
    assert measured(settings, tables, log).age == pytest.approx(3600 + time.time() - NOW / 1000, abs=1)
