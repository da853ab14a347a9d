"""Maintenance rearranges files and deletes what nobody needs; rows and what readers of changes see stay."""

import re
import time
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.delta_tables import let_pass

from lakehouse.errors import LakehouseError
from lakehouse.storage import Catalog, TableNotFoundError
from lakehouse.storage.changes import change_feed, rows_sql
from lakehouse.storage.create import table_properties
from lakehouse.storage.duck import connect
from lakehouse.storage.maintain import (
    HeldByReaderError,
    Layout,
    Reader,
    clean_log,
    compact,
    retention_of,
    shape,
    untidy_partitions,
    vacuum,
)

NAME = "raw.t"
DAYS = (date(2026, 1, 1), date(2026, 1, 2), None)
FOUR = Layout(small_files=4)


def append(catalog: Catalog, *numbers: int, day: date | None = None, retention: timedelta = timedelta(0)) -> None:
    rows = pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "day": pa.array([day] * len(numbers), pa.date32()),
        }
    )
    write_deltalake(
        catalog.uri(NAME), rows, mode="append", partition_by=["day"], configuration=table_properties(retention)
    )


def numbers(catalog: Catalog) -> list[int]:
    return sorted(pa.table(catalog.open(NAME).to_pyarrow_table())["number"].to_pylist())


def fill(catalog: Catalog, count: int, retention: timedelta = timedelta(0)) -> None:
    """``count`` commits of one file each, into one day."""
    for number in range(count):
        append(catalog, number, day=DAYS[0], retention=retention)


class WriterComesFirst(Catalog):
    """The writer changes a row whenever maintenance has opened the table, the first ``times`` times."""

    def __init__(self, root: str, times: int) -> None:
        super().__init__(root)
        self._left = iter(range(times))

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def open(self, name: str, version: int | None = None) -> DeltaTable:
        table = super().open(name, version)
        if next(self._left, None) is not None:
            DeltaTable(self.uri(name)).update(updates={"number": "number + 100"}, predicate="number % 100 = 0")
        return table


