"""What a swap leaves in the table, whatever its writer and maintenance commit meanwhile, and wherever it is killed."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import Field
from deltalake.schema import PrimitiveType
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.contracts import visits_contract
from tests.unit.replay.conftest import COLUMNS, DAY_MS, Lake

from lakehouse.replay import swap as module
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.scope import Scope
from lakehouse.replay.swap import Step
from lakehouse.storage import log
from lakehouse.storage.changes import change_feed, rows_sql
from lakehouse.storage.commit import ConcurrentWriteError
from lakehouse.storage.duck import connect

LIVE = [(offset, 1) for offset in range(30)]


class KilledError(Exception):
    """As if the power had failed."""


def test_the_range_is_replaced_and_all_else_stays(lake: Lake) -> None:
    lake.replayed({**dict.fromkeys(range(10, 18), 1), 18: 5})
    assert lake.swap()
    assert lake.rows() == [*LIVE[:18], (18, 5), *LIVE[20:]]


def test_rows_of_another_topic_in_the_same_files_stay(lake: Lake) -> None:
    lake.write(dict.fromkeys(range(10, 20), 7), topic="visits_of_old")
    lake.catalog.open("raw.visits").optimize.compact()
    lake.replayed({**dict.fromkeys(range(10, 18), 1), 18: 5})
    assert lake.swap()
    assert lake.rows() == sorted([*LIVE[:18], (18, 5), *LIVE[20:], *((offset, 7) for offset in range(10, 20))])


def test_a_computed_row_outside_of_the_range_stays_whatever_its_key(lake: Lake) -> None:
    source = {"topic": "visits", "columns": COLUMNS, "event_time": "at"}
    changes = {"source": source, "transform": {"function": "pages:pages"}, "keys": ["pages"], "on_invalid": "drop"}
    scope = Scope(topic="visits", column="at", since=datetime.fromtimestamp(29 * DAY_MS / 1000, UTC))
    computed = replace(lake, contract=visits_contract(COLUMNS, **changes), scope=scope)
    lake.replayed({29: 3})
    assert computed.swap()
    assert lake.rows() == [*((offset, 1) for offset in range(29)), (29, 3)]


def test_files_without_a_differing_row_are_not_touched(lake: Lake) -> None:
    before = set(lake.catalog.open("raw.visits").file_uris())
    lake.replayed(dict.fromkeys(range(10, 20), 2))
    lake.swap()
    after = set(lake.catalog.open("raw.visits").file_uris())
    assert len(before - after) == 1
    assert len(after - before) == 1


def test_what_is_equal_commits_nothing(lake: Lake) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 1))
    version = lake.catalog.open("raw.visits").version()
    assert not lake.swap()
    assert lake.catalog.open("raw.visits").version() == version


def test_a_second_swap_of_the_same_replay_does_nothing(lake: Lake) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 2))
    assert lake.swap()
    assert not lake.swap()


def test_readers_of_the_change_feed_get_the_changed_rows_alone(lake: Lake) -> None:
    lake.replayed({**dict.fromkeys(range(10, 19), 1), 19: 7})
    since = lake.catalog.open("raw.visits").version()
    lake.swap()
    connection = connect(lake.catalog)
    feed = change_feed(connection, lake.catalog, "raw.visits", since, since + 1)
    sql = rows_sql(connection, feed, {"kafka_offset": "BIGINT", "pages": "BIGINT"})
    assert sorted(connection.execute(sql).fetchall()) == [(19, 1, "delete"), (19, 7, "insert")]


def test_rows_of_the_range_that_somebody_else_changes_each_time_are_told(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 2))
    before_each_commit(monkeypatch, lambda: lake.write({15: 9}, transaction=None) or remove(lake, 15, 9))
    with pytest.raises(ConcurrentWriteError, match="another writer committed"):
        lake.swap()


def test_a_key_that_is_there_twice_is_told(lake: Lake) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 2))
    lake.write({12: 3})
    with pytest.raises(ReplayError, match=r"kafka_partition 0, kafka_offset 12"):
        lake.swap()


def test_a_column_that_is_new_since_is_null_in_what_is_swapped_in_and_taken_back(lake: Lake) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 2))
    before = lake.catalog.open("raw.visits").version()
    lake.catalog.open("raw.visits").alter.add_columns([Field("referrer", PrimitiveType("string"), nullable=True)])
    assert lake.swap()
    assert lake.rows() == [*LIVE[:10], *((offset, 2) for offset in range(10, 20)), *LIVE[20:]]
    assert lake.swap(Step.ROLLBACK, before)
    assert lake.rows() == LIVE
    table = lake.catalog.open("raw.visits").to_pyarrow_table(columns=["referrer"])
    assert table["referrer"].null_count == 30


def test_what_is_gone_is_told_with_the_version_that_it_was_of(lake: Lake) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 2))
    lake.swap()
    lake.catalog.open("raw.visits").vacuum(0, dry_run=False, enforce_retention_duration=False)
    told = r"raw\.visits at version 6 .*raw/visits', version => 3\).*[\s\S]*`retention`"
    with pytest.raises(ReplayError, match=told):
        lake.swap(Step.ROLLBACK, 3)


def test_events_of_a_topic_that_was_created_again_are_not_taken_for_those_of_the_table(lake: Lake) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 1))
    lake.catalog.open("replay.visits").update(
        predicate="kafka_offset = 13", new_values={"kafka_timestamp": datetime(2026, 11, 20, tzinfo=UTC)}
    )
    with pytest.raises(ReplayError, match=r"kafka_offset 13\) is an event of 1970-01-14 .* one of 2026-11-20"):
        lake.swap()


#: What others do: rows appended, files put together, and what a MERGE does, which rewrites rows outside and inside of
#: the range, and inserts one there.
OPERATIONS = ("append", "compact", "outside", "inside", "insert", "nothing")
RANGE = range(10, 20)
#: Of the range, what the table lacks at first.
LACKING = 17


@settings(max_examples=10, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    replayed=st.dictionaries(st.sampled_from(RANGE), st.integers(1, 3)),
    meanwhile=st.lists(st.sampled_from(OPERATIONS), max_size=3),
    later=st.lists(st.sampled_from(OPERATIONS), max_size=2),
    back=st.lists(st.sampled_from(OPERATIONS), max_size=2),
    killed=st.sampled_from(["never", "before", "behind"]),
)
# In a file of its own: no file that the swap writes anew tells of it.
@example(replayed={LACKING: 2}, meanwhile=["insert"], later=[], back=[], killed="never")
def test_nothing_is_lost_or_doubled_whatever_happens_meanwhile(
    make_lake: Callable[[Path], Lake],
    replayed: dict[int, int],
    meanwhile: list[str],
    later: list[str],
    back: list[str],
    killed: str,
) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        lake = make_lake(Path(directory))
        live = {offset: 1 for offset in range(30) if offset != LACKING}
        lake.write({offset: 1 for offset in live if offset < 12})
        lake.write({offset: 1 for offset in live if offset >= 12})
        lake.replayed(replayed)

        def act(operations: list[str]) -> None:
            while operations:
                apply(lake, live, operations.pop())

        def expect() -> None:
            assert lake.rows() == sorted(live.items())

        before_each_commit(patch, lambda: act(meanwhile), killed)
        if killed != "never" and replayed != {offset: 1 for offset in RANGE if offset != LACKING}:
            with pytest.raises(KilledError):
                lake.swap()
        lake.swap()
        before = dict(live)
        replace_range(live, replayed)
        expect()
        if "REPLAY" not in (history := [commit["operation"] for commit in lake.catalog.open("raw.visits").history()]):
            return

        act(later)
        before_each_commit(patch, lambda: act(back))
        # The newest comes first; the version before the swap has as many others behind it as the swap and one.
        lake.swap(Step.ROLLBACK, len(history) - 2 - history.index("REPLAY"))
        replace_range(live, {offset: pages for offset, pages in before.items() if offset in RANGE})
        act(back)
        expect()
        # And the same rows by another replay.
        lake.swap(replay_id="second")
        replace_range(live, replayed)
        expect()


def apply(lake: Lake, live: dict[int, int], operation: str) -> None:
    """Does what another writer may do to the table, and to ``live``, which is what it has to hold."""
    if operation == "append":
        following = max(live) + 1
        lake.write({following: 1, following + 1: 1}, transaction=("writer", following))
        live.update({following: 1, following + 1: 1})
    elif operation == "compact":
        lake.catalog.open("raw.visits").optimize.compact()
    elif operation == "insert" and LACKING not in live:
        lake.write({LACKING: 9})
        live[LACKING] = 9
    elif operation in ("outside", "inside"):
        # 8 and 25 lie in one file with rows of the range.
        for offset in {"outside": (8, 25), "inside": (11, 15)}[operation]:
            lake.catalog.open("raw.visits").update(predicate=f"kafka_offset = {offset}", updates={"pages": "9"})
            live.update({offset: 9} if offset in live else {})


def replace_range(live: dict[int, int], rows: dict[int, int]) -> None:
    for offset in RANGE:
        live.pop(offset, None)
    live.update(rows)


def before_each_commit(patch: pytest.MonkeyPatch, act: Callable[[], object], killed: str = "never") -> None:
    """Has ``act`` happen before each commit; the first that comes about is ``killed`` before it or behind it."""
    commit_files, over = log.commit_files, []

    def commit(*arguments: object) -> int:
        act()
        if killed == "before" and not over:
            over.append(killed)
            raise KilledError
        version = commit_files(*arguments)  # type: ignore[arg-type]
        if killed == "behind" and not over:
            over.append(killed)
            raise KilledError
        return version

    patch.setattr(module.log, "commit_files", commit)


def remove(lake: Lake, offset: int, pages: int) -> None:
    lake.catalog.open("raw.visits").delete(f"kafka_offset = {offset} AND pages = {pages}")
