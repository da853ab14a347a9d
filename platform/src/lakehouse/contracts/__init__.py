"""The contract: its model, its loader, the choice of engine."""

from lakehouse.contracts.columns import COORDINATES, Column, ColumnType, StoredColumn
from lakehouse.contracts.engine import Engine, choose_engine
from lakehouse.contracts.loader import ContractError, find_contract, load_contract, load_contracts
from lakehouse.contracts.model import Contract, OnInvalid

__all__ = [
    "COORDINATES",
    "Column",
    "ColumnType",
    "Contract",
    "ContractError",
    "Engine",
    "OnInvalid",
    "StoredColumn",
    "choose_engine",
    "find_contract",
    "load_contract",
    "load_contracts",
]
