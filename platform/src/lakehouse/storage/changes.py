"""The change feed of a table: what was inserted and deleted between two of its versions.

The rules are those of the Delta protocol (https://github.com/delta-io/delta/blob/master/PROTOCOL.md, "Reading Change
Data Feed"): a commit with `cdc` files is read from these alone, any other commit from the files it added and removed.
DuckDB reads log and files, so a feed is a lazy scan with pruned columns, whatever the number of rows.
"""

# ruff: noqa: S608  # SQL is what this module makes, of paths and names that come from the table's own log

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.files import location_of
from lakehouse.storage.log import entry_path
from lakehouse.storage.sql import literal, quoted, quoted_list

CHANGE_TYPE = "_change_type"
_ACTIONS = ("add", "remove", "cdc")
_INSERTS = ("insert", "update_postimage")


class HistoryGoneError(LakehouseError):
    """Log entries or files between the two versions were vacuumed: the changes cannot be told any more."""


@dataclass(frozen=True)
class ChangedFile:
    """One Parquet file. ``kind`` is `insert` or `delete`, or `cdc` where the rows themselves carry their kind."""

    location: str
    kind: str
    partition_values: Mapping[str, str | None]


@dataclass(frozen=True)
class ChangeFeed:
    """The files that hold the changes of ``table`` after version ``since`` up to and including ``until``."""

    table: str
    since: int
    until: int
    files: tuple[ChangedFile, ...]

    @property
    def inserts_only(self) -> bool:
        """Whether no row was deleted or updated, so that the rows need no netting."""
        return all(file.kind == "insert" for file in self.files)


def change_feed(connection: DuckDBPyConnection, catalog: Catalog, table: str, since: int, until: int) -> ChangeFeed:
    """Reads the log of ``table`` for what changed after ``since`` up to ``until``.

    Commits that only rearranged data (compaction) contribute nothing. Raises HistoryGoneError when a log entry is
    missing.
    """
    base = catalog.uri(table)
    files: list[ChangedFile] = []
    for actions in _commits(connection, base, table, since, until):
        files += _changed_files(base, actions, table)
    return ChangeFeed(table, since, until, tuple(files))


def rows_sql(connection: DuckDBPyConnection, feed: ChangeFeed, columns: Mapping[str, str]) -> str:
    """SQL for the rows of ``feed``: ``columns`` (name to DuckDB type) and `_change_type`, `insert` or `delete`.

    The rows are net: what was inserted and deleted again within the feed is left out, and so is a row that a commit
    only moved from one file to another. An updated row appears as its old values deleted and its new ones inserted.
    Raises HistoryGoneError when a file of the feed was vacuumed.
    """
    names = quoted_list(columns)
    if not feed.files:
        typed = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in columns.items())
        return f"SELECT {typed}, CAST(NULL AS VARCHAR) AS {CHANGE_TYPE} WHERE false"
    scan = _scan_sql(connection, feed, columns)
    if feed.inserts_only:
        return scan
    return (
        f"SELECT {names}, CASE WHEN copies > 0 THEN 'insert' ELSE 'delete' END AS {CHANGE_TYPE}\n"
        f"FROM (SELECT {names}, sum(CASE {CHANGE_TYPE} WHEN 'insert' THEN 1 ELSE -1 END)::BIGINT AS copies\n"
        f"      FROM ({scan}) GROUP BY {names} HAVING copies <> 0) AS net, unnest(range(abs(copies))) AS copy(number)"
    )


def changed_values_sql(connection: DuckDBPyConnection, feed: ChangeFeed, column: str, kind: str) -> str:
    """SQL for the values that ``column`` (DuckDB type ``kind``) has in rows that were inserted, deleted or updated.

    Not net: a row whose other columns changed counts. Raises HistoryGoneError when a file of the feed was vacuumed.
    """
    if not feed.files:
        return f"SELECT CAST(NULL AS {kind}) AS {quoted(column)} WHERE false"
    return f"SELECT DISTINCT {quoted(column)} FROM ({_scan_sql(connection, feed, {column: kind})})"


