"""How a table is created or replaced as a whole: by delta-rs, unless a target has a writer of its own."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage import commit
from lakehouse.storage.catalog import Catalog

#: The computed rows for which an SQL condition holds, in the types and the order that their files should have.
RowsReader = Callable[[str], pa.RecordBatchReader]


class Writer(Protocol):
    """Stores all rows of a table, and the progress that goes with them. Raises ConcurrentWriteError."""

    def create(self, spec: ModelSpec, rows: RowsReader, new: commit.NewTable, progress: commit.Progress) -> None:
        """Creates the table."""

    def replace(
        self, table: DeltaTable, spec: ModelSpec, rows: RowsReader, new: commit.NewTable, progress: commit.Progress
    ) -> None:
        """Replaces rows, schema and partitioning of ``table``."""

    def holds(self, table: DeltaTable, spec: ModelSpec, computed: str, held: str) -> bool:
        """Whether ``table`` holds the very rows that were computed, each as often; both are a SELECT of DuckDB."""


@dataclass(frozen=True)
class DeltaRsWriter:
    """One commit, of rows that DuckDB streams."""

    catalog: Catalog
    connection: DuckDBPyConnection

    def create(self, spec: ModelSpec, rows: RowsReader, new: commit.NewTable, progress: commit.Progress) -> None:
        """See Writer."""
        commit.create(self.catalog, spec.name, rows("true"), new, progress)

    def replace(
        self, table: DeltaTable, spec: ModelSpec, rows: RowsReader, new: commit.NewTable, progress: commit.Progress
    ) -> None:
        """See Writer."""
        commit.replace(table, spec.name, rows("true"), new, progress)

    def holds(self, table: DeltaTable, spec: ModelSpec, computed: str, held: str) -> bool:
        """See Writer."""
        differing = f"(({computed}) EXCEPT ALL ({held})) UNION ALL (({held}) EXCEPT ALL ({computed}))"
        return not self.connection.execute(f"SELECT 1 FROM ({differing}) LIMIT 1").fetchall()
