"""Postgres as DuckDB reads it: a database attached under a name. Its credentials are in no SQL text and in no log."""

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage.duck import load_extension
from lakehouse.storage.sql import literal

#: The name of the attached database, in dbt's sources too.
DATABASE = "postgres"
_CONNECT_SECONDS = 10
_REMEDY = (
    "Start the local one with `lakehouse up --only postgres`, or name another: LAKEHOUSE_POSTGRES_HOST, _PORT, "
    "_DATABASE, _USER and _PASSWORD."
)


class PostgresError(LakehouseError):
    """Postgres does not answer, or refuses what it was asked."""


def attach(connection: DuckDBPyConnection, settings: Settings, *, read_only: bool = True) -> None:
    """Shows the Postgres of ``settings`` as the database ``postgres``; again is fine.

    Connects at once. Raises PostgresError naming host, port and the next step when that fails.
    """
    attached = "SELECT 1 FROM duckdb_databases() WHERE database_name = ?"
    if connection.execute(attached, [DATABASE]).fetchall():
        return
    load_extension(connection, "postgres")
    fields = {
        "HOST": settings.postgres_host,
        "PORT": str(settings.postgres_port),
        "DATABASE": settings.postgres_database,
        "USER": settings.postgres_user,
        "PASSWORD": password(settings),
    }
    given = "".join(f", {field} {literal(value)}" for field, value in fields.items())
    connection.execute(f"CREATE OR REPLACE SECRET {DATABASE} (TYPE postgres{given})")
    options = f"TYPE postgres, SECRET {DATABASE}{', READ_ONLY' if read_only else ''}"
    try:
        connection.execute(f"ATTACH 'connect_timeout={_CONNECT_SECONDS}' AS {DATABASE} ({options})")
    except duckdb.Error as error:
        raise PostgresError(
            f"Postgres at {settings.postgres_host}:{settings.postgres_port} gives no connection to database "
            f"{settings.postgres_database!r} for {settings.postgres_user!r}: {_reason(error)}\n{_REMEDY}"
        ) from None  # The original may quote the connection string.


def password(settings: Settings) -> str:
    """The password of the setting, else the one made for the local Postgres. Raises PostgresError without any."""
    given = settings.postgres_password.get_secret_value()
    if given:
        return given
    file = settings.postgres_password_file
    if not file.is_file():
        raise PostgresError(
            f"no password for Postgres at {settings.postgres_host}:{settings.postgres_port}: "
            f"LAKEHOUSE_POSTGRES_PASSWORD is not set, and no local Postgres has made {file}.\n{_REMEDY}"
        )
    return file.read_text(encoding="utf-8").strip()


def _reason(error: duckdb.Error) -> str:
    """What libpq said, without the connection string before it."""
    return (str(error).partition("failed: ")[2] or "it cannot be reached").splitlines()[0]
