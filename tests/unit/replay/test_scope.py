"""Which rows a replay may replace."""

from datetime import UTC, datetime

import duckdb

from lakehouse.replay.scope import QUARANTINED, Scope

NOON, ONE, TWO = (datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (12, 13, 14))


def rows(condition: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE {QUARANTINED} AS SELECT 0 AS kafka_partition, 11::BIGINT AS kafka_offset")
        connection.execute(
            "CREATE TABLE events AS SELECT 'visits' AS kafka_topic, p AS kafka_partition, o AS kafka_offset,"
            " TIMESTAMPTZ '2026-11-20 12:00:00+00:00' + INTERVAL (o) MINUTE AS kafka_timestamp"
            " FROM range(2) AS partitions(p), range(100) AS offsets(o)"
        )
        connection.execute("INSERT INTO events VALUES ('visits', 0, 12, NULL), ('other', 0, 11, now())")
        sql = f"SELECT kafka_partition, kafka_offset FROM events WHERE {condition} ORDER BY ALL"
        return connection.execute(sql).fetchall()


def test_offsets_are_of_one_topic_and_their_partition() -> None:
    assert rows(Scope(topic="visits", offsets={0: (10, 12), 1: (50, 51)}).condition) == [(0, 10), (0, 11), (1, 50)]


def test_times_are_from_and_before() -> None:
    scope = Scope(topic="visits", column="kafka_timestamp", since=NOON, until=datetime(2026, 11, 20, 12, 2, tzinfo=UTC))
    assert rows(scope.condition) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_of_quarantine_only_what_it_held_and_no_record_of_lost_events() -> None:
    scope = Scope(topic="visits", offsets={0: (10, 13)}, quarantine_version=3)
    assert rows(scope.condition) == [(0, 11)]
    assert rows(scope.without_quarantine().rejected_condition) == [(0, 10), (0, 11), (0, 12)]


def test_ranges_overlap_where_a_row_may_be_in_both() -> None:
    of = {p: Scope(topic="visits", offsets={p: (10, 20)}) for p in (0, 1)}
    assert of[0].overlaps(Scope(topic="visits", offsets={0: (19, 30), 1: (0, 5)}))
    assert not of[0].overlaps(of[1])
    windows = Scope(topic="visits", column="window_start", since=NOON, until=ONE)
    assert windows.overlaps(Scope(topic="visits", column="window_start", until=TWO))
    assert not windows.overlaps(Scope(topic="visits", column="window_start", since=ONE, until=TWO))
