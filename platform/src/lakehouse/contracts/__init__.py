"""The contract: its model, its loader, the choice of engine."""

from lakehouse.contracts.columns import COORDINATES, Column, ColumnType, StoredColumn
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.loader import ContractError, find_contract, load_contract, load_contracts
from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.contracts.tables import DeclaredTable, declared_tables

__all__ = [
    "COORDINATES",
    "Column",
    "ColumnType",
    "Contract",
    "ContractError",
    "DeclaredTable",
    "Engine",
    "OnInvalid",
    "StoredColumn",
    "declared_tables",
    "find_contract",
    "load_contract",
    "load_contracts",
]
