"""Compares computed rows with what the table holds, so that only rows whose values changed are written."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.checks import check_not_moved
from lakehouse.dbt_delta.columns import DELETED, Columns
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.dbt_delta.sql import differs, literal, quoted, quoted_list, same

#: The temporary table a diff is kept in. Beside the table's columns it has `_action`: insert, update or delete.
DIFF = "__lakehouse_diff"
_CHANGES = "__lakehouse_changes"
_NEARBY = "__lakehouse_nearby"
_HELD = "__held_"
_RANGED_TYPES = ("VARCHAR", "DATE", "TINYINT", "SMALLINT", "INTEGER", "BIGINT")


@dataclass(frozen=True)
class Diff:
    """How many rows each action has, and which of the table's rows are concerned, as literals for delta-rs."""

    inserted: int
    updated: int
    deleted: int
    match: str

    @property
    def empty(self) -> bool:
        return self.inserted + self.updated + self.deleted == 0


def compute_diff(
    connection: DuckDBPyConnection, spec: ModelSpec, rows: str, computed: Columns, result: Columns, target: str
) -> Diff:
    """Fills the table ``DIFF`` from ``rows`` against ``target``, by the model's unique key.

    ``computed`` are the columns of ``rows``, ``result`` those of the table afterwards; ``target`` is SQL that FROM
    takes. Raises BatchError for a row that changes its partition, unless the model allows it.
    """
    held = connection.execute(f"DESCRIBE SELECT * FROM {target}").fetchall()
    held_columns = {row[0] for row in held}
    updated = [column for column in result if column in computed and column in _updatable(spec, result)]
    source, dest = "DBT_INTERNAL_SOURCE", "DBT_INTERNAL_DEST"
    values = []
    for column, kind in result.items():
        new = f"{source}.{quoted(column)}" if column in computed else "NULL"
        kept = column in held_columns and column not in updated and column not in spec.unique_key
        value = f"CASE WHEN {dest}.__found THEN {dest}.{quoted(column)} ELSE {new} END" if kept else new
        values.append(f"CAST({value} AS {kind}) AS {quoted(column)}")
    compared = [column for column in updated if column in held_columns]
    fresh = [f"{source}.{quoted(column)} IS NOT NULL" for column in updated if column not in held_columns]
    changed = " OR ".join([differs(compared, source, dest), *fresh])
    moved = differs([column for column in spec.partition_by if column in updated], source, dest)
    deleted = f"coalesce({source}.{quoted(DELETED)}, false)" if DELETED in computed else "false"
    held_parts = "".join(f", {dest}.{quoted(part)} AS {quoted(_HELD + part)}" for part in spec.partition_by)
    held_rows = f"SELECT *, true AS __found FROM {target}{_partitions_with(connection, spec, rows, target)}"
    condition = " AND ".join([same(spec.unique_key, source, dest), *(f"({p})" for p in spec.incremental_predicates)])
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_CHANGES} AS SELECT * FROM (\n"
        f"SELECT {', '.join(values)}{held_parts}, CASE\n"
        f"    WHEN {dest}.__found IS NULL THEN CASE WHEN {deleted} THEN NULL ELSE 'insert' END\n"
        f"    WHEN {deleted} THEN 'delete' WHEN {moved} THEN 'move' WHEN {changed} THEN 'update' END AS _action\n"
        f"FROM {rows} AS {source} LEFT JOIN ({held_rows}) AS {dest} ON {condition}\n"
        ") WHERE _action IS NOT NULL"
    )
    if spec.on_partition_change == "fail" and spec.partition_by:
        check_not_moved(connection, spec, _CHANGES, [_HELD + part for part in spec.partition_by])
    _split_moves(connection, spec, result)
    counts = dict(connection.execute(f"SELECT _action, count(*) FROM {DIFF} GROUP BY 1").fetchall())
    return Diff(
        counts.get("insert", 0), counts.get("update", 0), counts.get("delete", 0), _match(connection, spec, result)
    )


def _partitions_with(connection: DuckDBPyConnection, spec: ModelSpec, rows: str, target: str) -> str:
    """A WHERE clause that leaves the partitions of ``target`` in which a key of ``rows`` is.

    Only keys are read to find them; the comparison, which reads all columns, then skips the other files.
    """
    if not spec.partition_by:
        return ""
    parts = quoted_list(spec.partition_by)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_NEARBY} AS\n"
        f"SELECT DISTINCT {parts} FROM {target} AS held SEMI JOIN {rows} AS batch "
        f"ON {same(spec.unique_key, 'held', 'batch')}"
    )
    is_null = " OR ".join(f"{quoted(part)} IS NULL" for part in spec.partition_by)
    if connection.execute(f"SELECT 1 FROM {_NEARBY} WHERE {is_null} LIMIT 1").fetchall():
        # NULL is in no list; a condition that also looks for it would keep DuckDB from pruning at all.
        return ""
    return f" WHERE ({parts}) IN (SELECT {parts} FROM {_NEARBY})"


def _updatable(spec: ModelSpec, result: Columns) -> list[str]:
    if spec.merge_update_columns:
        return list(spec.merge_update_columns)
    return [column for column in result if column not in spec.merge_exclude_columns and column not in spec.unique_key]


def _split_moves(connection: DuckDBPyConnection, spec: ModelSpec, result: Columns) -> None:
    """A moved row is deleted from its old partition and inserted into the new one; a delete names the old one."""
    old_place = ", ".join(
        f"{quoted(_HELD + column)} AS {quoted(column)}" if column in spec.partition_by else quoted(column)
        for column in result
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {DIFF} AS\n"
        f"SELECT {quoted_list(result)}, CASE _action WHEN 'move' THEN 'insert' ELSE _action END AS _action\n"
        f"FROM {_CHANGES} WHERE _action <> 'delete'\n"
        f"UNION ALL SELECT {old_place}, 'delete' FROM {_CHANGES} WHERE _action IN ('delete', 'move')"
    )
    connection.execute(f"DROP TABLE {_CHANGES}")


def _match(connection: DuckDBPyConnection, spec: ModelSpec, result: Columns) -> str:
    """The merge condition: keys and partition agree, and literals that let delta-rs skip partitions and files."""
    conditions = [same((*spec.unique_key, *(p for p in spec.partition_by if p not in spec.unique_key)), "t", "s")]
    touched = f"{DIFF} WHERE _action <> 'insert'"
    for column in spec.partition_by:
        values = connection.execute(f"SELECT DISTINCT {quoted(column)} FROM {touched} ORDER BY 1").fetchall()
        conditions.append(
            f"t.{quoted(column)} IN ({', '.join(literal_of(value, result[column]) for (value,) in values)})"
        )
    key = spec.unique_key[0]
    if result[key] in _RANGED_TYPES:
        low, high = connection.execute(f"SELECT min({quoted(key)}), max({quoted(key)}) FROM {touched}").fetchall()[0]
        conditions.append(f"t.{quoted(key)} BETWEEN {literal_of(low, result[key])} AND {literal_of(high, result[key])}")
    return " AND ".join(conditions)


def literal_of(value: object, kind: str) -> str:
    """``value`` of the DuckDB type ``kind`` as a literal that delta-rs compares by statistics."""
    if value is None or kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE", "BOOLEAN"):
        return "NULL" if value is None else str(value)
    return f"CAST({literal(value)} AS DATE)" if kind == "DATE" else literal(value)
