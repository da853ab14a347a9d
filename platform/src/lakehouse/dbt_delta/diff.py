"""Compares computed rows with what the table holds, so that only rows whose values changed are written.

The table is read twice: the keys of all files, to find those that hold a key of the batch, and then these files whole.
"""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.checks import check_not_moved
from lakehouse.dbt_delta.columns import DELETED, Columns
from lakehouse.dbt_delta.errors import ModelConfigError
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage.files import HeldFile
from lakehouse.storage.sql import differs, literal, quoted, quoted_list, same

#: Where a held row lies: the location of its file and the number of the row in it.
FILE, ROW = "__file", "__row"
#: DuckDB's own name for the latter, which a column of that name would hide.
_NUMBER = "file_row_number"
#: What becomes of a row: insert, update, delete, or move (deleted from one partition, inserted into another).
ACTION = "__action"
#: Before the name of a column: the value that the table holds.
HELD = "__held_"


@dataclass(frozen=True)
class Diff:
    """The relation ``changes`` holds a row for every one that differs: the table's columns with their new values, what
    is held under ``HELD`` names, ``FILE``, ``ROW`` and ``ACTION``. It lies in the order that files should have.
    """

    changes: str
    columns: Columns
    held: Columns
    inserted: int
    updated: int
    deleted: int

    @property
    def empty(self) -> bool:
        return self.inserted + self.updated + self.deleted == 0


@contextmanager
def computed_diff(
    connection: DuckDBPyConnection,
    spec: ModelSpec,
    rows: str,
    computed: Columns,
    result: Columns,
    held: Columns,
    target: str,
    files: dict[str, HeldFile],
) -> Iterator[Diff]:
    """What ``rows`` change in the table, by the model's unique key.

    ``computed`` are the columns of ``rows``, ``held`` those of the table now and ``result`` those it has afterwards.
    ``target`` is SQL that FROM takes, with a column ``FILE``, and ``files`` are the table's. Raises BatchError for a
    row that changes its partition, unless the model allows it, and ModelConfigError for a column name that is taken.
    """
    _check_names(spec, {**held, **result})
    # Not temporary: the threads that write files have connections of their own, which see no temporary table of this.
    changes = f"main.{quoted('__changes ' + spec.name)}"
    touched = [files[file] for file in _touched(connection, spec, rows, target)]
    held_rows = f"({held_rows_sql(touched, held, spec.partition_by)})"
    try:
        connection.execute(
            f"CREATE OR REPLACE TABLE {changes} AS\n{_diff_sql(spec, rows, computed, result, held, held_rows)}"
        )
        if spec.on_partition_change == "fail" and spec.partition_by:
            moved = f"(FROM {changes} WHERE {ACTION} = 'move')"
            check_not_moved(connection, spec, moved, [HELD + part for part in spec.partition_by])
        counts = dict(connection.execute(f"SELECT {ACTION}, count(*) FROM {changes} GROUP BY 1").fetchall())
        moves = counts.get("move", 0)
        yield Diff(
            changes=changes,
            columns=result,
            held=held,
            inserted=counts.get("insert", 0) + moves,
            updated=counts.get("update", 0),
            deleted=counts.get("delete", 0) + moves,
        )
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {changes}")


def _check_names(spec: ModelSpec, columns: Columns) -> None:
    taken = [name for name in columns if name.lower() in (FILE, ROW, ACTION, _NUMBER) or name.lower().startswith(HELD)]
    if taken:
        raise ModelConfigError(
            f"{spec.name}: a merge itself uses the column names {FILE}, {ROW}, {ACTION}, {_NUMBER} and {HELD}…, "
            f"and the model has {', '.join(taken)}. Rename it in the model."
        )


