"""Creates Delta tables with the schema and the properties that every reader of this platform understands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType

from lakehouse.contracts.columns import COORDINATES, ColumnType, StoredColumn
from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.compare import differences

_DELTA_TYPES = {
    "string": "string",
    "boolean": "boolean",
    "int": "integer",
    "bigint": "long",
    "double": "double",
    "date": "date",
    "timestamp": "timestamp",
    "binary": "binary",
}


class SchemaMismatchError(LakehouseError):
    """A table exists that is not as its contract declares it."""


def table_properties(retention: timedelta) -> dict[str, str]:
    """Delta properties every table of the platform carries.

    Only features that Spark, DuckDB and delta-rs all read: deletion vectors, column mapping, type widening and v2
    checkpoints stay off. The change feed is on because dbt increments read it, and appends pay nothing for it.
    """
    interval = f"interval {-(-retention // timedelta(seconds=1))} seconds"
    return {
        "delta.enableChangeDataFeed": "true",
        "delta.enableDeletionVectors": "false",
        "delta.logRetentionDuration": interval,
        "delta.deletedFileRetentionDuration": interval,
    }


def delta_schema(columns: Sequence[StoredColumn]) -> Schema:
    """The Delta schema of ``columns``, their descriptions as comments."""
    return Schema(
        [
            Field(
                column.name,
                PrimitiveType(_DELTA_TYPES[column.type]),
                nullable=column.nullable,
                metadata={"comment": column.description} if column.description else None,
            )
            for column in columns
        ]
    )


def create_tables(catalog: Catalog, contract: Contract) -> None:
    """Creates the contract's table, and its quarantine table when it has one, where they do not exist yet.

    Idempotent, and safe when two processes do it at once. Raises SchemaMismatchError when a table exists with other
    columns, partitions or properties, naming each difference and its remedy.
    """
    for table in contract_tables(contract):
        _create(catalog, table, contract)
        found = differences(
            catalog.open(table.name), delta_schema(table.columns), table.partition_by, table.properties, contract
        )
        if found:
            listed = "\n".join(f"  {difference}" for difference in found)
            raise SchemaMismatchError(
                f"table {table.name} at {catalog.uri(table.name)} does not match its contract:\n{listed}"
            )


def apply_properties(catalog: Catalog, contract: Contract) -> dict[str, dict[str, str]]:
    """Gives the contract's existing tables the properties that it asks for; returns what was set, by table."""
    applied = {}
    for wanted in (table for table in contract_tables(contract) if catalog.exists(table.name)):
        table = catalog.open(wanted.name)
        held = table.metadata().configuration
        changed = {key: value for key, value in wanted.properties.items() if held.get(key) != value}
        if changed:
            table.alter.set_table_properties(changed)
            applied[wanted.name] = changed
    return applied


@dataclass(frozen=True)
class ContractTable:
    """A Delta table that a contract asks for."""

    name: str
    columns: Sequence[StoredColumn]
    partition_by: Sequence[str]
    properties: Mapping[str, str]


def contract_tables(contract: Contract) -> list[ContractTable]:
    """The contract's own table, and its quarantine where it has one."""
    tables = [(contract.table, contract.stored_columns(), contract.partition_by)]
    if contract.on_invalid is OnInvalid.QUARANTINE:
        tables.append((contract.rejected_table, contract.rejected_columns(), ()))
    return [ContractTable(name, columns, keys, _properties(columns, contract)) for name, columns, keys in tables]


def _properties(columns: Sequence[StoredColumn], contract: Contract) -> dict[str, str]:
    # Events arrive in the order of these columns, more or less, so that their bounds tell files apart. Those of ids and
    # names do not, and cost the writer more than all the others.
    arriving = {contract.event_time.column, *(c.name for c in COORDINATES if c.type is not ColumnType.STRING)}
    bounded = ",".join(column.name for column in columns if column.name in arriving)
    return {**table_properties(contract.retention), "delta.dataSkippingStatsColumns": bounded}


def _create(catalog: Catalog, table: ContractTable, contract: Contract) -> None:
    try:
        DeltaTable.create(
            catalog.uri(table.name),
            delta_schema(table.columns),
            mode="ignore",
            partition_by=list(table.partition_by) or None,
            name=table.name,
            description=contract.description,
            configuration=dict(table.properties),
            storage_options=dict(catalog.storage_options),
            # A retry would commit this metadata on top of a table that another process made meanwhile.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except DeltaError:
        # Another process may have created it between delta-rs's look and its commit; the caller compares it.
        if not catalog.exists(table.name):
            raise