def _commits(
    connection: DuckDBPyConnection, base: str, table: str, since: int, until: int
) -> list[list[dict[str, dict[str, Any]]]]:
    """The file actions of each commit, oldest first."""
    entries = [f"{base}/{entry_path(version)}" for version in range(since + 1, until + 1)]
    if not entries:
        return []
    listed, types = ", ".join(map(literal, entries)), ", ".join(f"{kind}: 'JSON'" for kind in _ACTIONS)
    reader = f"read_json([{listed}], format = 'newline_delimited', filename = 'entry', columns = {{{types}}})"
    try:
        rows = connection.execute(f"SELECT entry, {', '.join(_ACTIONS)} FROM {reader}").fetchall()
    except (duckdb.IOException, duckdb.HTTPException) as error:
        raise HistoryGoneError(
            f"the log of {table} no longer holds its versions {since + 1} to {until}: {_first_line(error)}\n"
            "Its retention is shorter than the time since this reader's last run."
        ) from error
    commits: dict[str, list[dict[str, dict[str, Any]]]] = {entry: [] for entry in entries}
    for entry, *actions in rows:
        commits[entry] += [{kind: json.loads(text)} for kind, text in zip(_ACTIONS, actions, strict=True) if text]
    return list(commits.values())


def _changed_files(base: str, actions: list[dict[str, dict[str, Any]]], table: str) -> list[ChangedFile]:
    with_cdc = any("cdc" in action for action in actions)
    kinds = {"cdc": "cdc"} if with_cdc else {"add": "insert", "remove": "delete"}
    files = []
    for action in actions:
        for name, body in action.items():
            if name not in kinds or (name != "cdc" and not body["dataChange"]):
                continue
            if body.get("deletionVector"):
                raise LakehouseError(
                    f"{table} has deletion vectors, which this platform keeps off: set "
                    "delta.enableDeletionVectors to false and rewrite the table (REORG TABLE … APPLY (PURGE))"
                )
            files.append(ChangedFile(location_of(base, body["path"]), kinds[name], body.get("partitionValues") or {}))
    return files


def _scan_sql(connection: DuckDBPyConnection, feed: ChangeFeed, columns: Mapping[str, str]) -> str:
    """Scans the files; a column that a file lacks is its partition value, or NULL where it is younger than the file."""
    locations = ", ".join(literal(file.location) for file in feed.files)
    reader = f"read_parquet([{locations}], union_by_name = true, hive_partitioning = false, filename = '__file')"
    try:
        stored = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()}
    except (duckdb.IOException, duckdb.HTTPException) as error:
        raise HistoryGoneError(
            f"files of {feed.table} from its versions {feed.since + 1} to {feed.until} are gone: {_first_line(error)}\n"
            "They were vacuumed before this reader had consumed them."
        ) from error
    partitioned = {name for file in feed.files for name in file.partition_values}
    values = [
        _column_sql(name, kind, in_file=name in stored, in_partition=name in partitioned)
        for name, kind in columns.items()
    ]
    change = "files.kind"
    if CHANGE_TYPE in stored:
        inserted = ", ".join(literal(kind) for kind in _INSERTS)
        change = (
            f"CASE WHEN files.kind <> 'cdc' THEN files.kind "
            f"WHEN {CHANGE_TYPE} IN ({inserted}) THEN 'insert' ELSE 'delete' END"
        )
    listing = ", ".join(
        f"({literal(file.location)}, {literal(file.kind)}, {_map_literal(file.partition_values)})"
        for file in feed.files
    )
    return (
        f"SELECT {', '.join(values)}, {change} AS {CHANGE_TYPE}\n"
        f"FROM {reader} AS data JOIN (VALUES {listing}) AS files(location, kind, parts) ON data.__file = files.location"
    )


def _column_sql(name: str, kind: str, *, in_file: bool, in_partition: bool) -> str:
    stored = f"data.{quoted(name)}" if in_file else None
    part = f"files.parts[{literal(name)}]" if in_partition else None
    # A repartitioned table holds a column in some files and in the path of others.
    present = [f"CAST({value} AS {kind})" for value in (stored, part) if value]
    if len(present) == 2:
        return f"coalesce({present[0]}, {present[1]}) AS {quoted(name)}"
    return f"{present[0] if present else f'CAST(NULL AS {kind})'} AS {quoted(name)}"


def _map_literal(values: Mapping[str, str | None]) -> str:
    keys = ", ".join(literal(key) for key in values)
    # The protocol writes NULL as an empty string or as null.
    texts = ", ".join(literal(value) if value else "NULL" for value in values.values())
    return f"MAP([{keys}]::VARCHAR[], [{texts}]::VARCHAR[])"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
