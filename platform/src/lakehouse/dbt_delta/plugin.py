"""The dbt-duckdb plugin: the way from the project's macros to Python.

Macros reach it through `adapter.store_relation()`, dbt-duckdb's one way from Jinja into a plugin. Its last argument
carries an operation, the arguments, and takes back the result; `dbt/macros/lakehouse.sql` wraps this.
"""

from typing import Any, cast

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig
from dbt.adapters.factory import get_adapter_by_type
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id
from deltalake.exceptions import DeltaError
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.operations import Operations
from lakehouse.dbt_delta.session import Session
from lakehouse.errors import LakehouseError
from lakehouse.settings import load_settings


class Plugin(BasePlugin):
    """Answers the macros. An error of this platform reaches the user as dbt's own, without a traceback."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        self._session = Session(load_settings())
        self._operations = Operations(self._session, _connection)

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        # dagster-dbt makes every path absolute and read-only to spare a database file; there is none to spare here.
        if creds.path.endswith(":memory:"):
            creds.path = ":memory:"
            config.pop("access_mode", None)

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        self._session.prepare(conn)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        self._session.refresh(get_invocation_id())

    def store(self, target_config: TargetConfig) -> None:
        request = target_config.config
        try:
            request["result"] = self._operations.answer(request["operation"], request["arguments"])
        except (LakehouseError, DeltaError, duckdb.Error) as error:
            raise DbtRuntimeError(str(error)) from error


def _connection() -> DuckDBPyConnection:
    """The connection of the model that dbt builds on this thread, with its temporary tables and open transaction."""
    adapter = get_adapter_by_type("duckdb")  # type: ignore[no-untyped-call]  # dbt is untyped
    return cast(DuckDBPyConnection, adapter.connections.get_thread_connection().handle.cursor())
