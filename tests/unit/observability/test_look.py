"""What a look finds in real Delta tables, and what it does not read again."""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.event_tables import Event, Tables

from lakehouse.observability.histogram import Histogram
from lakehouse.observability.look import look, update
from lakehouse.observability.state import Measured, state_file
from lakehouse.settings import Settings
from lakehouse.storage import create_tables

NOW = int(time.time() * 1000)
TOPIC = "visits"


def visible(tables: Tables, *increments: list[Event]) -> Measured:
    """The state after a look behind each of ``increments``, each committed a second after its newest event."""
    state = Measured(TOPIC)
    for events in increments:
        tables.commit(events, max(event.at_ms for event in events) + 1000)
        state = update(tables.catalog, tables.contract, state)
    return state


def test_latency_is_from_the_timestamp_of_the_message_to_the_commit(tables: Tables) -> None:
    tables.commit([Event(0, NOW - 9000), Event(1, NOW - 4000)], NOW)
    latencies = update(tables.catalog, tables.contract, Measured(TOPIC)).totals
    assert (latencies.count, latencies.total_ms, latencies.max_ms) == (2, 13_000, 9000)


def test_a_second_look_counts_nothing_twice(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW)])
    assert update(tables.catalog, tables.contract, state).totals.count == 1
    tables.commit([Event(1, NOW)], NOW + 500)
    assert update(tables.catalog, tables.contract, state).totals.count == 2


def test_a_compaction_counts_nothing(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW)], [Event(1, NOW)])
    tables.catalog.open("raw.visits").optimize.compact()
    tables.stamp(NOW + 3_600_000)
    state = update(tables.catalog, tables.contract, state)
    assert (state.totals.count, state.duplicates) == (2, 0)
    assert state.positions["raw.visits"].version == 3


def test_what_was_read_is_not_opened_again(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    state = visible(tables, [Event(0, NOW)])
    opened: list[str] = []
    parquet = type(tables.catalog).parquet
    monkeypatch.setattr(
        type(tables.catalog), "parquet", lambda self, location: opened.append(location) or parquet(self, location)
    )
    update(tables.catalog, tables.contract, state)
    assert opened == []
    tables.commit([Event(1, NOW)], NOW)
    update(tables.catalog, tables.contract, state)
    assert len(opened) == 1


def test_of_a_commit_out_of_order_the_prefix_waits_for_what_is_missing(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW)])
    state.held[0].start_at(0)
    tables.commit([Event(3, NOW), Event(4, NOW)], NOW)
    assert update(tables.catalog, tables.contract, state).held[0].following == 1
    tables.commit([Event(1, NOW), Event(2, NOW)], NOW)
    assert update(tables.catalog, tables.contract, state).held[0].following == 5


def test_a_rejected_event_leaves_no_hole(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW), Event(2, NOW)])
    state.held[0].start_at(0)
    assert state.held[0].following == 1
    tables.reject([Event(1, NOW, reason="invalid_json: no object")], NOW)
    state = update(tables.catalog, tables.contract, state)
    assert state.held[0].following == 3
    assert state.rejected == {"invalid_json": 1}
    assert state.totals.count == 2


def test_a_row_that_stands_for_lost_events_is_no_event(tables: Tables) -> None:
    tables.reject([Event(7, 0, reason="offsets_lost: visits[0] offsets 7 to 9")], NOW)
    state = update(tables.catalog, tables.contract, Measured(TOPIC))
    assert state.rejected == {"offsets_lost": 1}
    assert state.held == {}


def test_invalid_events_are_told_by_the_hour_and_rows_of_lost_ones_are_not_among_them(tables: Tables) -> None:
    tables.reject([Event(0, NOW, reason="invalid_json: no object")], NOW - 7_200_000)
    tables.reject([Event(n, NOW, reason="missing: at") for n in (1, 2)], NOW - 60_000)
    tables.reject([Event(9, 0, reason="offsets_lost: visits[0] offsets 9 to 30")], NOW - 30_000)
    state = update(tables.catalog, tables.contract, Measured(TOPIC))
    assert state.refused_since(NOW - 3_600_000) == (2, 0)
    assert Measured.from_json(state.as_json()).refused_since(NOW - 10_000_000) == (3, 0)


def test_where_invalid_events_are_dropped_the_newest_row_ends_the_prefix(make_tables: Callable[..., Tables]) -> None:
    tables = make_tables(on_invalid="drop")
    state = visible(tables, [Event(0, NOW), Event(5, NOW)])
    assert state.held[0].following == 6


def test_an_event_that_a_table_holds_twice_counts_once(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW), Event(1, NOW)], [Event(1, NOW), Event(2, NOW)])
    assert (state.totals.count, state.duplicates) == (3, 1)


