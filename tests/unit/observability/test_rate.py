"""Rows a second, whichever engine wrote them."""

import time
from collections.abc import Callable

from tests.event_tables import Event, Tables

from lakehouse.observability.look import look
from lakehouse.observability.rate import rows_per_second
from lakehouse.settings import Settings

NOW = int(time.time() * 1000)


def test_it_is_what_became_visible_within_five_minutes(settings: Settings, tables: Tables) -> None:
    assert rows_per_second(settings, tables.contract) is None  # Nobody has looked yet.
    tables.commit([Event(0, NOW - 3_600_000)], NOW - 3_600_000)
    tables.commit([Event(offset, NOW) for offset in range(1, 601)], NOW)
    look(settings, tables.catalog, tables.contract)
    assert rows_per_second(settings, tables.contract) == 2.0


def test_rows_that_do_not_tell_when_they_were_made_are_not_counted(
    settings: Settings, make_tables: Callable[..., Tables]
) -> None:
    columns = [{"name": "at", "type": "timestamp", "required": True}]
    tables = make_tables(
        source={"topic": "visits", "columns": columns, "event_time": "at"},
        on_invalid="drop",
        transform={"function": "example.visits:same", "trigger": "5 s"},
    )
    look(settings, tables.catalog, tables.contract)
    assert rows_per_second(settings, tables.contract) is None
