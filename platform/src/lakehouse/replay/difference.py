"""The rows in which a table differs from what is to stand in their place, for the comparison and for the swap."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from contracts and the catalog

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.columns import DELETED, Columns, describe, typed_select
from lakehouse.replay.errors import ReplayError
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.duck import delta_scan_sql
from lakehouse.storage.sql import differs, quoted, quoted_list, same

#: Keys that an error shows.
_SHOWN = 3


@dataclass(frozen=True)
class Pair:
    """The rows of the live table ``name`` for which ``condition`` holds, and those of the relation ``other`` that
    are to replace them. Rows are the same when ``keys`` are, and equal when all but ``ignored`` columns are.

    ``bucket`` is SQL for the day or the window that a row is told under. Rows of the same keys whose ``happened``
    is not the same are of different events. Where the table keeps what it has corrected, of rows with the same keys the
    one with the greatest ``version`` counts. ``nullable`` are the keys that may be NULL.
    """

    name: str
    other: str
    condition: str
    keys: tuple[str, ...]
    ignored: tuple[str, ...]
    bucket: str
    happened: str | None = None
    version: str | None = None
    nullable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """The relation ``rows`` holds each row that is to be written, and, marked `DELETED`, each that is to go; of a table
    with versions the newest of each. ``written`` holds these with all the versions of the same keys.

    ``live`` and ``new`` are the rows of both sides, ``columns`` those of the live table, ``compared`` those that count.
    """

    rows: str
    written: str
    live: str
    new: str
    columns: Columns
    compared: tuple[str, ...]


@contextmanager
def difference(connection: DuckDBPyConnection, catalog: Catalog, pair: Pair, version: int) -> Iterator[Difference]:
    """How ``pair`` differs, the live table read at ``version``. A column that only the live table has by now is NULL in
    the rows that are to be written.

    Raises ReplayError when a key is there twice, of another event on either side, or what has to be read is gone.
    """
    all_live = f"(SELECT * FROM {delta_scan_sql(catalog, pair.name, version)} WHERE {pair.condition})"
    rows = f"main.{quoted('__replayed ' + pair.name)}"
    try:
        columns = describe(connection, all_live)
        held = typed_select(columns, describe(connection, pair.other))
        all_new = f"(SELECT {held} FROM {pair.other} WHERE {pair.condition})"
        live, new = _newest(pair, all_live), _newest(pair, all_new)
        compared = tuple(name for name in columns if name not in (*pair.keys, *pair.ignored))
        names, same_key = quoted_list(columns), same(pair.keys, "new", "live", pair.nullable)
        for side, relation in ((pair.name, live), ("the replay", new)):
            _check_unique(connection, pair, side, relation)
        _check_same_events(connection, pair, live, new)
        connection.execute(
            f"CREATE OR REPLACE TABLE {rows} AS\n"
            f"SELECT {names}, false AS {DELETED} FROM {new} AS new ANTI JOIN {live} AS live "
            f"ON {same_key} AND NOT {differs(compared, 'new', 'live')}\n"
            f"UNION ALL SELECT {names}, true FROM {live} AS live ANTI JOIN {new} AS new ON {same_key}"
        )
        written = _with_versions(pair, names, rows, all_live, all_new)
        yield Difference(rows, written, live, new, columns, compared)
    except duckdb.Error as error:
        raise ReplayError(
            f"{pair.name} at version {version} could not be compared with {pair.other}: {str(error).splitlines()[0]}\n"
            "Files or entries of the log that are missing were vacuumed beyond the contract's `retention`, or deleted; "
            "a new replay of the range computes its rows again."
        ) from error
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {rows}")


def _newest(pair: Pair, relation: str) -> str:
    if pair.version is None:
        return relation
    newest = f"row_number() OVER (PARTITION BY {quoted_list(pair.keys)} ORDER BY {quoted(pair.version)} DESC) = 1"
    return f"(SELECT * FROM {relation} QUALIFY {newest})"


def _with_versions(pair: Pair, names: str, rows: str, live: str, new: str) -> str:
    if pair.version is None:
        return rows
    of_rows = {
        side: f"SEMI JOIN {rows} AS rows ON {same(pair.keys, side, 'rows', pair.nullable)}" for side in ("live", "new")
    }
    kept = same((*pair.keys, pair.version), "live", "new", pair.nullable)
    return (
        f"(SELECT {names}, false AS {DELETED} FROM {new} AS new {of_rows['new']}\n"
        f"UNION ALL SELECT {names}, true FROM {live} AS live {of_rows['live']} ANTI JOIN {new} AS new ON {kept})"
    )


def _check_unique(connection: DuckDBPyConnection, pair: Pair, side: str, relation: str) -> None:
    keys = quoted_list(pair.keys)
    null = " OR ".join(f"{quoted(key)} IS NULL" for key in pair.keys if key not in pair.nullable) or "false"
    found = connection.execute(
        f"SELECT {keys}, count(*) AS copies FROM {relation} GROUP BY {keys} "
        f"HAVING copies > 1 OR {null} ORDER BY ALL LIMIT {_SHOWN}"
    ).fetchall()
    if found:
        listed = "; ".join(
            ", ".join(f"{key} {value}" for key, value in zip(pair.keys, row, strict=False)) for row in found
        )
        raise ReplayError(
            f"{pair.name}: in {side}, ({', '.join(pair.keys)}) does not tell rows apart: {listed}. Rows are compared "
            "and replaced by it. A topic that was deleted and created again gives its offsets twice, of which only the "
            "later ones can be read: choose a range without them. For a computed table, correct `keys` in the contract."
        )


def _check_same_events(connection: DuckDBPyConnection, pair: Pair, live: str, new: str) -> None:
    """A broker's message has one time for ever: another one at the same offset is another message."""
    if pair.happened is None:
        return
    keys, happened = ", ".join(f"live.{quoted(key)}" for key in pair.keys), quoted(pair.happened)
    found = connection.execute(
        f"SELECT {keys}, live.{happened}, new.{happened} FROM {live} AS live JOIN {new} AS new "
        f"ON {same(pair.keys, 'live', 'new')} WHERE live.{happened} <> new.{happened} ORDER BY ALL LIMIT 1"
    ).fetchone()
    if found:
        key = ", ".join(f"{name} {value}" for name, value in zip(pair.keys, found, strict=False))
        held, read = found[-2:]
        raise ReplayError(
            f"{pair.name}: ({key}) is an event of {held:%Y-%m-%d %H:%M:%S.%f} in the table, and one of "
            f"{read:%Y-%m-%d %H:%M:%S.%f} in the replay: the topic was deleted and created again since. What the table "
            "has cannot be read again: choose a range of events that came into the new topic."
        )