@pytest.mark.parametrize("rewrite", ["delete", "update"])
def test_rows_that_a_rewrite_of_their_file_kept_are_no_duplicates(tables: Tables, rewrite: str) -> None:
    state = visible(tables, [Event(offset, NOW) for offset in range(4)])
    table = tables.catalog.open("raw.visits")
    if rewrite == "delete":
        table.delete("kafka_offset = 2")
    else:
        table.update({"kafka_topic": "kafka_topic"}, predicate="kafka_offset = 2")
    tables.stamp(NOW + 3_600_000)
    state = update(tables.catalog, tables.contract, state)
    assert (state.totals.count, state.duplicates) == (4, 0)
    assert state.held[0].ranges == [(0, 4)]
    assert state.positions["raw.visits"].version == 2


def test_an_event_that_a_replay_brings_is_no_hole_any_more(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW), Event(2, NOW)])
    state.held[0].start_at(0)
    rows = tables.catalog.open("raw.visits").to_pyarrow_table()
    replayed = rows.set_column(
        rows.schema.get_field_index("kafka_offset"), "kafka_offset", pa.array([0, 1], pa.int64())
    )
    write_deltalake(tables.catalog.open("raw.visits"), pa.concat_tables([rows, replayed.slice(1)]), mode="overwrite")
    state = update(tables.catalog, tables.contract, state)
    assert state.held[0].following == 3
    assert (state.totals.count, state.duplicates) == (2, 0)


def test_a_deletion_in_quarantine_counts_none_of_the_others_again(tables: Tables) -> None:
    tables.reject([Event(0, NOW, reason="invalid_json: a"), Event(1, NOW, reason="invalid_json: b")], NOW)
    state = update(tables.catalog, tables.contract, Measured(TOPIC))
    tables.catalog.open("raw.visits_rejected").delete("kafka_offset = 0")
    state = update(tables.catalog, tables.contract, state)
    assert (state.rejected, state.duplicates) == ({"invalid_json": 2}, 0)


def test_partitions_are_told_apart(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW, partition=0), Event(0, NOW, partition=1), Event(1, NOW, partition=1)])
    assert {number: held.ranges for number, held in state.held.items()} == {0: [(0, 1)], 1: [(0, 2)]}
    assert state.duplicates == 0


def test_a_restart_goes_on_from_the_file(settings: Settings, tables: Tables) -> None:
    tables.commit([Event(0, NOW - 5000)], NOW)
    look(settings, tables.catalog, tables.contract)
    tables.commit([Event(1, NOW - 3000)], NOW)
    found = look(settings, tables.catalog, tables.contract)
    assert (found.totals.count, found.totals.total_ms) == (2, 8000)
    assert found.held[0].ranges == [(0, 2)]


@pytest.mark.parametrize("text", [None, "", "{", '{"format": 0, "state": {}}'])
def test_without_its_file_it_starts_at_the_present_version(
    settings: Settings, tables: Tables, text: str | None
) -> None:
    for offset in range(12):
        tables.commit([Event(offset, NOW - 60_000)], NOW)
    look(settings, tables.catalog, tables.contract)
    file = state_file(settings, "raw.visits")
    file.unlink() if text is None else file.write_text(text)
    found = look(settings, tables.catalog, tables.contract)
    assert found.totals.count == 0
    assert found.held[0].following == 12
    tables.commit([Event(12, NOW - 1000)], NOW)
    assert look(settings, tables.catalog, tables.contract).totals.count == 1


def test_a_young_table_is_read_from_its_first_version(tables: Tables) -> None:
    for offset in range(3):
        tables.commit([Event(offset, NOW)], NOW)
    assert update(tables.catalog, tables.contract, Measured(TOPIC)).totals.count == 3


def test_a_table_that_was_made_anew_is_not_taken_for_the_old_one(settings: Settings, tables: Tables) -> None:
    for offset in range(3):
        tables.commit([Event(offset, NOW)], NOW)
    look(settings, tables.catalog, tables.contract)
    (settings.state_dir / "tables" / "raw" / "visits").rename(settings.state_dir / "old")
    create_tables(tables.catalog, tables.contract)
    for offset in range(4):
        tables.commit([Event(offset, NOW)], NOW)
    found = look(settings, tables.catalog, tables.contract)
    assert (found.totals.count, found.duplicates) == (4, 0)


def test_a_table_that_is_not_there_yet_is_looked_at_when_it_is(settings: Settings, tables: Tables) -> None:
    missing = settings.state_dir / "tables" / "raw" / "visits"
    missing.rename(settings.state_dir / "later")
    assert look(settings, tables.catalog, tables.contract).positions.keys() == {"raw.visits_rejected"}
    (settings.state_dir / "later").rename(missing)
    tables.commit([Event(0, NOW)], NOW)
    assert look(settings, tables.catalog, tables.contract).totals.count == 1


def test_latencies_of_the_last_hour_are_told_apart_from_those_before(tables: Tables) -> None:
    hour = 3_600_000
    state = visible(tables, [Event(0, NOW - 2 * hour)], [Event(1, NOW - 5000)])
    assert (state.since(NOW - hour).count, state.totals.count) == (1, 2)


def test_commits_older_than_six_hours_are_forgotten_and_stay_in_the_totals(tables: Tables) -> None:
    state = visible(tables, [Event(0, NOW - 7 * 3_600_000)], [Event(1, NOW)])
    assert (len(state.records), state.totals.count) == (1, 2)


