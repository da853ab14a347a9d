"""Carries out a diff by copy on write: files with changed rows are written anew, all others stay.

Change data files tell readers downstream which rows changed, so that they need not compare old files with new ones.
"""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import obstore
from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.diff import ACTION, FILE, HELD, ROW, Diff, held_rows_sql
from lakehouse.dbt_delta.errors import BatchError
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.files import HeldFile, NewFile, Partition, partition_directory, partition_text
from lakehouse.storage.parquet import ROW_GROUP_ROWS, write_parquet
from lakehouse.storage.sql import literal, quoted, quoted_list

#: Touched files of a partition are rewritten together up to this size, which also heals small ones.
_GROUP_BYTES = 32 * 1024 * 1024
_CHANGED = "__lakehouse_changed"

_Place = tuple[str | None, ...]


@dataclass
class _Group:
    """Files of one partition that become one, and the number of new rows that join them."""

    place: _Place
    files: list[HeldFile] = field(default_factory=list)
    inserts: int = 0

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def in_one_row_group(self) -> bool:
        rows = [file.rows for file in self.files]
        return None not in rows and sum(filter(None, rows)) + self.inserts <= ROW_GROUP_ROWS


@dataclass(frozen=True)
class Rewrite:
    """What has been written to carry out a diff, ready to be committed."""

    removed: Sequence[HeldFile]
    added: Sequence[NewFile]
    change_data: Sequence[NewFile]

    def discard(self, catalog: Catalog, name: str) -> None:
        """Deletes what was written, for a commit that did not come about."""
        _delete(catalog, name, [*self.added, *self.change_data])


def rewrite(
    connection: DuckDBPyConnection,
    catalog: Catalog,
    spec: ModelSpec,
    table: DeltaTable,
    diff: Diff,
    files: dict[str, HeldFile],
) -> Rewrite:
    """Writes the files that ``diff`` changes, and their change data where the table has its feed on.

    Raises BatchError where a column that the table declares NOT NULL would get a NULL.
    """
    writer = _Writer(catalog.uri(spec.name), spec, diff)
    groups = _groups(connection, spec, diff, files)
    tasks: list[Callable[[DuckDBPyConnection], list[NewFile]]] = [partial(writer.data, group) for group in groups]
    # A commit that only adds rows needs none: readers take them from its files.
    if diff.updated + diff.deleted and table.metadata().configuration.get("delta.enableChangeDataFeed") == "true":
        tasks += [partial(writer.change_data, place) for place in _places(connection, spec, diff)]
    written = _in_parallel(connection, tasks)
    added = [file for results in written[: len(groups)] for file in results]
    done = Rewrite(
        removed=[file for group in groups for file in group.files],
        added=[file for file in added if file.rows],
        change_data=[file for results in written[len(groups) :] for file in results],
    )
    # Of files whose rows all are gone an empty one was written.
    _delete(catalog, spec.name, [file for file in added if not file.rows])
    problem = _broken(spec, table, diff, done)
    if problem:
        done.discard(catalog, spec.name)
        raise BatchError(problem)
    return done


class _Writer:
    """Makes the SQL of each file and has DuckDB write it."""

    def __init__(self, base: str, spec: ModelSpec, diff: Diff) -> None:
        self._base = base
        self._spec = spec
        self._diff = diff
        self._columns = {name: kind for name, kind in diff.columns.items() if name not in spec.partition_by}

    def data(self, group: _Group, connection: DuckDBPyConnection) -> list[NewFile]:
        selects = [self._kept_and_updated(group, connection)] if group.files else []
        if group.inserts:
            here = self._at(group.place)
            fresh = f"{ACTION} IN ('insert', 'move') AND {here}"
            selects.append(f"SELECT {quoted_list(self._columns)} FROM {self._diff.changes} WHERE {fresh}")
        sql = " UNION ALL ".join(selects)
        order = [column for column in self._spec.cluster_by if column in self._columns]
        # Readers skip row groups, so the order within one is no use; and rows that all are new are in order already.
        if group.files and order and not group.in_one_row_group:
            sql = f"SELECT * FROM ({sql}) ORDER BY {quoted_list(order)}"
        return self._write(connection, "", sql, self._columns, group.place)

    def change_data(self, place: _Place, connection: DuckDBPyConnection) -> list[NewFile]:
        new = quoted_list(self._columns)
        old = ", ".join(
            f"{quoted(HELD + name) if name in self._diff.held else 'NULL'} AS {quoted(name)}" for name in self._columns
        )
        here, there = self._at(place), self._at(place, HELD)
        kinds = (
            (new, "insert", f"{ACTION} IN ('insert', 'move') AND {here}"),
            (old, "delete", f"{ACTION} IN ('delete', 'move') AND {there}"),
            (old, "update_preimage", f"{ACTION} = 'update' AND {there}"),
            (new, "update_postimage", f"{ACTION} = 'update' AND {there}"),
        )
        sql = " UNION ALL ".join(
            f"SELECT {columns}, '{kind}' AS _change_type FROM {self._diff.changes} WHERE {where}"
            for columns, kind, where in kinds
        )
        return self._write(connection, "_change_data/", sql, {**self._columns, "_change_type": "VARCHAR"}, place)

    def _kept_and_updated(self, group: _Group, connection: DuckDBPyConnection) -> str:
        """The rows of the group's files, updated ones with their new values."""
        locations = ", ".join(literal(file.location) for file in group.files)
        # Of a table of its own DuckDB knows the size, so it hashes the few changes and streams the files past them.
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_CHANGED} AS SELECT {quoted_list(self._columns)}, {FILE}, {ROW}, {ACTION} "
            f"FROM {self._diff.changes} WHERE {FILE} IN ({locations})"
        )
        held = {name: kind for name, kind in self._diff.held.items() if name in self._columns}
        values = ", ".join(
            f"CASE WHEN changed.{ROW} IS NULL THEN {f'held.{quoted(name)}' if name in held else 'NULL'} "
            f"ELSE changed.{quoted(name)} END AS {quoted(name)}"
            for name in self._columns
        )
        return (
            f"SELECT {values} FROM ({held_rows_sql(group.files, held, ())}) AS held LEFT JOIN {_CHANGED} AS changed "
            f"ON held.{FILE} = changed.{FILE} AND held.{ROW} = changed.{ROW} "
            f"WHERE changed.{ROW} IS NULL OR changed.{ACTION} = 'update'"
        )

    def _at(self, place: _Place, prefix: str = "") -> str:
        """The condition that a change lies in the partition ``place``, or did when ``prefix`` is HELD."""
        conditions = []
        for part, value in zip(self._spec.partition_by, place, strict=True):
            column, kind = quoted(prefix + part), self._diff.columns[part]
            is_value = f"{column} = CAST({literal(value)} AS {kind})"
            conditions.append(f"{column} IS NULL" if value is None else is_value)
        return " AND ".join(conditions) or "true"

    def _write(
        self, connection: DuckDBPyConnection, prefix: str, sql: str, columns: dict[str, str], place: _Place
    ) -> list[NewFile]:
        partition: Partition = dict(zip(self._spec.partition_by, place, strict=True))
        directory = prefix + partition_directory(partition, self._spec.partition_by)
        return write_parquet(connection, self._base, directory, sql, columns, partition)


