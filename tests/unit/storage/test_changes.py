"""The change feed, held against two versions of real tables."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.storage import Catalog
from lakehouse.storage.changes import HistoryGoneError, change_feed, rows_sql

COLUMNS = {"id": "BIGINT", "part": "VARCHAR", "value": "BIGINT"}
Rows = list[tuple[int, str | None, int | None]]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(str(tmp_path))


def table(rows: Rows) -> pa.Table:
    names = ("id", "part", "value")
    types = (pa.int64(), pa.string(), pa.int64())
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})


def write(catalog: Catalog, rows: Rows, mode: str = "append", *, feed: bool = True, **options: object) -> None:
    configuration = {"delta.enableChangeDataFeed": "true"} if feed else None
    write_deltalake(
        catalog.uri("raw.items"), table(rows), mode=mode, partition_by=["part"], configuration=configuration, **options
    )  # type: ignore[call-overload]


def opened(catalog: Catalog) -> DeltaTable:
    return catalog.open("raw.items")


def changes(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, since: int, columns: dict[str, str] | None = None
) -> Counter[tuple[object, ...]]:
    feed = change_feed(connection, catalog, "raw.items", since, opened(catalog).version())
    return Counter(connection.execute(rows_sql(connection, feed, columns or COLUMNS)).fetchall())


def test_appended_rows_are_inserts(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10)])
    write(catalog, [(2, "a", 20), (2, "a", 20), (3, "", None)])
    assert changes(connection, catalog, 0) == {(2, "a", 20, "insert"): 2, (3, None, None, "insert"): 1}


def test_an_update_is_its_old_row_deleted_and_its_new_row_inserted(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog
) -> None:
    write(catalog, [(1, "a", 10), (2, "a", 20)])
    opened(catalog).update(updates={"value": "value + 1"}, predicate="id = 1")
    opened(catalog).delete("id = 2")
    assert changes(connection, catalog, 0) == {
        (1, "a", 10, "delete"): 1,
        (1, "a", 11, "insert"): 1,
        (2, "a", 20, "delete"): 1,
    }


def test_what_was_undone_is_not_reported(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10)])
    write(catalog, [(2, "b", 20)])
    opened(catalog).update(updates={"value": "99"}, predicate="id = 1")
    opened(catalog).update(updates={"value": "10"}, predicate="id = 1")
    opened(catalog).delete("id = 2")
    assert changes(connection, catalog, 0) == {}


def test_compaction_reports_nothing(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10)])
    write(catalog, [(2, "a", 20)])
    opened(catalog).optimize.compact()
    assert changes(connection, catalog, 1) == {}


def test_a_rewritten_table_reports_only_what_differs(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10), (2, "b", 20)])
    write(catalog, [(1, "a", 10), (2, "b", 21)], "overwrite")
    assert changes(connection, catalog, 0) == {(2, "b", 20, "delete"): 1, (2, "b", 21, "insert"): 1}


def test_a_source_without_change_feed_reports_the_same(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10), (2, "a", 20)], feed=False)
    opened(catalog).update(updates={"value": "11"}, predicate="id = 1")
    assert changes(connection, catalog, 0) == {(1, "a", 10, "delete"): 1, (1, "a", 11, "insert"): 1}


def test_repartitioning_reports_nothing(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10), (2, "b", 20)])
    rows = table([(1, "a", 10), (2, "b", 20)])
    write_deltalake(opened(catalog), rows, mode="overwrite", schema_mode="overwrite", partition_by=["id"])
    assert changes(connection, catalog, 0) == {}


def test_columns_that_are_not_asked_for_do_not_count(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10)])
    opened(catalog).update(updates={"value": "11"}, predicate="id = 1")
    assert changes(connection, catalog, 0, {"id": "BIGINT", "part": "VARCHAR"}) == {}


def test_a_younger_column_is_null_in_older_files(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10)])
    write(catalog, [(2, "a", 20)])
    wider = table([(3, "a", 30)]).append_column("note", pa.array(["new"]))
    write_deltalake(opened(catalog), wider, mode="append", schema_mode="merge")
    rows = changes(connection, catalog, 0, {"id": "BIGINT", "note": "VARCHAR"})
    assert rows == {(2, None, "insert"): 1, (3, "new", "insert"): 1}


def test_partition_values_survive_any_character(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "x", 0)])
    write(catalog, [(2, "a b/c%d=é'", 20)])
    assert changes(connection, catalog, 0) == {(2, "a b/c%d=é'", 20, "insert"): 1}


def test_missing_log_entries_are_an_error(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10)])
    write(catalog, [(2, "a", 20)])
    Path(catalog.uri("raw.items"), "_delta_log", f"{1:020}.json").unlink()
    with pytest.raises(HistoryGoneError, match=r"the log of raw\.items no longer holds its versions 1 to 1"):
        change_feed(connection, catalog, "raw.items", 0, 1)


def test_vacuumed_files_are_an_error(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    write(catalog, [(1, "a", 10)])
    write(catalog, [(2, "a", 20)])
    opened(catalog).delete()
    opened(catalog).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(HistoryGoneError, match=r"files of raw\.items from its versions 1 to"):
        changes(connection, catalog, 0)
