"""The Delta tables that a contract asks for."""

from dataclasses import dataclass

from lakehouse.contracts.columns import StoredColumn
from lakehouse.contracts.model import Contract, OnInvalid


@dataclass(frozen=True)
class DeclaredTable:
    """One table. ``time_column`` tells how new its rows are."""

    name: str
    description: str
    columns: tuple[StoredColumn, ...]
    time_column: str
    partition_by: tuple[str, ...] = ()


def declared_tables(contract: Contract) -> tuple[DeclaredTable, ...]:
    """The contract's own table, its quarantine and its table of late events, where it has them."""
    tables = [
        DeclaredTable(
            contract.table,
            contract.description,
            contract.stored_columns(),
            contract.event_time.column,
            contract.partition_by,
        )
    ]
    if contract.on_invalid is OnInvalid.QUARANTINE:
        description = f"Events that {contract.table} could not take, with the reason and the bytes as they came."
        tables.append(DeclaredTable(contract.rejected_table, description, contract.rejected_columns(), "ingested_at"))
    if contract.late is not None:
        description = f"Events that came too late for the windows of {contract.table}."
        tables.append(DeclaredTable(contract.late, description, contract.late_columns(), "ingested_at"))
    return tuple(tables)