class TestCompaction:
    def test_small_files_of_a_partition_become_one_with_the_same_rows(self, catalog: Catalog) -> None:
        fill(catalog, 5)
        before = shape(catalog, NAME, FOUR)
        done = compact(catalog, NAME, FOUR)
        after = shape(catalog, NAME, FOUR)
        assert (done.partitions, done.yielded) == (("day=2026-01-01",), ())
        assert (before.files, before.small_files, after.files) == (5, 5, 1)
        assert numbers(catalog) == [0, 1, 2, 3, 4]

    def test_partitions_with_few_small_files_are_left_alone(self, catalog: Catalog) -> None:
        fill(catalog, 4)
        for number in range(3):
            append(catalog, 100 + number, day=DAYS[1])
        kept = {path for path in catalog.open(NAME).file_uris() if "2026-01-02" in path}
        assert untidy_partitions(catalog, NAME, FOUR) == [{"day": "2026-01-01"}]
        compact(catalog, NAME, FOUR)
        assert kept < set(catalog.open(NAME).file_uris())

    def test_large_files_do_not_count_as_small(self, catalog: Catalog) -> None:
        fill(catalog, 4)
        size = max(pa.table(catalog.open(NAME).get_add_actions(flatten=True))["size_bytes"].to_pylist())
        assert untidy_partitions(catalog, NAME, Layout(target_bytes=size, small_files=4)) == []
        assert len(untidy_partitions(catalog, NAME, Layout(target_bytes=4 * size, small_files=4))) == 1

    def test_the_partition_of_null_is_compacted_too_and_alone(self, catalog: Catalog) -> None:
        for day in (DAYS[2], DAYS[2], DAYS[2], DAYS[2], DAYS[0]):
            append(catalog, 1, day=day)
        assert compact(catalog, NAME, FOUR).partitions == ("day=None",)
        assert shape(catalog, NAME, FOUR).files == 2

    def test_values_that_need_quoting_name_their_partition(self, catalog: Catalog) -> None:
        for value in ("a b/c=d%'\"", "other"):
            for number in range(4):
                rows = pa.table({"number": [number], "day": [value], "sure": [True]})
                write_deltalake(catalog.uri(NAME), rows, mode="append", partition_by=["day", "sure"])
        assert len(compact(catalog, NAME, FOUR).partitions) == 2
        assert shape(catalog, NAME, FOUR).files == 2

    def test_a_table_without_partitions_is_one(self, catalog: Catalog) -> None:
        for number in range(4):
            write_deltalake(catalog.uri(NAME), pa.table({"number": [number]}), mode="append")
        assert compact(catalog, NAME, FOUR).partitions == ("the table",)
        assert shape(catalog, NAME, FOUR).files == 1

    def test_rows_are_sorted_together_by_the_columns_to_cluster_by(self, catalog: Catalog) -> None:
        for number in (3, 1, 4, 2):
            append(catalog, number, day=DAYS[0])
        compact(catalog, NAME, Layout(small_files=4, cluster_by=("number",)))
        assert pa.table(catalog.open(NAME).to_pyarrow_table())["number"].to_pylist() == [1, 2, 3, 4]

    def test_readers_of_changes_see_none(self, catalog: Catalog) -> None:
        fill(catalog, 4)
        before = catalog.open(NAME).version()
        compact(catalog, NAME, FOUR)
        with connect(catalog) as connection:
            feed = change_feed(connection, catalog, NAME, before, before + 1)
            assert feed.files == ()
            whole = change_feed(connection, catalog, NAME, 0, before + 1)
            assert len(connection.execute(rows_sql(connection, whole, {"number": "BIGINT"})).fetchall()) == 3

    def test_a_second_look_finds_nothing_to_do(self, catalog: Catalog) -> None:
        fill(catalog, 4)
        compact(catalog, NAME, FOUR)
        version = catalog.open(NAME).version()
        assert compact(catalog, NAME, FOUR).partitions == ()
        assert catalog.open(NAME).version() == version

    def test_it_tries_again_when_the_writer_came_first(self, catalog: Catalog) -> None:
        fill(catalog, 4)
        # Once when it looks, and once when it rewrites.
        done = compact(WriterComesFirst(catalog.root, times=2), NAME, FOUR)
        assert (done.partitions, done.yielded) == (("day=2026-01-01",), ())
        assert shape(catalog, NAME, FOUR).files == 1
        assert numbers(catalog) == [1, 2, 3, 200]

    def test_it_yields_to_a_writer_that_always_comes_first(
        self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "sleep", lambda _: None)
        fill(catalog, 4)
        done = compact(WriterComesFirst(catalog.root, times=99), NAME, FOUR)
        assert (done.partitions, done.yielded) == ((), ("day=2026-01-01",))
        assert numbers(catalog) == [1, 2, 3, 400]
        assert shape(catalog, NAME, FOUR).files == 4

    def test_a_table_that_is_not_there_is_named(self, catalog: Catalog) -> None:
        with pytest.raises(TableNotFoundError, match=re.escape("raw.t")):
            compact(catalog, NAME, FOUR)


@settings(max_examples=50)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 9), st.sampled_from(DAYS)),
            st.tuples(st.just("delete"), st.integers(0, 9)),
            st.tuples(st.just("compact"), st.sampled_from([(), ("number",)])),
            st.tuples(st.just("vacuum")),
            st.tuples(st.just("a day"), st.sampled_from([1, 2])),
            st.tuples(st.just("clean")),
        ),
        max_size=12,
    )
)
def test_maintenance_changes_no_row_whatever_happens_in_between(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]]
) -> None:
    catalog = Catalog(str(tmp_path_factory.mktemp("tables")))
    append(catalog, 0)
    expected = [0]
    for kind, *given_ in steps:
        match kind:
            case "append":
                append(catalog, given_[0], day=given_[1])  # type: ignore[arg-type]
                expected.append(given_[0])  # type: ignore[arg-type]
            case "delete":
                catalog.open(NAME).delete(f"number = {given_[0]}")
                expected = [number for number in expected if number != given_[0]]
            case "compact":
                compact(catalog, NAME, Layout(small_files=2, cluster_by=given_[0]))  # type: ignore[arg-type]
            case "vacuum":
                vacuum(catalog, NAME, (), dry_run=False)
            case "a day":
                let_pass(catalog.uri(NAME), timedelta(days=given_[0]))  # type: ignore[arg-type]
            case "clean":
                clean_log(catalog, NAME)
        assert numbers(catalog) == sorted(expected)


