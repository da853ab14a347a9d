"""Creates Delta tables with the schema and the properties that every reader of this platform understands."""

from collections.abc import Sequence
from datetime import timedelta

from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType

from lakehouse.contracts.columns import StoredColumn
from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog

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
    """A table exists with other columns than its contract declares."""


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
    columns, naming them.
    """
    _create(catalog, contract.table, contract.stored_columns(), contract.partition_by, contract)
    if contract.on_invalid is OnInvalid.QUARANTINE:
        _create(catalog, contract.rejected_table, contract.rejected_columns(), (), contract)


def _create(
    catalog: Catalog, name: str, columns: Sequence[StoredColumn], partition_by: Sequence[str], contract: Contract
) -> None:
    wanted = delta_schema(columns)
    try:
        DeltaTable.create(
            catalog.uri(name),
            wanted,
            mode="ignore",
            partition_by=list(partition_by) or None,
            name=name,
            description=contract.description,
            configuration=dict(table_properties(contract.retention)),
            storage_options=dict(catalog.storage_options),
            # A retry would commit this metadata on top of a table that another process made meanwhile.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except DeltaError:
        # Another process may have created it between delta-rs's look and its commit; its schema is compared below.
        if not catalog.exists(name):
            raise
    existing = {field.name: str(field.type) for field in catalog.open(name).schema().fields}
    expected = {field.name: str(field.type) for field in wanted.fields}
    if existing != expected:
        differing = sorted(existing.items() ^ expected.items())
        details = "\n".join(
            f"  {column}: table {existing.get(column, 'has none')}, contract {expected.get(column, 'has none')}"
            for column in sorted({column for column, _ in differing})
        )
        raise SchemaMismatchError(
            f"table {name} at {catalog.uri(name)} does not match its contract:\n{details}\n"
            "Change the contract back, or move the table away to have a new one created."
        )
