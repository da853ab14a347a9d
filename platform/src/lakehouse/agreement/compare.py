"""Compares each party's closed windows with those that DuckDB makes of the events' table.

A party may lack events of a window that came too late for it, and no others. Where it keeps these in a table, they are
known one by one. Where it drops them, an event *may* have been dropped if one so much newer had arrived before it that
the window was closed; which of these were, batches and partitions decide. Then as many have to be missing as there may
be, with a sum that so many of them can have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from lakehouse.agreement.closed import Span, closed_by_all, closed_by_parties, microseconds
from lakehouse.agreement.parties import Party, Trial
from lakehouse.observability.look import made_at
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.duck import connect
from lakehouse.storage.sql import relation
from lakehouse.storage.stats import commit_time

#: Readers of several partitions may meet an event that arrived so much later before one that arrived earlier.
_SKEW_SECONDS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Difference:
    """A window of which a party has other numbers than the events make.

    ``late`` are the amounts of the events that came too late, or may have (``certain``: which of them is known).
    """

    window_start: datetime
    window_end: datetime
    status: str
    events: int
    counted: int
    events_cents: int
    counted_cents: int
    late: tuple[int, ...] = ()
    certain: bool = True

    @property
    def explained(self) -> bool:
        """Whether late events are all that is missing."""
        missing, cents = self.events - self.counted, self.events_cents - self.counted_cents
        if self.certain:
            return (missing, cents) == (len(self.late), sum(self.late))
        if not 0 <= missing <= len(self.late):
            return False
        amounts = sorted(self.late)
        return sum(amounts[:missing]) <= cents <= sum(amounts[len(amounts) - missing :])


@dataclass(frozen=True)
class Agreement:
    """What was found of one party: ``windows`` were compared, by status, which began and ended within these times.

    ``events`` are those of all these windows; where windows slide, an event is in several of them.
    """

    table: str
    begin: datetime
    until: datetime
    windows: int
    events: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if not difference.explained)

    @property
    def late(self) -> int:
        """How many of ``events`` are not counted as they came too late; what else is missing is not among them."""
        return sum(found.events - found.counted for found in self.differences if found.explained)


@dataclass(frozen=True)
class _Known:
    """What can be judged: windows of ``span`` without events that arrived after ``arrived_by``.

    An engine may have read what the table of events does not hold yet: that holds what arrived until ``read_until``.
    Both in microseconds since 1970.
    """

    span: Span
    arrived_by: int
    read_until: int


def compare(catalog: Catalog, trial: Trial) -> list[Agreement]:
    """What is found of each party now; nothing of one while there is no window to compare."""
    # A table that nobody has written yet has no say.
    trial = replace(trial, parties=tuple(party for party in trial.parties if catalog.exists(party.table)))
    if not trial.parties or not catalog.exists(trial.events.table):
        return []
    names = [trial.events.table, *(party.table for party in trial.parties)]
    # Before anything is read: what is read is at least as new.
    arrived_by = min(commit_time(catalog.open(name)) for name in names) - trial.settling
    late = [name for party in trial.parties if (name := party.contract.late) and catalog.exists(name)]
    duck = connect(catalog, [*names, *late])
    parties = closed_by_parties(duck, trial)
    if parties is None:
        return []
    _take_events(duck, trial, parties)
    closed = closed_by_all(duck, trial, parties)
    if closed is None:
        return []
    span, read_until = closed
    known = _Known(span, microseconds(arrived_by - _EPOCH), read_until)
    found = [_compare(catalog, duck, party, known) for party in trial.parties]
    # That none of no windows is wrong says nothing.
    return [agreement for agreement in found if agreement.windows]


def _take_events(duck: DuckDBPyConnection, trial: Trial, span: Span) -> None:
    """The events since ``span`` began; and of each second in which some arrived, the newest that had by then or nearly.

    By the second, for a maximum over all events before each event would take longer than all the rest.
    """
    duck.execute(
        f"""
        CREATE TEMP TABLE events AS
        SELECT epoch_us(event_time) AS happened, coalesce(status, 'unknown') AS status, amount_cents AS cents,
               kafka_topic, kafka_partition, kafka_offset, epoch_us(kafka_timestamp) AS arrived,
               arrived // 1000000 AS second
        FROM {relation(trial.events.table)} WHERE event_time >= ?
        """,  # noqa: S608  (a contract's table)
        [_moment(span.begin)],
    )
    duck.execute(
        f"""
        CREATE TEMP TABLE arrivals AS
        SELECT second, max(newest) OVER (ORDER BY second RANGE BETWEEN UNBOUNDED PRECEDING AND
                                         {_SKEW_SECONDS} FOLLOWING) AS newest_before
        FROM (SELECT second, max(happened) AS newest FROM events GROUP BY second)
        """  # noqa: S608  (a constant)
    )


def _compare(catalog: Catalog, duck: DuckDBPyConnection, party: Party, known: _Known) -> Agreement:
    span, made = known.span, made_at(party.contract)
    window, slide = microseconds(party.window), microseconds(party.slide)
    late, certain = "newest_before >= start + $window + $delay", False
    if party.contract.late is not None:
        certain = True
        late = "late_offset IS NOT NULL" if catalog.exists(party.contract.late) else "false"
    which = "LEFT JOIN arrivals USING (second)"
    if "late_offset" in late:
        which = f"LEFT JOIN ({_late_offsets(party)}) USING (kafka_topic, kafka_partition, kafka_offset)"
    rows = duck.execute(
        f"""
        WITH placed AS (
            SELECT * FROM (
                SELECT *, happened // $slide * $slide - unnest(range(0, $window, $slide)) AS start
                FROM events {which}
            ) WHERE happened < start + $window
        ),
        made AS (
            SELECT start, status, count(*) AS events, sum(cents) AS events_cents, max(arrived) AS arrived,
                   coalesce(list(cents) FILTER ({late}), []) AS late
            FROM placed GROUP BY start, status
        ),
        versions AS (
            SELECT epoch_us(window_start) AS start, coalesce(status, 'unknown') AS status, order_count,
                   total_amount_cents, {f"epoch_us({made})" if made else "0"} AS made
            FROM {relation(party.table)} WHERE window_start >= $since
            -- NULL and `unknown` are versions of their own, and one group.
            QUALIFY row_number() OVER (
                PARTITION BY {relation(party.table)}.window_start, {relation(party.table)}.status
                ORDER BY {made or "order_count"} DESC, order_count DESC
            ) = 1
        ),
        counted AS (
            SELECT start, status, sum(order_count) AS counted, sum(total_amount_cents) AS counted_cents,
                   max(made) AS made
            FROM versions GROUP BY start, status
        )
        SELECT start, status, coalesce(events, 0), coalesce(counted, 0), coalesce(events_cents, 0),
               coalesce(counted_cents, 0), coalesce(late, [])
        FROM made FULL JOIN counted USING (start, status)
        WHERE start >= $begin AND start + $window <= $until AND coalesce(arrived, 0) <= $arrived_by
          AND (coalesce(counted, 0) <= coalesce(events, 0) OR made <= $read_until)
        ORDER BY start, status
        """,  # noqa: S608  (contracts' tables)
        {
            "slide": slide,
            "window": window,
            "since": _moment(span.begin),
            "begin": span.begin,
            "until": span.until,
            "arrived_by": known.arrived_by,
            "read_until": known.read_until,
            **({} if certain else {"delay": microseconds(party.delay)}),
        },
    ).fetchall()
    differences = tuple(_differences(rows, party.window, certain))
    events = sum(row[2] for row in rows)
    return Agreement(party.table, _moment(span.begin), _moment(span.until), len(rows), events, differences)


def _differences(rows: list[tuple[Any, ...]], window: timedelta, certain: bool) -> Iterator[Difference]:
    for start, status, events, counted, events_cents, counted_cents, late in rows:
        if (events, events_cents) != (counted, counted_cents) or (certain and late):
            began = _moment(start)
            yield Difference(
                began, began + window, status, events, counted, events_cents, counted_cents, tuple(late), certain
            )


def _late_offsets(party: Party) -> str:
    """The events that the party kept apart, each once."""
    if party.contract.late is None:
        return ""
    columns = "kafka_topic, kafka_partition, kafka_offset"
    return f"SELECT DISTINCT {columns}, kafka_offset AS late_offset FROM {relation(party.contract.late)}"  # noqa: S608


def _moment(microseconds_since: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds_since)
