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

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.duck import configure_storage, delta_scan_sql, load_delta_extension, show_view
from lakehouse.storage.sql import literal, relation

_NAME = "schema_name || '.' || view_name"
#: The comment that tells a view over a Delta table from one that a model is.
_DELTA_TABLE = "Delta table"


class ViewCatalogue:
    """The catalogue file of one catalog of Delta tables."""

    def __init__(self, file: Path, catalog: Catalog) -> None:
        self._file = file
        self._catalog = catalog
        self._seen: int | None = None

    def changed(self) -> bool:
        """Whether a view was published since this was last asked."""
        published = self._file.stat().st_mtime_ns if self._file.exists() else None
        before, self._seen = self._seen, published
        return before != published

    def show_in(self, connection: DuckDBPyConnection) -> dict[str, str]:
        """Shows the dbt views in ``connection``, where the tables are; those that cannot be are returned with why."""
        waiting = self._views()
        while waiting:
            # The file does not tell in which order views build on one another: what fails may succeed after the rest.
            failed = {name: why for name, select in waiting.items() if (why := _failure(connection, name, select))}
            if len(failed) == len(waiting):
                return failed
            waiting = {name: waiting[name] for name in failed}
        return {}

    def _views(self) -> dict[str, str]:
        """`schema.view` to SELECT."""
        if not self._file.exists():
            return {}
        with duckdb.connect(self._file, read_only=True) as connection:
            load_delta_extension(connection)
            rows = connection.execute(
                f"SELECT {_NAME}, sql FROM duckdb_views() WHERE NOT internal AND comment IS NULL"
            ).fetchall()
        return {name: _select_of(sql) for name, sql in rows}

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
                _show_tables(connection, self._catalog)
                show_view(connection, name, select)
            draft.replace(self._file)


def _show_tables(connection: DuckDBPyConnection, catalog: Catalog) -> None:
    """Makes the views over Delta tables those of the tables there are."""
    shown = connection.execute(f"SELECT {_NAME} FROM duckdb_views() WHERE comment = {literal(_DELTA_TABLE)}").fetchall()
    for (name,) in shown:
        connection.execute(f"DROP VIEW {relation(name)}")
    for name in catalog.names():
        show_view(connection, name, f"SELECT * FROM {delta_scan_sql(catalog, name)}")
        connection.execute(f"COMMENT ON VIEW {relation(name)} IS {literal(_DELTA_TABLE)}")


def _failure(connection: DuckDBPyConnection, name: str, select: str) -> str | None:
    """Why the view cannot be shown; None when it is."""
    try:
        show_view(connection, name, select)
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return None


def _select_of(create_view: str) -> str:
    """The query of a CREATE VIEW statement as DuckDB prints it."""
    return create_view.partition(" AS ")[2].strip().removesuffix(";")
