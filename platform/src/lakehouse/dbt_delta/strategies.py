"""How computed rows go into an existing table: one function a strategy, each a single commit."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.checks import check_not_null, check_unique
from lakehouse.dbt_delta.columns import DELETED, Columns, Resolution, typed_select
from lakehouse.dbt_delta.diff import DIFF, compute_diff, literal_of
from lakehouse.dbt_delta.errors import BatchError, ModelConfigError
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.dbt_delta.sql import literal, quoted, quoted_list
from lakehouse.storage import commit

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


def append(batch: Batch) -> Outcome:
    """Adds the rows."""
    if batch.resolution.dropped:
        return _rewrite(batch, survivors="true", rows="true")
    count = batch.count()
    if count == 0:
        return _nothing(batch)
    commit.append(batch.table, batch.spec.name, batch.reader(batch.new_rows()), batch.progress, evolve=batch.evolves)
    return Outcome("APPEND", count)


def merge(batch: Batch) -> Outcome:
    """Inserts rows with a new unique key, updates those that differ, deletes those marked `_deleted`."""
    check_not_null(batch.connection, batch.spec, batch.rows)
    check_unique(batch.connection, batch.spec, batch.rows)
    if batch.resolution.dropped:
        keys = quoted_list(batch.spec.unique_key)
        keep = f"({keys}) NOT IN (SELECT {keys} FROM {batch.rows})"
        return _rewrite(batch, survivors=keep, rows=_alive(batch))
    columns = batch.resolution.columns
    diff = compute_diff(batch.connection, batch.spec, batch.rows, batch.computed, columns, batch.target)
    if diff.empty:
        return _nothing(batch)
    if diff.updated + diff.deleted == 0:
        rows = batch.reader(f"SELECT {quoted_list(columns)} FROM {DIFF}")
        commit.append(batch.table, batch.spec.name, rows, batch.progress, evolve=batch.evolves)
        return Outcome("MERGE", diff.inserted)
    plan = commit.Merge(
        match=diff.match,
        update_columns=[column for column in columns if column not in batch.spec.unique_key],
        insert_columns=list(columns),
        update_if="s._action = 'update'",
        delete_if="s._action = 'delete'",
        insert_if="s._action = 'insert'",
    )
    reader = batch.reader(f"SELECT * FROM {DIFF}")
    commit.merge(batch.table, batch.spec.name, reader, plan, batch.progress, evolve=batch.evolves)
    return Outcome("MERGE", diff.inserted + diff.updated + diff.deleted)


def delete_insert(batch: Batch) -> Outcome:
    """Deletes every row whose key occurs in the batch, then adds the batch; keys may repeat in it."""
    check_not_null(batch.connection, batch.spec, batch.rows)
    keys = quoted_list(batch.spec.unique_key)
    keep = f"({keys}) NOT IN (SELECT {keys} FROM {batch.rows})"
    touched_rows = f"{batch.target} AS held WHERE NOT ({keep})"
    if batch.spec.partition_by:
        return _replace_partitions(batch, touched_rows, keep)
    if batch.connection.execute(f"SELECT count(*) FROM {touched_rows}").fetchall()[0][0] == 0:
        return append(batch)
    return _rewrite(batch, survivors=keep, rows=_alive(batch))


def insert_overwrite(batch: Batch) -> Outcome:
    """Replaces the partitions that occur in the batch."""
    parts = quoted_list(batch.spec.partition_by)
    return _replace_partitions(batch, None, f"({parts}) NOT IN (SELECT {parts} FROM {batch.rows})")


def microbatch(batch: Batch) -> Outcome:
    """Replaces the rows whose event time lies in the batch's interval, which includes its start only."""
    if batch.interval is None or batch.spec.event_time is None:
        raise ModelConfigError(f"{batch.spec.name}: strategy 'microbatch' needs event_time, begin and batch_size")
    kind = batch.held[batch.spec.event_time]
    start, end = (_moment(text, kind) for text in batch.interval)
    column = quoted(batch.spec.event_time)
    inside = f"{column} >= CAST({start} AS {kind}) AND {column} < CAST({end} AS {kind})"
    if batch.resolution.dropped:
        return _rewrite(batch, survivors=f"NOT ({inside})", rows=inside)
    count = batch.count(inside)
    replaced = f"SELECT 1 FROM {batch.target} WHERE {inside} LIMIT 1"
    if count == 0 and not batch.connection.execute(replaced).fetchall():
        return _nothing(batch)
    reader = batch.reader(batch.new_rows(inside))
    predicate = f"{column} >= {start} AND {column} < {end}"
    commit.replace_where(batch.table, batch.spec.name, reader, predicate, batch.progress, evolve=batch.evolves)
    return Outcome("MICROBATCH", count)


