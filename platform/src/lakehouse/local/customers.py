"""The table `public.customers` of the local Postgres: a source of dbt that is no stream."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.generator.config import DEFAULT_CUSTOMERS
from lakehouse.generator.customers import customers
from lakehouse.local.postgres import as_local
from lakehouse.settings import Settings
from lakehouse.storage.postgres import DATABASE, attach
from lakehouse.storage.sql import literal

_TABLE = "public.customers"
_DDL = f"""
CREATE TABLE {_TABLE} (
    customer_id text PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    country text NOT NULL,
    segment text NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
)
"""


def ensure_customers(settings: Settings) -> int | None:
    """Creates the table with the customers of the generator's orders; None where it is there already.

    A table that is there is left as it is: whoever changed it meant to. Raises PostgresError.
    """
    with _connected(settings) as connection:
        found = f"SELECT to_regclass({literal(_TABLE)}) IS NOT NULL"
        if connection.execute("FROM postgres_query(?, ?)", [DATABASE, found]).fetchall() == [(True,)]:
            return None
        seed = customers(DEFAULT_CUSTOMERS)
        connection.register("seed", seed)
        # One transaction of Postgres: the table appears with its rows.
        connection.execute("BEGIN")
        connection.execute("CALL postgres_execute(?, ?)", [DATABASE, _DDL])
        connection.execute(f"INSERT INTO {DATABASE}.{_TABLE} BY NAME SELECT * FROM seed")  # noqa: S608 - constants
        connection.execute("COMMIT")
        return int(seed.num_rows)


@contextmanager
def _connected(settings: Settings) -> Iterator[DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        attach(connection, as_local(settings), read_only=False)
        yield connection
