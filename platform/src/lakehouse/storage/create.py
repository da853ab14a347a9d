"""Creates Delta tables with the schema and the properties that every reader of this platform understands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType

from lakehouse.contracts.columns import COORDINATES, ColumnType, StoredColumn
from lakehouse.contracts.model import Contract
from lakehouse.contracts.tables import DeclaredTable, declared_tables
from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.compare import Difference, differences
from lakehouse.storage.stats import BOUNDED

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
    """Creates the tables that the contract asks for, where they do not exist yet.

    Idempotent, and safe when two processes do it at once. Raises SchemaMismatchError when a table exists with other
    columns, partitions or properties, naming each difference and its remedy.
    """
    for table in declared_tables(contract):
        _create(catalog, table, _properties(table, contract))
    check_tables(catalog, contract)


def check_tables(catalog: Catalog, contract: Contract) -> None:
    """Raises SchemaMismatchError when one of the contract's tables exists and is not as it asks for."""
    for table in (table for table in declared_tables(contract) if catalog.exists(table.name)):
        if found := drift(catalog.open(table.name), table, contract):
            listed = "\n".join(f"  {difference}" for difference in found)
            raise SchemaMismatchError(
                f"table {table.name} at {catalog.uri(table.name)} does not match its contract:\n{listed}"
            )


def drift(table: DeltaTable, wanted: DeclaredTable, contract: Contract) -> list[Difference]:
    """How ``table`` differs from what ``contract`` wants of it."""
    return differences(
        table, delta_schema(wanted.columns), wanted.partition_by, _properties(wanted, contract), contract
    )


@dataclass(frozen=True)
class Alteration:
    """What an existing table lacks of its contract and can be given: columns, and properties with their new values."""

    columns: tuple[Field, ...]
    properties: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.columns or self.properties)


@dataclass(frozen=True)
class Comparison:
    """An existing table beside its contract: how it is to be altered, and what no alteration can mend."""

    alteration: Alteration
    conflicts: tuple[Difference, ...]


def compare_table(table: DeltaTable, wanted: DeclaredTable, contract: Contract) -> Comparison:
    """How ``table`` stands to what ``contract`` wants of it, without a change.

    A required column is a conflict: the rows there are have no value for it.
    """
    schema, properties = delta_schema(wanted.columns), _properties(wanted, contract)
    there = {field.name for field in table.schema().fields}
    held = table.metadata().configuration
    return Comparison(
        Alteration(
            tuple(field for field in schema.fields if field.name not in there and field.nullable),
            {key: value for key, value in properties.items() if held.get(key) != value},
        ),
        tuple(difference for difference in drift(table, wanted, contract) if not difference.altered),
    )


def apply_contract(catalog: Catalog, contract: Contract) -> dict[str, dict[str, str]]:
    """Gives the contract's existing tables the properties and the optional columns that it asks for.

    Returns what was set, by table. The tables' writer may run meanwhile.
    """
    applied = {}
    for wanted in (table for table in declared_tables(contract) if catalog.exists(table.name)):
        table = catalog.open(wanted.name)
        alteration = compare_table(table, wanted, contract).alteration
        if alteration.columns:
            table.alter.add_columns(list(alteration.columns))
            table = catalog.open(wanted.name)
        if alteration.properties:
            table.alter.set_table_properties(dict(alteration.properties))
        if alteration:
            columns = {f"column {field.name}": str(field.type.type) for field in alteration.columns}
            applied[wanted.name] = {**columns, **alteration.properties}
    return applied


def _properties(table: DeclaredTable, contract: Contract) -> dict[str, str]:
    # Rows arrive in the order of these columns, more or less, so that their bounds tell files apart. Those of ids and
    # names do not, and cost the writer more than all the others.
    chosen = {table.time_column, *(c.name for c in COORDINATES if c.type is not ColumnType.STRING)}
    # An update finds its rows by these.
    chosen |= {key for key in contract.keys if contract.column(key).type is ColumnType.TIMESTAMP}
    if table.name == contract.table:
        # Rows are sorted by these for the sake of their bounds, and Delta sorts by no column without.
        chosen |= set(contract.cluster_by)
    bounded = ",".join(column.name for column in table.columns if column.name in chosen)
    return {**table_properties(contract.retention), BOUNDED: bounded}


def _create(catalog: Catalog, table: DeclaredTable, properties: dict[str, str]) -> None:
    try:
        DeltaTable.create(
            catalog.uri(table.name),
            delta_schema(table.columns),
            mode="ignore",
            partition_by=list(table.partition_by) or None,
            name=table.name,
            description=table.description,
            configuration=properties,
            storage_options=dict(catalog.storage_options),
            # A retry would commit this metadata on top of a table that another process made meanwhile.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except DeltaError:
        # Another process may have created it between delta-rs's look and its commit; the caller compares it.
        if not catalog.exists(table.name):
            raise
