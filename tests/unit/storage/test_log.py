"""A log entry of given files: committed once, on top of what it was computed from, or not at all."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import obstore
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from obstore.exceptions import AlreadyExistsError

from lakehouse.storage import Catalog, commit
from lakehouse.storage.commit import ConcurrentWriteError, NewTable, progress_of
from lakehouse.storage.duck import delta_scan_sql, load_delta_extension
from lakehouse.storage.files import held_files
from lakehouse.storage.log import Action, Operation, commit_files
from lakehouse.storage.parquet import write_parquet

NAME = "raw.items"
OPERATION = Operation("MERGE", {"predicate": "t.id = s.id"}, {"numTargetRowsUpdated": 1})


def rows(*values: tuple[int, str, int]) -> pa.RecordBatchReader:
    return pa.table(dict(zip(("id", "part", "value"), zip(*values, strict=True), strict=True))).to_reader()


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        load_delta_extension(connection)
        yield connection


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A table of two partitions, the first of two files."""
    catalog = Catalog(str(tmp_path))
    commit.create(catalog, NAME, rows((1, "a", 10), (2, "b", 20)), NewTable(["part"], "", {}), {"reader": 1})
    commit.append(catalog.open(NAME), NAME, rows((3, "a", 30), (4, "b", 40)), {"reader": 2}, evolve=False)
    return catalog


@pytest.fixture
def replacing(catalog: Catalog, connection: duckdb.DuckDBPyConnection) -> Callable[..., list[Action]]:
    """The actions that replace the files of partition `a` by one whose single row has ``value``."""

    def replace(value: int = 11) -> list[Action]:
        base = catalog.uri(NAME)
        old = [file for file in held_files(catalog.open(NAME), base).values() if file.partition == {"part": "a"}]
        columns = {"id": "BIGINT", "value": "BIGINT"}
        new = write_parquet(
            connection, base, "part=a", f"SELECT 1::BIGINT AS id, {value}::BIGINT AS value", columns, {"part": "a"}
        )
        return [*(file.remove() for file in old), *(file.add() for file in new)]

    return replace


def held(catalog: Catalog) -> list[tuple[object, ...]]:
    table = catalog.open(NAME).to_pyarrow_table().select(["id", "part", "value"])
    return sorted(tuple(row.values()) for row in table.to_pylist())


def put(catalog: Catalog, read: DeltaTable, actions: Sequence[Action], version: int = 3) -> int:
    return commit_files(catalog, NAME, read, OPERATION, actions, {"reader": version})


AFTER = [(1, "a", 11), (2, "b", 20), (4, "b", 40)]


def test_files_and_progress_are_one_commit(
    catalog: Catalog, connection: duckdb.DuckDBPyConnection, replacing: Callable[..., list[Action]]
) -> None:
    assert put(catalog, catalog.open(NAME), replacing()) == 2
    assert held(catalog) == AFTER
    assert (
        connection.execute(f"SELECT id, part, value FROM {delta_scan_sql(catalog, NAME)} ORDER BY id").fetchall()
        == AFTER
    )
    assert progress_of(catalog.open(NAME), "reader") == 3
    assert catalog.open(NAME).history(1)[0]["operation"] == "MERGE"


def test_compaction_of_other_files_in_between_is_let_pass(
    catalog: Catalog, replacing: Callable[..., list[Action]]
) -> None:
    read, actions = catalog.open(NAME), replacing()
    catalog.open(NAME).optimize.compact(partition_filters=[("part", "=", "b")])
    assert put(catalog, read, actions) == 3
    assert held(catalog) == AFTER


def test_compaction_of_the_very_files_is_a_conflict(catalog: Catalog, replacing: Callable[..., list[Action]]) -> None:
    read, actions = catalog.open(NAME), replacing()
    catalog.open(NAME).optimize.compact()
    with pytest.raises(ConcurrentWriteError, match=r"version 2 .* moved rows that this one changes"):
        put(catalog, read, actions)


