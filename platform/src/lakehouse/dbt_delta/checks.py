"""Promises that the rows of a batch have to keep before any of them is written."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Iterable, Sequence

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.columns import Columns
from lakehouse.dbt_delta.errors import BatchError
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage.sql import quoted, quoted_list

#: Offending keys an error shows.
_SHOWN = 5


def check_not_null(connection: DuckDBPyConnection, spec: ModelSpec, rows: str) -> None:
    """Raises BatchError when a unique key of ``rows`` is NULL."""
    is_null = " OR ".join(f"{quoted(key)} IS NULL" for key in spec.unique_key)
    nulls = connection.execute(f"SELECT count(*) FROM {rows} WHERE {is_null}").fetchall()[0][0]
    if nulls:
        raise BatchError(
            f"{spec.name}: {nulls} rows have NULL in the unique key ({', '.join(spec.unique_key)}). Nothing was "
            "written.\nFilter these rows in the model, or choose a key that is always present."
        )


def check_unique(connection: DuckDBPyConnection, spec: ModelSpec, rows: str) -> None:
    """Raises BatchError when a unique key occurs twice in ``rows``, with examples."""
    keys = quoted_list(spec.unique_key)
    duplicates = connection.execute(
        f"SELECT {keys}, count(*) AS copies FROM {rows} GROUP BY {keys} HAVING copies > 1 "
        f"ORDER BY copies DESC, {keys} LIMIT {_SHOWN}"
    ).fetchall()
    if duplicates:
        shown = ", ".join(f"{_key_text(row[:-1])} ({row[-1]} rows)" for row in duplicates)
        raise BatchError(
            f"{spec.name}: the unique key ({', '.join(spec.unique_key)}) is not unique in the computed rows: {shown}. "
            "Nothing was written.\nKeep one row a key in the model, or widen the unique_key."
        )


def check_partitions(
    connection: DuckDBPyConnection, spec: ModelSpec, rows: str, columns: Columns, partition_by: Iterable[str]
) -> None:
    """Raises BatchError when a time in a partition column of ``rows``, which have ``columns``, has no four-digit year.

    The log would store it as text that readers do not take for a time: no one could read the table again.
    """
    for part in partition_by:
        if not columns.get(part, "").startswith(("DATE", "TIMESTAMP")):
            continue
        column = quoted(part)
        outside = f"CAST({column} AS DATE) NOT BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'"
        odd = connection.execute(
            f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM {rows} WHERE {outside} ORDER BY 1 LIMIT {_SHOWN}"
        ).fetchall()
        if odd:
            raise BatchError(
                f"{spec.name}: the partition column {part} has values outside of the years 0001 to 9999: "
                f"{', '.join(value for (value,) in odd)}. Nothing was written.\n"
                "Filter or mend these rows in the model, or store what means 'never' as NULL."
            )


def check_not_moved(connection: DuckDBPyConnection, spec: ModelSpec, rows: str, held: Sequence[str]) -> None:
    """Raises BatchError when there are ``rows``, which would change their partition; ``held`` names present values."""
    keys, new = quoted_list(spec.unique_key), quoted_list(spec.partition_by)
    moved = connection.execute(
        f"SELECT {keys}, {quoted_list(held)}, {new} FROM {rows} ORDER BY {keys} LIMIT {_SHOWN}"
    ).fetchall()
    if not moved:
        return
    width, parts = len(spec.unique_key), len(spec.partition_by)
    shown = "; ".join(
        f"{_key_text(row[:width])} from {_key_text(row[width : width + parts])} to {_key_text(row[width + parts :])}"
        for row in moved
    )
    raise BatchError(
        f"{spec.name}: rows change their partition ({', '.join(spec.partition_by)}): {shown}. Nothing was written.\n"
        "If a key may move, say so with on_partition_change='move'; otherwise compute the partition column from "
        "something that stays the same for a key."
    )


def _key_text(values: Sequence[object]) -> str:
    return "/".join(str(value) for value in values)
