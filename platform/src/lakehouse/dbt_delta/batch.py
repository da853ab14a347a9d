"""The rows that a model computed for a table that exists, and the outcomes that strategies share."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.columns import Columns, Resolution, alive, typed_select
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage import commit
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.sql import quoted_list

#: Rows handed from DuckDB to delta-rs at a time.
_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Outcome:
    """What a build did to the table, and the number of rows concerned."""

    action: str
    rows: int

    @property
    def message(self) -> str:
        return f"{self.action} {self.rows}"


@dataclass(frozen=True)
class Batch:
    """Computed rows on their way into ``table``. ``rows`` and ``target`` are SQL that FROM takes."""

    catalog: Catalog
    connection: DuckDBPyConnection
    spec: ModelSpec
    rows: str
    computed: Columns
    target: str
    held: Columns
    resolution: Resolution
    table: DeltaTable
    progress: commit.Progress
    progress_moved: bool
    interval: tuple[str, str] | None

    @property
    def evolves(self) -> bool:
        return bool(self.resolution.added)

    @property
    def alive(self) -> str:
        """The condition that a row is not marked `_deleted`."""
        return alive(self.computed)

    def count(self, where: str = "true") -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {self.rows} WHERE {where}").fetchall()[0][0])

    def reader(self, sql: str) -> pa.RecordBatchReader:
        return sorted_reader(self.connection, self.spec, sql)

    def new_rows(self, where: str = "true") -> str:
        columns = typed_select(self.resolution.columns, self.computed)
        return f"SELECT {columns} FROM {self.rows} WHERE {where}"

    def held_rows(self, where: str) -> str:
        columns = typed_select(self.resolution.columns, self.held, "held")
        return f"SELECT {columns} FROM {self.target} AS held WHERE {where}"


def sorted_reader(connection: DuckDBPyConnection, spec: ModelSpec, sql: str) -> pa.RecordBatchReader:
    """The rows of ``sql`` in the order their files should have: by partition, then by the clustering columns."""
    order = quoted_list(dict.fromkeys((*spec.partition_by, *spec.cluster_by)))
    statement = f"SELECT * FROM ({sql}) AS rows ORDER BY {order}" if order else sql
    return connection.execute(statement).to_arrow_reader(_BATCH_ROWS)


def store_progress(batch: Batch) -> Outcome:
    """No row changes: stores new columns, and that the sources were consumed; commits nothing where neither is new."""
    if batch.evolves or batch.progress_moved:
        # Models downstream select a new column whether or not a row has a value in it yet.
        no_rows = batch.reader(batch.held_rows("false"))
        commit.append(batch.table, batch.spec.name, no_rows, batch.progress, evolve=batch.evolves)
    return Outcome("ADD COLUMNS" if batch.evolves else "UNCHANGED", 0)


def replace_all(batch: Batch, survivors: str, rows: str) -> Outcome:
    """Replaces the table by its surviving rows and the new ones: the only way to drop a column."""
    count = batch.count(rows)
    sql = f"{batch.held_rows(survivors)} UNION ALL {batch.new_rows(rows)}"
    new = commit.NewTable(batch.spec.partition_by, batch.spec.description, {})
    commit.replace(batch.table, batch.spec.name, batch.reader(sql), new, batch.progress)
    return Outcome(batch.spec.strategy.upper(), count)