def held_rows_sql(files: Sequence[HeldFile], held: Columns, partition_by: Iterable[str]) -> str:
    """The rows of ``files`` with the columns ``held``, ``FILE`` and ``ROW``."""
    kinds = {**held, FILE: "VARCHAR", ROW: "BIGINT"}
    # A column that is younger than a file is NULL in it, as it is in the row that is never there.
    nothing = (
        f"SELECT {', '.join(f'CAST(NULL AS {kind}) AS {quoted(name)}' for name, kind in kinds.items())} WHERE false"
    )
    if not files:
        return nothing
    locations = ", ".join(literal(file.location) for file in files)
    reader = f"read_parquet([{locations}], union_by_name = true, hive_partitioning = false, filename = '{FILE}')"
    parts = list(partition_by)
    # Delta's own writer for Spark has partition columns in the files, too; what counts is the log (Delta protocol).
    columns = f"COLUMNS(name -> name NOT IN ({', '.join(map(literal, parts))}))" if parts else "*"
    stored = f"SELECT {columns}, {_NUMBER} AS {ROW} FROM {reader}"
    if parts:
        values = ", ".join(
            "("
            + ", ".join([literal(file.location), *(_typed(file.partition[part], held[part]) for part in parts)])
            + ")"
            for file in files
        )
        listing = f"(VALUES {values}) AS files({FILE}, {quoted_list(parts)})"
        stored = f"SELECT * FROM ({stored}) JOIN {listing} USING ({FILE})"
    return f"{nothing} UNION ALL BY NAME {stored}"


def _typed(text: str | None, kind: str) -> str:
    return f"CAST({literal(text)} AS {kind})"


def _touched(connection: DuckDBPyConnection, spec: ModelSpec, rows: str, target: str) -> list[str]:
    """The files of ``target`` in which a key of ``rows`` is."""
    located = (
        f"SELECT DISTINCT held.{FILE} FROM {target} AS held SEMI JOIN {rows} AS batch "
        f"ON {same(spec.unique_key, 'held', 'batch')} ORDER BY 1"
    )
    return [row[0] for row in connection.execute(located).fetchall()]


def _diff_sql(spec: ModelSpec, rows: str, computed: Columns, result: Columns, held: Columns, held_rows: str) -> str:
    updated = [column for column in result if column in computed and column in _updatable(spec, result)]
    source, dest = "DBT_INTERNAL_SOURCE", "DBT_INTERNAL_DEST"
    found = f"{dest}.{ROW} IS NOT NULL"
    values = []
    for column, kind in result.items():
        new = f"{source}.{quoted(column)}" if column in computed else "NULL"
        kept = column in held and column not in updated and column not in spec.unique_key
        value = f"CASE WHEN {found} THEN {dest}.{quoted(column)} ELSE {new} END" if kept else new
        values.append(f"CAST({value} AS {kind}) AS {quoted(column)}")
    values += [f"{dest}.{quoted(column)} AS {quoted(HELD + column)}" for column in held]
    compared = [column for column in updated if column in held]
    fresh = [f"{source}.{quoted(column)} IS NOT NULL" for column in updated if column not in held]
    changed = " OR ".join([differs(compared, source, dest), *fresh])
    moved = differs([column for column in spec.partition_by if column in updated], source, dest)
    deleted = f"coalesce({source}.{quoted(DELETED)}, false)" if DELETED in computed else "false"
    condition = " AND ".join([same(spec.unique_key, source, dest), *(f"({p})" for p in spec.incremental_predicates)])
    # Rows that leave a partition lie with it, for the file they leave is rewritten together with its others.
    places = [f"coalesce({quoted(HELD + part)}, {quoted(part)})" for part in spec.partition_by]
    order = ", ".join([*places, *map(quoted, spec.cluster_by)])
    return (
        "SELECT * FROM (\n"
        f"SELECT {', '.join(values)}, {dest}.{FILE}, {dest}.{ROW}, CASE\n"
        f"    WHEN NOT {found} THEN CASE WHEN {deleted} THEN NULL ELSE 'insert' END\n"
        f"    WHEN {deleted} THEN 'delete' WHEN {moved} THEN 'move' WHEN {changed} THEN 'update' END AS {ACTION}\n"
        f"FROM {rows} AS {source} LEFT JOIN {held_rows} AS {dest} ON {condition}\n"
        f") WHERE {ACTION} IS NOT NULL{f' ORDER BY {order}' if order else ''}"
    )


def _updatable(spec: ModelSpec, result: Columns) -> list[str]:
    if spec.merge_update_columns:
        return list(spec.merge_update_columns)
    return [column for column in result if column not in spec.merge_exclude_columns and column not in spec.unique_key]
