"""The dbt-duckdb plugin: what the project's macros ask of Python.

Macros reach it through `adapter.store_relation()`, dbt-duckdb's one way from Jinja into a plugin. Its last argument
carries an operation, the arguments, and takes back the result; `dbt/macros/lakehouse.sql` wraps this.
"""

from collections.abc import Callable
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

from lakehouse.dbt_delta.build import BuildRequest, build
from lakehouse.dbt_delta.changes import changes_sql
from lakehouse.dbt_delta.session import Session
from lakehouse.errors import LakehouseError
from lakehouse.settings import load_settings


class Plugin(BasePlugin):
    """Answers the macros. An error of this platform reaches the user as dbt's own, without a traceback."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        self._session = Session(load_settings())
        self._operations: dict[str, Callable[[dict[str, Any]], object]] = {
            "start_run": self._start_run,
            "end_run": self._end_run,
            "exists": self._exists,
            "tables": self._tables,
            "changes": self._changes,
            "build": self._build,
            "publish_view": self._publish_view,
            "attach_postgres": self._attach_postgres,
        }

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
            request["result"] = self._operations[request["operation"]](request["arguments"])
        except (LakehouseError, DeltaError, duckdb.Error) as error:
            raise DbtRuntimeError(str(error)) from error

    def _start_run(self, arguments: dict[str, Any]) -> None:
        self._session.start_run(get_invocation_id())

    def _end_run(self, arguments: dict[str, Any]) -> None:
        self._session.end_run()

    def _exists(self, arguments: dict[str, Any]) -> bool:
        node = arguments["node"]
        name = f"{node['schema']}.{node['alias']}"
        return self._session.pinned(name) is not None

    def _tables(self, arguments: dict[str, Any]) -> list[str]:
        return self._session.tables()

    def _changes(self, arguments: dict[str, Any]) -> str:
        node = arguments["node"]
        if arguments["building"]:
            self._session.begin(f"{node['schema']}.{node['alias']}")
        return changes_sql(
            self._session,
            _connection(),
            node,
            arguments["source"],
            arguments["source_sql"],
            arguments["columns"],
            full_refresh=arguments["full_refresh"],
            empty=arguments["empty"],
        )

    def _build(self, arguments: dict[str, Any]) -> dict[str, object]:
        outcome = build(self._session, _connection(), BuildRequest(**arguments))
        return {"message": outcome.message, "action": outcome.action, "rows": outcome.rows}

    def _publish_view(self, arguments: dict[str, Any]) -> None:
        self._session.publish_view(arguments["node"], arguments["sql"])

    def _attach_postgres(self, arguments: dict[str, Any]) -> None:
        self._session.attach_postgres()


def _connection() -> DuckDBPyConnection:
    """The connection of the model that dbt builds on this thread, with its temporary tables and open transaction."""
    adapter = get_adapter_by_type("duckdb")  # type: ignore[no-untyped-call]  # dbt is untyped
    return cast(DuckDBPyConnection, adapter.connections.get_thread_connection().handle.cursor())
