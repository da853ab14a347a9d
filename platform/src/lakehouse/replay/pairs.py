"""The live tables that a replay concerns, each with what is to stand in its place, and the database that compares."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from contracts and the catalog

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.contracts.engine import Engine
from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.contracts.output import WINDOW_START
from lakehouse.observability.look import made_at
from lakehouse.replay.compare import by_day, by_window
from lakehouse.replay.difference import Pair
from lakehouse.replay.scope import QUARANTINED, Scope
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.duck import configure_storage, delta_scan_sql, load_delta_extension
from lakehouse.storage.sql import literal

#: A table may hold several topics, as after its contract named another one, and those count their offsets alike.
_EVENT = ("kafka_topic", "kafka_partition", "kafka_offset")
#: When the broker took an event, which it says again whenever the event is read.
_TAKEN = "kafka_timestamp"


def live_tables(contract: Contract) -> tuple[str, ...]:
    """The tables that a replay of ``contract`` replaces rows of."""
    plain = contract.transform is None and contract.on_invalid is OnInvalid.QUARANTINE
    return (contract.table, contract.rejected_table) if plain else (contract.table,)


def pairs(contract: Contract, scope: Scope, others: Mapping[str, str]) -> list[Pair]:
    """For each live table in ``others`` the rows of ``scope`` beside those of the relation there, whatever has become
    of the contract's `on_invalid` since these were computed.
    """
    return [_pair(contract, scope, name, other) for name, other in others.items()]


def _pair(contract: Contract, scope: Scope, name: str, other: str) -> Pair:
    if name == contract.rejected_table:
        day = by_day(_TAKEN)
        return Pair(name, other, scope.rejected_condition, _EVENT, ("ingested_at",), day, _TAKEN)
    if contract.transform is None:
        day = by_day(contract.event_time.column)
        return Pair(name, other, scope.condition, _EVENT, ("ingested_at",), day, _TAKEN)
    made = made_at(contract)
    column = scope.column or contract.event_time.column
    windowed = contract.transform.window is not None and column == WINDOW_START
    bucket = by_window(column) if windowed else by_day(column)
    # With the column that the range is cut by: the same key may be there outside of it, and that row has to stay.
    keys = tuple(dict.fromkeys((column, *contract.keys)))
    required = {declared.name for declared in contract.columns if declared.required}
    nullable = tuple(key for key in keys if key not in required)
    # What Flink has emitted stays, also where a late event has corrected it since: readers take the newest of each key.
    version = made if contract.resolved_engine is Engine.FLINK else None
    ignored = () if made is None else (made,)
    return Pair(name, other, scope.condition, keys, ignored, bucket, version=version, nullable=nullable)


@contextmanager
def database(settings: Settings, catalog: Catalog, contract: Contract, scope: Scope) -> Iterator[DuckDBPyConnection]:
    """A database in memory, which spills to disk, with what the conditions of ``scope`` refer to."""
    temporary = settings.state_dir / "tmp" / "replay"
    temporary.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = {literal(temporary)}")
        connection.execute(f"SET memory_limit = {literal(settings.dbt_memory)}")
        load_delta_extension(connection)
        configure_storage(connection, catalog)
        if scope.quarantine_version is not None:
            held = delta_scan_sql(catalog, contract.rejected_table, scope.quarantine_version)
            connection.execute(
                f"CREATE TABLE {QUARANTINED} AS SELECT kafka_partition, kafka_offset FROM {held} "
                f"WHERE {scope.without_quarantine().rejected_condition}"
            )
        yield connection
