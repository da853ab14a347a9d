"""What the project's macros ask of Python, by name: the macro `lakehouse` of dbt/macros/lakehouse.sql."""

from collections.abc import Callable, Mapping
from typing import Any

from dbt_common.invocation import get_invocation_id
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.build import BuildRequest, build
from lakehouse.dbt_delta.changes import Asked, asked_changes, changed_sql
from lakehouse.dbt_delta.session import Session
from lakehouse.dbt_delta.whole import DeltaRsWriter, Writer

Arguments = Mapping[str, Any]


class Operations:
    """The operations of one dbt process, whose models DuckDB computes.

    ``connection`` gives the DuckDB connection of the model that dbt builds on the calling thread.
    """

    def __init__(self, session: Session, connection: Callable[[], DuckDBPyConnection]) -> None:
        self._session = session
        self._connection = connection
        self._operations: dict[str, Callable[[Arguments], object]] = {
            "start_run": lambda _: self._session.start_run(get_invocation_id()),
            "end_run": lambda _: self._session.end_run(),
            "exists": self._exists,
            "tables": lambda _: self._session.tables(),
            "changes": self._changes,
            "build": self._build,
            "publish_view": lambda arguments: self._session.publish_view(arguments["node"], arguments["sql"]),
            "attach_postgres": lambda _: self._attach_postgres(),
        }

    def answer(self, operation: str, arguments: Arguments) -> object:
        """What ``operation`` results in. Raises LakehouseError, and the errors of deltalake and DuckDB."""
        return self._operations[operation](arguments)

    def _exists(self, arguments: Arguments) -> bool:
        return self._session.pinned(table_name(arguments["node"])) is not None

    def _changes(self, arguments: Arguments) -> str:
        """A subquery with the columns that are asked for and `_change_type`, `insert` or `delete`.

        The first build of a model and a full refresh get every row as an insert. `empty` is dbt's flag to read no rows.
        """
        if arguments["building"]:
            self._session.begin(table_name(arguments["node"]))
        asked = asked_changes(
            self._session,
            self._connection(),
            arguments["node"],
            arguments["source"],
            arguments["source_sql"],
            arguments["columns"],
            full_refresh=arguments["full_refresh"],
        )
        since = asked.consumption.since
        if since is None:
            return f"({asked.everything_sql})"
        if arguments["empty"] or not asked.consumption.moved:
            return f"({asked.nothing_sql})"
        return self._changed_sql(asked, since)

    def _build(self, arguments: Arguments) -> dict[str, object]:
        connection = self._connection()
        outcome = build(self._session, connection, BuildRequest(**arguments), self._writer(connection))
        return {"message": outcome.message, "action": outcome.action, "rows": outcome.rows}

    # What another engine does in its own way.

    def _writer(self, connection: DuckDBPyConnection) -> Writer:
        return DeltaRsWriter(self._session.catalog, connection)

    def _changed_sql(self, asked: Asked, since: int) -> str:
        return changed_sql(self._session, self._connection(), asked, since)

    def _attach_postgres(self) -> None:
        self._session.attach_postgres()


def table_name(node: Mapping[str, Any]) -> str:
    """`schema.table` of a node of dbt."""
    return f"{node['schema']}.{node['alias']}"
