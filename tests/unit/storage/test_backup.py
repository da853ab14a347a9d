"""The order of copying that docs/how-to/recover.md gives makes a backup of one moment, while the table is written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake


def append(table: Path, commit: int) -> None:
    write_deltalake(table, pa.table({"commit": [commit]}), mode="append")


def copy_log(table: Path, backup: Path) -> None:
    shutil.copytree(table / "_delta_log", backup / "_delta_log")


def copy_data(table: Path, backup: Path) -> None:
    shutil.copytree(table, backup, ignore=shutil.ignore_patterns("_delta_log"), dirs_exist_ok=True)


def rows(table: Path) -> list[int]:
    return sorted(DeltaTable(table).to_pyarrow_table()["commit"].to_pylist())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for commit in range(3):
        append(tmp_path / "table", commit)
    DeltaTable(tmp_path / "table").create_checkpoint()
    return tmp_path / "table"


def back_up(table: Path, *steps: Callable[[Path, Path], None]) -> Path:
    """A backup by ``steps``, between which the table gets another row and is compacted."""
    backup = table.parent / "backup"
    for position, step in enumerate(steps):
        step(table, backup)
        append(table, 3 + position)
        DeltaTable(table).optimize.compact()
    return backup


def test_log_first_is_the_table_as_of_its_newest_entry(table: Path) -> None:
    backup = back_up(table, copy_log, copy_data)
    assert rows(backup) == [0, 1, 2]
    assert rows(table) == [0, 1, 2, 3, 4]


def test_data_first_names_files_that_are_not_there(table: Path) -> None:
    backup = back_up(table, copy_data, copy_log)
    with pytest.raises(Exception, match=r"No such file|not found|Not Found"):
        rows(backup)


def test_a_restored_table_is_written_on(table: Path) -> None:
    restored = back_up(table, copy_log, copy_data)
    append(restored, 7)
    assert rows(restored) == [0, 1, 2, 7]


def test_a_table_goes_back_to_a_version_of_its_own(table: Path) -> None:
    DeltaTable(table).restore(1)
    assert rows(table) == [0, 1]
    append(table, 8)
    assert rows(table) == [0, 1, 8]
