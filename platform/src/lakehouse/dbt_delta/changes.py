"""`delta_changes`: what changed in a source since the model last consumed it, as SQL for the model's query."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.columns import describe
from lakehouse.dbt_delta.errors import SourceError
from lakehouse.dbt_delta.progress import Consumption, consumed_version
from lakehouse.dbt_delta.session import Session
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.invocation import command
from lakehouse.storage.changes import CHANGE_TYPE, HistoryGoneError, change_feed, rows_sql
from lakehouse.storage.sql import quoted, quoted_list, relation


@dataclass(frozen=True)
class Asked:
    """What a model asks of a source: ``columns`` (name to DuckDB type) of what ``consumption`` tells."""

    spec: ModelSpec
    source_sql: str
    columns: Mapping[str, str]
    consumption: Consumption

    @property
    def everything_sql(self) -> str:
        """Every row of the source as an insert."""
        return f"SELECT {quoted_list(self.columns)}, 'insert' AS {CHANGE_TYPE} FROM {self.source_sql}"

    @property
    def nothing_sql(self) -> str:
        """The columns, and no row."""
        return f"{self.everything_sql} WHERE false"

    def history_gone(self, error: HistoryGoneError) -> SourceError:
        """What the user is told where the changes cannot be."""
        source, since, version = self.consumption.source, self.consumption.since, self.consumption.version
        return SourceError(
            f"{self.spec.name} has consumed {source} up to version {since} and needs what changed up to {version}: "
            f"{error}\nRebuild the model: dbt run --full-refresh --select {self.spec.name.partition('.')[2]}"
        )


def asked_changes(
    session: Session,
    connection: DuckDBPyConnection,
    node: Mapping[str, Any],
    source: str,
    source_sql: str,
    columns: Sequence[str] | None,
    *,
    full_refresh: bool,
) -> Asked:
    """Looks up what the model of ``node`` has consumed of ``source``, and notes what it does now, for the commit.

    ``source_sql`` is the source as dbt renders it. Raises SourceError when there is no such source or column, or the
    changes cannot be told.
    """
    spec = ModelSpec.from_node(node)
    version = session.pinned(source)
    if version is None:
        known = ", ".join(session.catalog.names()) or "none yet"
        raise SourceError(
            f"{spec.name} reads {source}, and there is no such table below {session.catalog.root}. Tables: {known}.\n"
            f"Build it first: `{command('up')}` starts the streams, `dbt build --select +"
            f"{spec.name.partition('.')[2]}` builds the models upstream."
        )
    types = describe(connection, relation(source))
    unknown = [column for column in columns or () if column not in types]
    if unknown:
        raise SourceError(
            f"{spec.name}: delta_changes asks {source} for {', '.join(unknown)}. Columns: {', '.join(types)}"
        )
    chosen = {column: types[column] for column in columns or types}
    consumption = _consumption(session, connection, spec, source, version, full_refresh=full_refresh)
    session.consume(spec.name, consumption)
    return Asked(spec, source_sql, chosen, consumption)


def changed_sql(session: Session, connection: DuckDBPyConnection, asked: Asked, since: int) -> str:
    """A subquery of DuckDB with the columns that are asked for and `_change_type`, of what changed after ``since``.

    Raises SourceError when the changes cannot be told.
    """
    changed = _load(session, connection, asked, since)
    qualified = ", ".join(f"changed.{quoted(column)}" for column in asked.columns)
    # The branch that yields nothing tells tools that derive lineage from SQL which columns these are.
    return (
        f"({asked.nothing_sql} UNION ALL SELECT {qualified}, changed.{CHANGE_TYPE} FROM {quoted(changed)} AS changed)"
    )


def _consumption(
    session: Session, connection: DuckDBPyConnection, spec: ModelSpec, source: str, version: int, *, full_refresh: bool
) -> Consumption:
    source_table = session.catalog.open(source, version)
    table_id = str(source_table.metadata().id)
    held = session.pinned(spec.name)
    if held is None or full_refresh or not spec.incremental:
        return Consumption(source, table_id, None, version)
    since = consumed_version(session.catalog.open(spec.name, held), source, source_table)
    if since is None and connection.execute(f"SELECT 1 FROM {relation(spec.name)} LIMIT 1").fetchall():
        raise SourceError(
            f"{spec.name} holds rows, but none that it computed from {source} as it stands (Delta table {table_id}): "
            f"either the model did not read {source} before, or that table was dropped and made anew.\n"
            f"Rebuild the model: dbt run --full-refresh --select {spec.name.partition('.')[2]}"
        )
    if since is not None and since > version:
        raise SourceError(
            f"{spec.name} has consumed {source} up to version {since}, but this run sees version {version} of it. "
            "If another run got ahead of this one, run again; if the source lost commits, rebuild the model with "
            "--full-refresh."
        )
    return Consumption(source, table_id, since, version)


def _load(session: Session, connection: DuckDBPyConnection, asked: Asked, since: int) -> str:
    """Makes the changes a temporary relation and returns its name."""
    source = asked.consumption.source
    try:
        feed = change_feed(connection, session.catalog, source, since, asked.consumption.version)
        sql = rows_sql(connection, feed, asked.columns)
    except HistoryGoneError as error:
        raise asked.history_gone(error) from error
    name = f"__changes__{asked.spec.name}__{source}".replace(".", "_")
    # Inserts are scanned where they lie; netting is work that a model should not repeat at each reference.
    kind = "VIEW" if feed.inserts_only else "TABLE"
    connection.execute(f"CREATE OR REPLACE TEMP {kind} {quoted(name)} AS {sql}")
    return name
