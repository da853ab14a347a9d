"""Which days a run has changed, told by the tables themselves: an increment writes to any day that an event is of."""

# ruff: noqa: S608  # SQL is what this module makes, of the names of columns

from collections.abc import Mapping
from datetime import date

import duckdb

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.changes import change_feed, changed_values_sql
from lakehouse.storage.duck import configure_storage
from lakehouse.storage.sql import quoted
from lakehouse.storage.stats import latest_version


class ChangedDays:
    """Notes the versions of ``tables``, given with the column that holds a row's time, to tell later what changed."""

    def __init__(self, catalog: Catalog, tables: Mapping[str, str]) -> None:
        self._catalog = catalog
        self._columns = tables
        self._before = {name: self._version(name) for name in tables}

    def of(self, table: str) -> list[date]:
        """The days, UTC, of rows that were inserted, updated or deleted since then, oldest first."""
        since, until = self._before[table], self._version(table)
        if since == until:
            return []
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            configure_storage(connection, self._catalog)
            feed = change_feed(connection, self._catalog, table, since, until)
            column = self._columns[table]
            values = changed_values_sql(connection, feed, column, "TIMESTAMP WITH TIME ZONE")
            days = f"SELECT DISTINCT CAST({quoted(column)} AS DATE) AS day FROM ({values}) WHERE day IS NOT NULL"
            return [day for (day,) in connection.execute(f"{days} ORDER BY day").fetchall()]

    def _version(self, table: str) -> int:
        """-1 before there is one."""
        return latest_version(self._catalog, table) if self._catalog.exists(table) else -1
