"""The log of a real table, followed commit by commit."""

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from lakehouse.storage import Catalog
from lakehouse.storage.tail import BEFORE_ALL, Commit, Position, commits_after, position_at

ROWS = pa.table({"id": [1, 2, 3]})


def append(catalog: Catalog, transactions: dict[str, int] | None = None) -> None:
    listed = [Transaction(app_id, version) for app_id, version in (transactions or {}).items()]
    properties = CommitProperties(app_transactions=listed)
    write_deltalake(catalog.uri("raw.visits"), ROWS, mode="append", commit_properties=properties)


def commits(catalog: Catalog, position: Position, limit: int = 100) -> list[Commit]:
    return [commit for commit, _ in commits_after(catalog, "raw.visits", position, limit)]


@pytest.fixture
def table(catalog: Catalog) -> Catalog:
    for _ in range(3):
        append(catalog)
    return catalog


def test_each_commit_comes_once_and_in_order(table: Catalog) -> None:
    assert [commit.version for commit in commits(table, BEFORE_ALL)] == [0, 1, 2]
    assert [file.rows for commit in commits(table, BEFORE_ALL) for file in commit.added] == [3, 3, 3]
    *_, (_, position) = commits_after(table, "raw.visits", BEFORE_ALL, 2)
    assert [commit.version for commit in commits(table, position)] == [2]


def test_the_time_is_the_one_that_history_tells(table: Catalog) -> None:
    told = {entry["version"]: entry["timestamp"] for entry in table.open("raw.visits").history()}
    assert {commit.version: commit.at_ms for commit in commits(table, BEFORE_ALL)} == told


def test_a_compaction_adds_nothing_and_replaces_nothing(table: Catalog) -> None:
    table.open("raw.visits").optimize.compact()
    *_, compaction = commits(table, BEFORE_ALL)
    assert (compaction.version, compaction.added, compaction.replaces) == (3, (), False)


def test_a_rewrite_says_so_and_names_its_change_data_files(table: Catalog) -> None:
    table.open("raw.visits").alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    table.open("raw.visits").update(updates={"id": "id + 1"}, predicate="id = 2")
    *_, update = commits(table, BEFORE_ALL)
    assert update.replaces
    assert update.added
    assert update.changes


def test_progress_of_writers_is_told(catalog: Catalog) -> None:
    append(catalog, {"spark:1": 7, "dbt:epoch": 2})
    (commit,) = commits(catalog, BEFORE_ALL)
    assert commit.transactions == {"spark:1": 7, "dbt:epoch": 2}


def test_files_are_found_where_they_are_named(table: Catalog) -> None:
    (file,) = commits(table, BEFORE_ALL, limit=1)[0].added
    assert table.parquet(file.location).read().to_pydict() == {"id": [1, 2, 3]}


def test_a_position_holds_until_its_entry_is_gone_or_another(table: Catalog) -> None:
    position = position_at(table, "raw.visits", 1)
    assert position is not None
    assert position.holds(table, "raw.visits")
    assert not Position(1, position.digest + 1).holds(table, "raw.visits")
    assert not Position(9, position.digest).holds(table, "raw.visits")