def test_of_forgotten_commits_the_oldest_event_of_each_hour_is_kept(tables: Tables) -> None:
    hour = 3_600_000
    for offset, ago in enumerate((9 * hour, 9 * hour - 60_000, 7 * hour)):
        tables.commit([Event(offset, NOW - ago - 4000)], NOW - ago)
    state = update(tables.catalog, tables.contract, Measured(TOPIC))
    assert (len(state.records), len(state.spans)) == (0, 2)
    assert [state.oldest_behind(version) for version in (0, 2, 3)] == [
        NOW - 9 * hour - 4000,
        NOW - 7 * hour - 4000,
        None,
    ]


def test_a_month_of_forgotten_commits_is_bounded_and_loses_no_event() -> None:
    state, hour = Measured(TOPIC), 3_600_000
    for number in range(800):
        state.add(number, NOW - (1000 - number) * hour, latency(1000))
    state.forget(NOW)
    assert len(state.spans) == 720
    assert state.oldest_behind(-1) == NOW - 1000 * hour - 1000
    assert state.oldest_behind(798) == NOW - 201 * hour - 1000


def test_commits_of_a_second_share_a_record(tables: Tables) -> None:
    state = visible(tables, *[[Event(offset, NOW + offset * 1000)] for offset in range(8)])
    assert [(record.first, record.last) for record in state.records] == [(1, 8)]


events = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.integers(0, 90_000)), min_size=1, max_size=12)


@given(st.lists(events, min_size=1, max_size=5), st.data())
@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_increments_add_up_to_a_full_computation(
    make_tables: Callable[..., Tables], commits: list[list[tuple[int, int, int]]], data: st.DataObject
) -> None:
    """Whenever it is looked, with a file between or not, the latencies are those of all events, each counted once."""
    tables = make_tables(table=f"raw.visits{time.monotonic_ns()}")
    state, seen, expected = Measured(TOPIC), set(), Histogram()
    for number, commit in enumerate(commits):
        at_ms = NOW + number * 7000
        for partition, offset, ago in commit:
            if (partition, offset) not in seen:
                expected.merge(latency(ago))
            seen.add((partition, offset))
        tables.commit([Event(offset, at_ms - ago, partition) for partition, offset, ago in commit], at_ms)
        if data.draw(st.booleans()):
            state = Measured.from_json(update(tables.catalog, tables.contract, state).as_json())
    state = update(tables.catalog, tables.contract, state)
    assert state.totals == expected
    assert state.since(0) == expected


def latency(milliseconds: int) -> Histogram:
    return Histogram.of(np.array([milliseconds], dtype=np.int64))


def made(tables: Tables, *moments: int) -> pa.Table:
    schema = pa.schema(tables.catalog.open(tables.contract.table).schema().to_arrow())
    rows = {
        "at": pa.array([moment * 1000 for moment in moments], pa.int64()).cast(schema.field("at").type),
        "emitted_at": pa.array([moment * 1000 for moment in moments], pa.int64()).cast(schema.field("at").type),
    }
    return pa.table(rows, schema=schema)


@pytest.fixture
def results(make_tables: Callable[..., Tables]) -> Tables:
    """The table of a transform that says when it made a row, and replaces rows by `at`."""
    return make_tables(
        columns=[
            {"name": "at", "type": "timestamp", "required": True},
            {"name": "emitted_at", "type": "timestamp", "required": True},
        ],
        engine="flink",
        on_invalid="drop",
        transform={"sql": "visits.sql"},
        source={"topic": TOPIC, "columns": [{"name": "at", "type": "timestamp", "required": True}], "event_time": "at"},
    )


def test_of_a_transform_it_is_the_time_from_making_a_row_to_its_commit(results: Tables) -> None:
    write_deltalake(results.catalog.open("raw.visits"), made(results, NOW - 700, NOW - 300), mode="append")
    results.stamp(NOW)
    latencies = update(results.catalog, results.contract, Measured(TOPIC)).totals
    assert (latencies.count, latencies.total_ms) == (2, 1000)


@pytest.mark.parametrize("feed", ["true", "false"])
def test_rows_that_a_merge_only_copied_are_not_new(results: Tables, feed: str) -> None:
    results.catalog.open("raw.visits").alter.set_table_properties({"delta.enableChangeDataFeed": feed})
    write_deltalake(results.catalog.open("raw.visits"), made(results, NOW - 60_700, NOW - 60_300), mode="append")
    results.stamp(NOW - 60_000)
    changed = made(results, NOW - 60_300).set_column(
        1, "emitted_at", pa.array([(NOW - 400) * 1000], pa.int64()).cast(pa.timestamp("us", "UTC"))
    )
    table = results.catalog.open("raw.visits")
    table.merge(changed, "t.at = s.at", source_alias="s", target_alias="t").when_matched_update_all().execute()
    results.stamp(NOW)
    latencies = update(results.catalog, results.contract, Measured(TOPIC)).totals
    assert (latencies.count, latencies.total_ms) == (3, 700 + 300 + 400)
