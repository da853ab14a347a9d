"""`delta_changes`: what changed in a source since the model last consumed it, as SQL for the model's query."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Mapping, Sequence
from typing import Any

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.columns import describe
from lakehouse.dbt_delta.errors import SourceError
from lakehouse.dbt_delta.progress import Consumption, consumed_version
from lakehouse.dbt_delta.session import Session
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.dbt_delta.sql import quoted, quoted_list, relation
from lakehouse.invocation import command
from lakehouse.storage.changes import CHANGE_TYPE, HistoryGoneError, change_feed, rows_sql


def changes_sql(
    session: Session,
    connection: DuckDBPyConnection,
    node: Mapping[str, Any],
    source: str,
    source_sql: str,
    columns: Sequence[str] | None,
    *,
    full_refresh: bool,
    empty: bool,
) -> str:
    """A subquery with ``columns`` of ``source`` (default: all) and `_change_type`, `insert` or `delete`.

    The first build of a model and a full refresh get every row as an insert. ``source_sql`` is the source as dbt
    renders it, and ``empty`` dbt's flag to read no rows. Notes what is consumed, for the commit. Raises SourceError
    when the changes cannot be told.
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
    names = quoted_list(chosen)
    everything = f"SELECT {names}, 'insert' AS {CHANGE_TYPE} FROM {source_sql}"
    if consumption.since is None:
        return f"({everything})"
    nothing = f"{everything} WHERE false"
    if empty or not consumption.moved:
        return f"({nothing})"
    changed = _load(session, connection, spec, consumption, consumption.since, chosen)
    qualified = ", ".join(f"changed.{quoted(column)}" for column in chosen)
    # The branch that yields nothing tells tools that derive lineage from SQL which columns these are.
    return f"({nothing} UNION ALL SELECT {qualified}, changed.{CHANGE_TYPE} FROM {quoted(changed)} AS changed)"


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


def _load(
    session: Session,
    connection: DuckDBPyConnection,
    spec: ModelSpec,
    consumption: Consumption,
    since: int,
    columns: Mapping[str, str],
) -> str:
    """Makes the changes a temporary relation and returns its name."""
    try:
        feed = change_feed(connection, session.catalog, consumption.source, since, consumption.version)
        sql = rows_sql(connection, feed, columns)
    except HistoryGoneError as error:
        raise SourceError(
            f"{spec.name} has consumed {consumption.source} up to version {since} and needs what changed "
            f"up to {consumption.version}: {error}\n"
            f"Rebuild the model: dbt run --full-refresh --select {spec.name.partition('.')[2]}"
        ) from error
    name = f"__changes__{spec.name}__{consumption.source}".replace(".", "_")
    # Inserts are scanned where they lie; netting is work that a model should not repeat at each reference.
    kind = "VIEW" if feed.inserts_only else "TABLE"
    connection.execute(f"CREATE OR REPLACE TEMP {kind} {quoted(name)} AS {sql}")
    return name