class TestVacuum:
    """The retention of these tables is nothing, so that a day is what files stay."""

    def test_a_dry_run_tells_and_the_other_deletes(self, catalog: Catalog) -> None:
        fill(catalog, 4)
        replaced = set(catalog.open(NAME).file_uris())
        compact(catalog, NAME, FOUR)
        let_pass(catalog.uri(NAME), timedelta(days=2))
        told = vacuum(catalog, NAME, (), dry_run=True)
        assert {f"{catalog.uri(NAME)}/{path}" for path in told} == replaced
        assert all(Path(path).exists() for path in replaced)
        assert vacuum(catalog, NAME, (), dry_run=False) == told
        assert not any(Path(path).exists() for path in replaced)
        assert numbers(catalog) == [0, 1, 2, 3]

    @pytest.mark.parametrize(("retention", "passed"), [(timedelta(0), 0.9), (timedelta(days=3), 2.9)])
    def test_what_was_replaced_within_the_retention_stays(
        self, catalog: Catalog, retention: timedelta, passed: float
    ) -> None:
        fill(catalog, 4, retention=retention)
        compact(catalog, NAME, FOUR)
        let_pass(catalog.uri(NAME), timedelta(days=passed))
        assert vacuum(catalog, NAME, (), dry_run=False) == []
        assert len(catalog.open(NAME, 3).to_pyarrow_table()) == 4

    def test_files_that_a_writer_never_committed_go_when_they_are_old(self, catalog: Catalog) -> None:
        append(catalog, 1)
        old, young = (Path(catalog.uri(NAME)) / f"{name}.parquet" for name in ("old", "young"))
        old.write_bytes(b"")
        let_pass(catalog.uri(NAME), timedelta(days=2))
        young.write_bytes(b"")
        assert vacuum(catalog, NAME, (), dry_run=False) == ["old.parquet"]
        assert young.exists()

    def test_a_reader_that_is_behind_for_longer_than_the_retention_holds_it(self, catalog: Catalog) -> None:
        fill(catalog, 4)
        compact(catalog, NAME, FOUR)
        let_pass(catalog.uri(NAME), timedelta(days=2))
        with pytest.raises(HeldByReaderError, match=r"the model marts\.m has consumed version 2 of 4.*Run it"):
            vacuum(catalog, NAME, [Reader("the model marts.m", 2)], dry_run=True)
        assert len(vacuum(catalog, NAME, [Reader("the model marts.m", 4)], dry_run=False)) == 4

    def test_a_reader_that_is_behind_for_less_does_not(self, catalog: Catalog) -> None:
        fill(catalog, 1)
        old = Path(catalog.uri(NAME)) / "old.parquet"
        old.write_bytes(b"")
        let_pass(catalog.uri(NAME), timedelta(days=2))
        append(catalog, 2, day=DAYS[0])
        assert vacuum(catalog, NAME, [Reader("slow", 0)], dry_run=False) == ["old.parquet"]

    def test_a_reader_whose_log_entries_are_gone_holds_it(self, catalog: Catalog) -> None:
        fill(catalog, 3)
        catalog.open(NAME).create_checkpoint()
        (Path(catalog.uri(NAME)) / "_delta_log" / f"{1:020}.json").unlink()
        with pytest.raises(HeldByReaderError, match="longer than its log goes back"):
            vacuum(catalog, NAME, [Reader("lost", 0)], dry_run=False)


class TestLog:
    def test_a_checkpoint_is_written_and_old_entries_go(self, catalog: Catalog) -> None:
        fill(catalog, 3)
        log = Path(catalog.uri(NAME)) / "_delta_log"
        let_pass(catalog.uri(NAME), timedelta(days=2))
        clean_log(catalog, NAME)
        assert (log / f"{2:020}.checkpoint.parquet").exists()
        assert not (log / f"{0:020}.json").exists()
        assert numbers(catalog) == [0, 1, 2]


@pytest.mark.parametrize(
    ("given_property", "expected"),
    [
        (None, timedelta(days=7)),
        ("interval 30 days", timedelta(days=30)),
        ("interval 1 week", timedelta(weeks=1)),
        ("interval 90 seconds", timedelta(seconds=90)),
    ],
)
def test_the_retention_is_read_from_the_table(
    catalog: Catalog, given_property: str | None, expected: timedelta
) -> None:
    configuration = {"delta.deletedFileRetentionDuration": given_property} if given_property else None
    write_deltalake(catalog.uri(NAME), pa.table({"number": [1]}), configuration=configuration)
    assert retention_of(catalog.open(NAME)) == expected


def test_a_retention_that_is_no_interval_is_named(catalog: Catalog) -> None:
    append(catalog, 1)
    log = Path(catalog.uri(NAME)) / "_delta_log" / f"{0:020}.json"
    log.write_text(log.read_text().replace("interval 0 seconds", "a while"))
    with pytest.raises(LakehouseError, match=r"'a while'; expected an interval"):
        retention_of(catalog.open(NAME))
