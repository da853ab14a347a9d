"""The DuckDB catalogue file: every Delta table and every dbt view by name, for BI tools and for later runs.

The file is never written in place. A new one replaces it, so a tool that has it open keeps reading the old one, and
nobody waits for a lock.
"""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

import fcntl
import os
import shutil
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.sql import quoted, relation
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.duck import configure_storage, delta_scan_sql, load_delta_extension


class ViewCatalogue:
    """The catalogue file of one catalog of Delta tables."""

    def __init__(self, file: Path, catalog: Catalog) -> None:
        self._file = file
        self._catalog = catalog
        self._seen: int | None = None

    def changed_views(self) -> dict[str, str]:
        """The dbt views, `schema.view` to SELECT, oldest first; empty when none was published since last asked."""
        published = self._file.stat().st_mtime_ns if self._file.exists() else None
        if published == self._seen:
            return {}
        self._seen = published
        tables = set(self._catalog.names())
        if published is None:
            return {}
        with duckdb.connect(self._file, read_only=True) as connection:
            load_delta_extension(connection)
            rows = connection.execute(
                "SELECT schema_name || '.' || view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY view_oid"
            ).fetchall()
        return {name: _select_of(sql) for name, sql in rows if name not in tables}

    def publish(self, name: str, select: str) -> None:
        """Adds or replaces the view ``name``, and brings the Delta tables up to date."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            draft = self._file.with_suffix(f".{os.getpid()}.draft")
            draft.unlink(missing_ok=True)
            if self._file.exists():
                shutil.copyfile(self._file, draft)
            with duckdb.connect(draft) as connection:
                load_delta_extension(connection)
                configure_storage(connection, self._catalog)
                for table in self._catalog.names():
                    _create_view(connection, table, f"SELECT * FROM {delta_scan_sql(self._catalog, table)}")
                _create_view(connection, name, select)
            draft.replace(self._file)


def _create_view(connection: DuckDBPyConnection, name: str, select: str) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name.split('.')[0])}")
    connection.execute(f"CREATE OR REPLACE VIEW {relation(name)} AS {select}")


def _select_of(create_view: str) -> str:
    """The query of a CREATE VIEW statement as DuckDB prints it."""
    return create_view.partition(" AS ")[2].strip().removesuffix(";")
