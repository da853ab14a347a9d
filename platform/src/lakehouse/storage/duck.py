"""DuckDB over the Delta tables: every table of a catalog as a view `schema.table`, read only.

DuckDB reads Delta well and must not write it: delta-rs commits, see DESIGN.md.
"""

import importlib.util
import tempfile
from collections.abc import Iterable
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog, StoreError
from lakehouse.storage.sql import literal, quoted, relation

#: DuckDB calls the entry point that is named as the file is, and the wheel's file bears the extension's other name.
_ENTRY_POINTS = {"postgres": "postgres_scanner"}


class ExtensionNotFoundError(LakehouseError):
    """A DuckDB extension is not installed at the version of the engine."""


def connect(catalog: Catalog, names: Iterable[str] | None = None) -> DuckDBPyConnection:
    """An in-memory connection in which every table of ``catalog``, or ``names``, is a view over its newest version.

    Timestamps are shown in UTC. Raises ExtensionNotFoundError where the Delta extension is missing.
    """
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    load_delta_extension(connection)
    configure_storage(connection, catalog)
    for name in catalog.names() if names is None else names:
        show_view(connection, name, f"FROM {delta_scan_sql(catalog, name)}")
    return connection


def show_view(connection: DuckDBPyConnection, name: str, select: str) -> None:
    """Makes `schema.view` what ``select`` says, whatever it was before."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name.split('.')[0])}")
    connection.execute(f"CREATE OR REPLACE VIEW {relation(name)} AS {select}")


def load_delta_extension(connection: DuckDBPyConnection) -> None:
    """Loads the Delta extension from its wheel, without the web. Raises ExtensionNotFoundError."""
    load_extension(connection, "delta")


def delta_scan_sql(catalog: Catalog, name: str, version: int | None = None, file_column: str | None = None) -> str:
    """The table function that scans the table at ``version``, or at its newest.

    ``file_column`` adds a column of that name with the location of each row's file.
    """
    options = [] if version is None else [f"version => {int(version)}"]
    options += [f"filename => {literal(file_column)}"] if file_column else []
    return f"delta_scan({', '.join([literal(catalog.uri(name)), *options])})"


def configure_storage(connection: DuckDBPyConnection, catalog: Catalog) -> None:
    """Gives DuckDB the credentials and the endpoint of ``catalog``; nothing to do for local tables.

    Without keys in ``catalog`` they are those of a web identity, a container or the machine's role. Raises StoreError
    where there are none either.
    """
    if not catalog.root.startswith("s3://"):
        return
    load_extension(connection, "httpfs")
    options = catalog.storage_options
    endpoint = options.get("AWS_ENDPOINT_URL", "")
    fields = {
        "KEY_ID": options.get("AWS_ACCESS_KEY_ID"),
        "SECRET": options.get("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": options.get("AWS_SESSION_TOKEN"),
        "REGION": options.get("AWS_REGION"),
        # A store of one's own rarely resolves bucket.host names.
        "ENDPOINT": endpoint.partition("://")[2] or None,
        "URL_STYLE": "path" if endpoint else None,
        "USE_SSL": "false" if endpoint.startswith("http://") else None,
    }
    given = "".join(f", {field} {literal(value)}" for field, value in fields.items() if value is not None)
    if fields["KEY_ID"] is None:
        load_extension(connection, "aws")
        # Such credentials expire. Files are then read with newer ones; the log of a table only by a new connection.
        given += ", PROVIDER credential_chain, REFRESH auto"
    try:
        connection.execute(f"CREATE OR REPLACE SECRET lakehouse (TYPE s3, SCOPE {literal(catalog.root)}{given})")
    except duckdb.Error as error:
        if fields["KEY_ID"] is not None:
            raise
        raise StoreError(
            f"DuckDB finds no credentials for {catalog.root}: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in "
            f"the environment, nor a web identity, nor a role of the container or the machine. Set the two.\n{error}"
        ) from error


def load_extension(connection: DuckDBPyConnection, extension: str) -> None:
    """Loads ``extension`` from its wheel, without the web. Raises ExtensionNotFoundError."""
    package = f"duckdb_extension_{extension}"
    spec = importlib.util.find_spec(package)
    directories = spec.submodule_search_locations if spec else None
    file = Path("extensions", f"v{duckdb.__version__}", f"{extension}.duckdb_extension")
    for directory in directories or ():
        if (Path(directory) / file).is_file():
            _load(connection, Path(directory) / file, _ENTRY_POINTS.get(extension, extension))
            return
    raise ExtensionNotFoundError(
        f"DuckDB {duckdb.__version__} needs its extension {extension!r} at the very same version, and the package "
        f"{package} does not hold {file}.\nInstall it: pip install {package.replace('_', '-')}=={duckdb.__version__}"
    )


def _load(connection: DuckDBPyConnection, file: Path, entry_point: str) -> None:
    if file.stem == entry_point:
        connection.execute(f"LOAD {literal(str(file))}")
        return
    with tempfile.TemporaryDirectory() as directory:
        renamed = Path(directory) / f"{entry_point}{file.suffix}"
        renamed.symlink_to(file)
        connection.execute(f"LOAD {literal(str(renamed))}")
