"""`lakehouse query`: SQL over the Delta tables and dbt's views, in DuckDB."""

import csv
import shutil
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.errors import LakehouseError
from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_TABLE_ROWS = 100
_CHUNK_ROWS = 10_000
_NO_WIDTH = 100_000


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class QueryError(LakehouseError):
    """The statement cannot be run."""


def query(
    sql: Annotated[str, typer.Argument(help="One statement. Tables are named schema.table.")],
    output: Annotated[Format, typer.Option("--format", "-f", help="json is one array of objects.")] = Format.TABLE,
) -> None:
    """Ask the Delta tables and dbt's views in SQL (DuckDB's), each at its newest version. Timestamps are UTC.

    \b
    Examples:
      lakehouse query "SHOW ALL TABLES"
      lakehouse query "SELECT status, count(*) FROM raw.orders GROUP BY status"
      lakehouse query "SELECT reason, count(*) FROM raw.orders_rejected GROUP BY 1 ORDER BY 2 DESC"
      lakehouse query "SELECT status, avg(days_since_order) FROM marts.rpt_orders GROUP BY status"
      lakehouse query --format csv "SELECT * FROM raw.orders" > orders.csv
    """
    import duckdb

    from lakehouse.dbt_delta.views import ViewCatalogue
    from lakehouse.storage import Catalog
    from lakehouse.storage.duck import connect

    settings = load_settings()
    catalog = Catalog.from_settings(settings)
    connection = connect(catalog)
    broken = ViewCatalogue(settings.catalogue_file, catalog).show_in(connection)
    try:
        _print_rows(connection, sql, output)
    except duckdb.Error as error:
        raise QueryError(_explain(error, connection, catalog.root, broken)) from error


def _explain(error: Exception, connection: "DuckDBPyConnection", root: str, broken: dict[str, str]) -> str:
    message = str(error)
    if "does not exist" not in message or not message.startswith("Catalog Error"):
        return message
    known = connection.execute(
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    ).fetchall()
    message += f"\nTables: {', '.join(name for (name,) in known) or f'none yet below {root}'}"
    for name, reason in broken.items():
        message += (
            f"\nThe view {name} cannot be shown: {reason}\nBuild it anew: dbt build --select {name.split('.')[1]}"
        )
    return message


def _print_rows(connection: "DuckDBPyConnection", sql: str, output: Format) -> None:
    relation = connection.sql(sql)
    if relation is None:
        return  # A statement without rows, as SET.
    if output is Format.TABLE:
        # A pipe has no width: nothing is left out there.
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_WIDTH
        relation.show(max_rows=_TABLE_ROWS, max_width=width)
    elif output is Format.CSV:
        _print_csv(relation)
    else:
        _print_json(relation)


def _print_csv(relation: "DuckDBPyRelation") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(relation.columns)
    for rows in _chunks(relation.query("answer", "SELECT COLUMNS(*)::VARCHAR FROM answer")):
        writer.writerows(rows)


def _print_json(relation: "DuckDBPyRelation") -> None:
    """One array, an object a line, written as it is read."""
    separator = "[\n"
    for rows in _chunks(relation.query("answer", "SELECT to_json(answer)::VARCHAR FROM answer")):
        for row in rows:
            sys.stdout.write(separator + row[0])
            separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def _chunks(relation: "DuckDBPyRelation") -> Iterator[list[tuple[str, ...]]]:
    while rows := relation.fetchmany(_CHUNK_ROWS):
        yield rows