def test_rows_that_another_writer_added_are_a_conflict(
    catalog: Catalog, replacing: Callable[..., list[Action]]
) -> None:
    read, actions = catalog.open(NAME), replacing()
    write_deltalake(catalog.open(NAME), rows((9, "b", 90)), mode="append")
    with pytest.raises(ConcurrentWriteError, match="and changed rows"):
        put(catalog, read, actions)
    assert (9, "b", 90) in held(catalog)


def test_rows_that_do_not_concern_these_are_let_pass(catalog: Catalog, replacing: Callable[..., list[Action]]) -> None:
    read, actions = catalog.open(NAME), replacing()
    write_deltalake(catalog.open(NAME), rows((9, "b", 90)), mode="append")
    catalog.open(NAME).delete("id = 2")
    asked = []

    def concerns(path: str) -> bool:
        asked.append(path.split("/")[0])
        return False

    assert commit_files(catalog, NAME, read, OPERATION, actions, {"reader": 3}, concerns) == 4
    assert held(catalog) == [(1, "a", 11), (4, "b", 40), (9, "b", 90)]
    assert set(asked) == {"part=b"}


def test_a_file_that_these_remove_concerns_them_in_any_case(
    catalog: Catalog, replacing: Callable[..., list[Action]]
) -> None:
    read, actions = catalog.open(NAME), replacing()
    catalog.open(NAME).delete("id = 1")
    with pytest.raises(ConcurrentWriteError, match="and changed rows"):
        commit_files(catalog, NAME, read, OPERATION, actions, {"reader": 3}, lambda _path: False)


def test_a_changed_table_definition_is_a_conflict(catalog: Catalog, replacing: Callable[..., list[Action]]) -> None:
    read, actions = catalog.open(NAME), replacing()
    catalog.open(NAME).alter.set_table_properties({"delta.logRetentionDuration": "interval 9 days"})
    with pytest.raises(ConcurrentWriteError, match="changed the table's metaData"):
        put(catalog, read, actions)


def test_the_same_progress_is_a_conflict_even_without_rows(
    catalog: Catalog, replacing: Callable[..., list[Action]]
) -> None:
    read, actions = catalog.open(NAME), replacing()
    put(catalog, catalog.open(NAME), [])
    with pytest.raises(ConcurrentWriteError, match=r"stored the same writer's progress \(reader\)"):
        put(catalog, read, actions)


def test_of_many_writers_at_once_exactly_one_commits(catalog: Catalog, replacing: Callable[..., list[Action]]) -> None:
    read = catalog.open(NAME)
    attempts = [replacing(value) for value in range(8)]

    def attempt(actions: list[Action]) -> bool:
        try:
            put(catalog, read, actions)
        except ConcurrentWriteError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, attempts))
    assert sum(won) == 1
    assert held(catalog)[0] == (1, "a", won.index(True))


def test_a_put_whose_answer_got_lost_is_known_as_its_own(
    catalog: Catalog, replacing: Callable[..., list[Action]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stands for an object store's client that repeats a conditional put: the second one meets the first."""
    real = obstore.put

    def repeated(*arguments: object, **options: object) -> None:
        real(*arguments, **options)  # type: ignore[arg-type]
        raise AlreadyExistsError("the object exists")

    monkeypatch.setattr(obstore, "put", repeated)
    assert put(catalog, catalog.open(NAME), replacing()) == 2
    assert held(catalog) == AFTER


def test_checkpoints_keep_the_log_short(tmp_path: Path) -> None:
    catalog = Catalog(str(tmp_path))
    new = NewTable([], "", {"delta.checkpointInterval": "3"})
    commit.create(catalog, NAME, rows((1, "a", 10)), new, {})
    for version in range(1, 4):
        put(catalog, catalog.open(NAME), [], version)
    log = Path(catalog.uri(NAME), "_delta_log")
    assert [file.name for file in log.glob("*.checkpoint.parquet")] == [f"{3:020}.checkpoint.parquet"]
    for version in range(3):
        (log / f"{version:020}.json").unlink()
    assert progress_of(catalog.open(NAME), "reader") == 3
    assert held(catalog) == [(1, "a", 10)]
