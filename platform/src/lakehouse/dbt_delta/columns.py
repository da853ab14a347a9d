"""Columns between DuckDB and Delta: which types are stored as what, and what a changed schema means for a table."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.errors import SchemaChangeError
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage.sql import quoted

#: A row whose value in this column is true is deleted from the table by its key. The column itself is never stored.
DELETED = "_deleted"

_STORED_AS_IS = re.compile(
    r"(TINYINT|SMALLINT|INTEGER|BIGINT|FLOAT|DOUBLE|BOOLEAN|VARCHAR|BLOB|DATE|TIMESTAMP|TIMESTAMP WITH TIME ZONE"
    r"|DECIMAL\(\d+,\d+\)|STRUCT\(.*\)|MAP\(.*\)|.*\[\])"
)
#: Types that Delta lacks, and the one that holds all their values.
_WIDER = {
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)",
    "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "DECIMAL(38,0)",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
    "UUID": "VARCHAR",
    "JSON": "VARCHAR",
}
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")

Columns = Mapping[str, str]


@dataclass(frozen=True)
class Resolution:
    """How rows go into a table: the column types of the result, and what about the table changes."""

    columns: Columns
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def describe(connection: DuckDBPyConnection, relation: str) -> dict[str, str]:
    """The columns of ``relation``, any SQL that FROM takes, with their DuckDB types."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def stored_columns(model: str, columns: Columns) -> dict[str, str]:
    """``columns`` in the types that Delta stores them as. Raises SchemaChangeError for a type it cannot store."""
    stored = {}
    for name, kind in columns.items():
        if kind.startswith("ENUM"):
            stored[name] = "VARCHAR"
        elif kind in _WIDER:
            stored[name] = _WIDER[kind]
        elif _STORED_AS_IS.fullmatch(kind):
            stored[name] = kind
        else:
            raise SchemaChangeError(
                f"{model}: column {name!r} has type {kind}, which Delta does not store. Cast it in the model's SQL."
            )
    return stored


def alive(columns: Iterable[str]) -> str:
    """The condition that a row of these ``columns`` is not marked `_deleted`."""
    return f"NOT coalesce({quoted(DELETED)}, false)" if DELETED in columns else "true"


def as_partitioned(rows: str, columns: Columns, partition_by: Iterable[str]) -> str:
    """``rows``, which have ``columns``, with the values that a table partitioned by ``partition_by`` gives back.

    An empty string comes back as NULL (Delta protocol, "Partition Value Serialization"). Compared before that, it
    would differ from what is held in every run.
    """
    values = ", ".join(
        f"nullif(CAST({quoted(part)} AS VARCHAR), '') AS {quoted(part)}"
        for part in partition_by
        if columns.get(part) == "VARCHAR"
    )
    return f"(SELECT * REPLACE ({values}) FROM {rows})" if values else rows


def resolve(spec: ModelSpec, computed: Columns, table: Columns) -> Resolution:
    """How the ``computed`` columns go into ``table``, by the model's `on_schema_change`.

    Raises SchemaChangeError naming every column that does not fit.
    """
    added = [name for name in computed if name not in table]
    missing = [name for name in table if name not in computed]
    retyped = [name for name in table if name in computed and not _fits(computed[name], table[name])]
    mode = spec.on_schema_change
    problems = [f"column {name!r} is {computed[name]} now and {table[name]} in the table" for name in retyped]
    if mode == "fail":
        problems += [f"column {name!r} is new" for name in added]
    if mode in ("ignore", "fail"):
        problems += [f"column {name!r} of the table is no longer computed" for name in missing]
    if problems and mode != "sync_all_columns":
        raise SchemaChangeError(
            f"{spec.name} (on_schema_change: {mode}): {'; '.join(problems)}. Nothing was written.\n"
            "Change the model back, choose another on_schema_change, or rebuild it: dbt run --full-refresh "
            f"--select {spec.name.partition('.')[2]}"
        )
    if mode == "ignore":
        return Resolution(dict(table))
    if mode == "sync_all_columns":
        return Resolution(dict(computed), tuple(added), (*missing, *retyped))
    return Resolution({**table, **{name: computed[name] for name in added}}, tuple(added))


def typed_select(columns: Columns, available: Columns, alias: str = "") -> str:
    """A SELECT list of ``columns`` in their types; one that is not ``available`` is NULL."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(
        f"CAST({prefix + quoted(name) if name in available else 'NULL'} AS {kind}) AS {quoted(name)}"
        for name, kind in columns.items()
    )


def _fits(computed: str, table: str) -> bool:
    """Whether every value of type ``computed`` can be stored as ``table``."""
    if computed == table:
        return True
    if computed in _INTEGERS and table in _INTEGERS:
        return _INTEGERS.index(computed) <= _INTEGERS.index(table)
    narrow, wide = _DECIMAL.fullmatch(computed), _DECIMAL.fullmatch(table)
    if narrow and wide:
        (precision, scale), (wide_precision, wide_scale) = map(int, narrow.groups()), map(int, wide.groups())
        return scale <= wide_scale and precision - scale <= wide_precision - wide_scale
    return (computed, table) == ("FLOAT", "DOUBLE")