def _groups(connection: DuckDBPyConnection, spec: ModelSpec, diff: Diff, files: dict[str, HeldFile]) -> list[_Group]:
    """The files with changed rows and the partitions with new ones, as they are written together."""
    touched = connection.execute(f"SELECT DISTINCT {FILE} FROM {diff.changes} WHERE {FILE} IS NOT NULL ORDER BY 1")
    by_place: dict[_Place, list[_Group]] = defaultdict(list)
    for (location,) in touched.fetchall():
        file = files[location]
        place = tuple(file.partition[part] for part in spec.partition_by)
        groups = by_place[place]
        if not groups or groups[-1].size + file.size > _GROUP_BYTES:
            groups.append(_Group(place))
        groups[-1].files.append(file)
    new = f"{diff.changes} WHERE {ACTION} IN ('insert', 'move')"
    for place, count in _counts(connection, spec.partition_by, new).items():
        groups = by_place[place]
        if not groups:
            groups.append(_Group(place))
        min(groups, key=lambda group: group.size).inserts += count
    return [group for groups in by_place.values() for group in groups]


def _places(connection: DuckDBPyConnection, spec: ModelSpec, diff: Diff) -> Iterable[_Place]:
    """Every partition in which a row changes."""
    new = _counts(connection, spec.partition_by, f"{diff.changes} WHERE {ACTION} IN ('insert', 'move')")
    held = [HELD + part for part in spec.partition_by]
    return {**new, **_counts(connection, held, f"{diff.changes} WHERE {FILE} IS NOT NULL")}


def _counts(connection: DuckDBPyConnection, columns: Sequence[str], relation: str) -> dict[_Place, int]:
    """The partitions that occur in ``relation``, and how often."""
    selected = "".join(f"{quoted(column)}, " for column in columns)
    rows = connection.execute(f"SELECT {selected}count(*) FROM {relation} GROUP BY ALL ORDER BY ALL").fetchall()
    counts: dict[_Place, int] = defaultdict(int)
    for *values, count in rows:
        if count:
            counts[tuple(partition_text(value) for value in values)] += count
    return counts


def _in_parallel(
    connection: DuckDBPyConnection, tasks: Sequence[Callable[[DuckDBPyConnection], list[NewFile]]]
) -> list[list[NewFile]]:
    """The results of ``tasks``, each run on a connection of its own: one file keeps one core busy."""
    threads = int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])

    def run(task: Callable[[DuckDBPyConnection], list[NewFile]]) -> list[NewFile]:
        with connection.cursor() as own:
            own.execute("SET TimeZone = 'UTC'")
            return task(own)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(run, tasks))


def _delete(catalog: Catalog, name: str, files: Sequence[NewFile]) -> None:
    if files:
        obstore.delete(catalog.store(name), [file.path for file in files])


def _broken(spec: ModelSpec, table: DeltaTable, diff: Diff, done: Rewrite) -> str | None:
    """What speaks against committing ``done``: a NULL that the table does not allow, or rows that went missing."""
    fields = json.loads(table.schema().to_json())["fields"]
    required = {field["name"] for field in fields if not field["nullable"]}
    nulls = sorted({name for file in done.added for name, count in file.nulls.items() if count} & required)
    if nulls:
        return (
            f"{spec.name}: {', '.join(nulls)} would be NULL in some rows, and the table declares NOT NULL. Nothing was "
            "written.\nGive every row a value in the model, or rebuild the table with --full-refresh."
        )
    before = [file.rows for file in done.removed]
    held = sum(rows for rows in before if rows is not None)
    expected, written = held + diff.inserted - diff.deleted, sum(file.rows for file in done.added)
    if None not in before and written != expected:
        return (
            f"{spec.name}: the files written hold {written} rows, and {expected} were expected: {held} held, "
            f"{diff.inserted} new, {diff.deleted} deleted. Nothing was written.\n"
            "Either the log counts the rows of these files wrongly, or the merge is wrong: rebuild the table with "
            "--full-refresh, and report it."
        )
    return None
