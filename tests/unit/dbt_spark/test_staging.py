"""Rows on their way from Spark into a table."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.exceptions import PermissionDeniedError

from lakehouse.dbt_spark import staging as module
from lakehouse.dbt_spark.staging import Staging
from lakehouse.storage import Catalog

NAME = "marts.m"


def frame(**columns: list[object]) -> MagicMock:
    """A data frame that writes files as Spark does; the mock is Spark's."""

    def parquet(location: str) -> None:
        Path(location).mkdir(parents=True)
        pq.write_table(pa.table(columns), f"{location}/part-0.parquet")

    computed = MagicMock()
    computed.write.parquet.side_effect = parquet
    return computed


@pytest.fixture
def staging(tmp_path: Path) -> Callable[[str], Staging]:
    """Staging below a directory of that name."""

    def make(root: str) -> Staging:
        (tmp_path / root).mkdir()
        return Staging(Catalog(str(tmp_path / root)))

    return make


def test_a_root_that_looks_like_a_partition_is_no_column(staging: Callable[[str], Staging]) -> None:
    rows = staging("year=2026").write(NAME, frame(number=[1, 2]))
    assert duckdb.sql(f"SELECT * FROM {rows}").columns == ["number"]


def test_what_was_staged_is_deleted(staging: Callable[[str], Staging], tmp_path: Path) -> None:
    staged = staging("tables")
    staged.write(NAME, frame(number=[1]))
    assert list(tmp_path.rglob("*.parquet"))
    staged.clear(NAME)
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_a_computation_left_that_failed_is_deleted(staging: Callable[[str], Staging], tmp_path: Path) -> None:
    computed = frame(number=[1])
    write = computed.write.parquet.side_effect

    def fail(location: str) -> None:
        write(location)
        raise ValueError("divide by zero")

    computed.write.parquet.side_effect = fail
    with pytest.raises(ValueError, match="divide by zero"):
        staging("tables").write(NAME, computed)
    assert not list(tmp_path.rglob("*.parquet"))


def test_rows_that_cannot_be_deleted_fail_nothing(
    staging: Callable[[str], Staging], monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = staging("tables")
    staged.write(NAME, frame(number=[1]))
    warned: list[str] = []
    monkeypatch.setattr(module._logger, "warning", warned.append)

    def refuse(*_: object) -> None:
        raise PermissionDeniedError("no")

    monkeypatch.setattr("obstore.delete", refuse)
    staged.clear(NAME)
    (warning,) = warned
    assert "staged rows stay below" in warning
    assert "_staging/marts.m/" in warning


def test_what_was_never_staged_needs_no_deletion(staging: Callable[[str], Staging]) -> None:
    staging("tables").clear(NAME)
