"""Rows and progress are one commit, and of two writers with the same progress one fails."""

from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.storage import Catalog, commit
from lakehouse.storage.commit import ConcurrentWriteError, NewTable

NEW = NewTable(partition_by=["part"], description="Items", properties={"delta.enableChangeDataFeed": "true"})


def rows(*values: tuple[int, str, int]) -> pa.RecordBatchReader:
    names = ("id", "part", "value")
    table = pa.table(dict(zip(names, zip(*values, strict=True), strict=True)))
    return table.to_reader()


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(str(tmp_path))
    commit.create(catalog, "raw.items", rows((1, "a", 10), (2, "b", 20)), NEW, {"reader": 7})
    return catalog


def held(catalog: Catalog) -> list[tuple[object, ...]]:
    table = catalog.open("raw.items").to_pyarrow_table().select(["id", "part", "value"])
    return sorted(tuple(row.values()) for row in table.to_pylist())


def test_progress_is_stored_with_the_rows(catalog: Catalog) -> None:
    table = catalog.open("raw.items")
    commit.append(table, "raw.items", rows((3, "a", 30)), {"reader": 8, "other": 1}, evolve=False)
    after = catalog.open("raw.items")
    assert [commit.progress_of(after, name) for name in ("reader", "other", "nobody")] == [8, 1, None]
    assert after.version() == 1
    assert len(held(catalog)) == 3


def test_a_commit_without_rows_stores_progress_alone(catalog: Catalog) -> None:
    empty = rows((0, "", 0)).schema.empty_table().to_reader()
    commit.append(catalog.open("raw.items"), "raw.items", empty, {"reader": 9}, evolve=False)
    after = catalog.open("raw.items")
    assert commit.progress_of(after, "reader") == 9
    assert len(after.file_uris()) == 2


def test_a_replaced_table_may_have_other_columns_and_partitions(catalog: Catalog) -> None:
    other = pa.table({"key": ["x"], "day": ["monday"]}).to_reader()
    commit.replace(catalog.open("raw.items"), "raw.items", other, NewTable(["day"], "", {}), {"reader": 8})
    after = catalog.open("raw.items")
    assert after.version() == 1
    assert after.metadata().partition_columns == ["day"]
    assert after.to_pyarrow_table().to_pylist() == [{"key": "x", "day": "monday"}]


def test_the_rows_of_a_predicate_are_replaced(catalog: Catalog) -> None:
    new = rows((5, "a", 50))
    commit.replace_where(catalog.open("raw.items"), "raw.items", new, "part = 'a'", {"reader": 8}, evolve=False)
    assert held(catalog) == [(2, "b", 20), (5, "a", 50)]


def test_of_two_writers_with_the_same_progress_one_fails(catalog: Catalog) -> None:
    first, second = catalog.open("raw.items"), catalog.open("raw.items")
    commit.append(first, "raw.items", rows((3, "a", 30)), {"reader": 8}, evolve=False)
    with pytest.raises(ConcurrentWriteError, match=r"raw\.items: another writer committed"):
        commit.append(second, "raw.items", rows((3, "a", 30)), {"reader": 8}, evolve=False)
    assert len(held(catalog)) == 3


def test_writers_with_progress_of_their_own_do_not_disturb_one_another(catalog: Catalog) -> None:
    first, second = catalog.open("raw.items"), catalog.open("raw.items")
    commit.append(first, "raw.items", rows((3, "a", 30)), {"reader": 8}, evolve=False)
    commit.append(second, "raw.items", rows((4, "a", 40)), {"other": 1}, evolve=False)
    assert len(held(catalog)) == 4


def test_a_table_that_exists_is_not_created_again(catalog: Catalog) -> None:
    with pytest.raises(ConcurrentWriteError, match="another writer created the table"):
        commit.create(catalog, "raw.items", rows((9, "z", 9)), NEW, {"reader": 1})
    assert len(held(catalog)) == 2