STRATEGIES: dict[str, Callable[[Batch], Outcome]] = {
    "append": append,
    "merge": merge,
    "delete+insert": delete_insert,
    "insert_overwrite": insert_overwrite,
    "microbatch": microbatch,
}


def _moment(text: str, kind: str) -> str:
    """The UTC time ``text`` as a plain literal: delta-rs compares it in the column's own type, a cast one in none."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    if kind == "DATE":
        return literal(moment.date().isoformat())
    zoned = moment if kind == "TIMESTAMP WITH TIME ZONE" else moment.replace(tzinfo=None)
    return literal(zoned.isoformat(sep=" "))


def _replace_partitions(batch: Batch, touched_rows: str | None, keep: str) -> Outcome:
    """Replaces the partitions of the batch, and of ``touched_rows``, by the rows kept there and the batch."""
    parts = batch.spec.partition_by
    if batch.resolution.dropped:
        return _rewrite(batch, survivors=keep, rows=_alive(batch))
    listed = f"SELECT {quoted_list(parts)} FROM {batch.rows}"
    if touched_rows:
        listed += f" UNION ALL SELECT {quoted_list(parts)} FROM {touched_rows}"
    values = batch.connection.execute(f"SELECT DISTINCT * FROM ({listed}) ORDER BY ALL").fetchall()
    if any(value is None for row in values for value in row):
        raise BatchError(
            f"{batch.spec.name}: a partition column ({', '.join(parts)}) is NULL, which {batch.spec.strategy} cannot "
            "replace. Nothing was written. Give it a value in the model."
        )
    count = batch.count(_alive(batch))
    if not values:
        return _nothing(batch)
    predicate = " OR ".join(
        "("
        + " AND ".join(
            f"{quoted(part)} = {literal_of(value, batch.held[part])}" for part, value in zip(parts, row, strict=True)
        )
        + ")"
        for row in values
    )
    inside = f"({quoted_list(parts)}) IN (SELECT {quoted_list(parts)} FROM ({listed}))"
    sql = f"{batch.held_rows(f'{keep} AND {inside}')} UNION ALL {batch.new_rows(_alive(batch))}"
    commit.replace_where(
        batch.table, batch.spec.name, batch.reader(sql), predicate, batch.progress, evolve=batch.evolves
    )
    return Outcome(batch.spec.strategy.upper(), count)


def _nothing(batch: Batch) -> Outcome:
    """No row changes: stores that the sources were consumed, if they moved, and otherwise commits nothing at all."""
    if batch.progress_moved:
        no_rows = batch.reader(f"SELECT {typed_select(batch.held, batch.held)} FROM {batch.target} WHERE false")
        commit.append(batch.table, batch.spec.name, no_rows, batch.progress, evolve=False)
    return Outcome("UNCHANGED", 0)


def _rewrite(batch: Batch, survivors: str, rows: str) -> Outcome:
    """Replaces the table by its surviving rows and the new ones: the only way to drop a column."""
    count = batch.count(rows)
    sql = f"{batch.held_rows(survivors)} UNION ALL {batch.new_rows(rows)}"
    new = commit.NewTable(batch.spec.partition_by, batch.spec.description, {})
    commit.replace(batch.table, batch.spec.name, batch.reader(sql), new, batch.progress)
    return Outcome(batch.spec.strategy.upper(), count)


def _alive(batch: Batch) -> str:
    return f"NOT coalesce({quoted(DELETED)}, false)" if DELETED in batch.computed else "true"
