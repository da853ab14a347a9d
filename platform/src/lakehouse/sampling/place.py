"""A drafted contract gets its place among the others: whole and valid, or not at all."""

import os
import tempfile
from pathlib import Path

from lakehouse.contracts.loader import ContractError, find_contract, load_contracts
from lakehouse.contracts.model import Contract
from lakehouse.errors import LakehouseError


class PlaceError(LakehouseError):
    """A new contract has no place among the others."""


def planned_file(directory: Path, table: str) -> Path:
    """Where the contract of ``table`` is to stand. Raises PlaceError where it is taken, by a file or by a contract."""
    if not directory.is_dir():
        raise PlaceError(f"{directory} is no directory: make it, or set LAKEHOUSE_CONTRACTS_DIR to another")
    file = directory / f"{table.split('.')[1]}.yaml"
    if file.exists():
        raise PlaceError(f"{file} exists, and is not overwritten: choose another --table, or delete it")
    for contract in load_contracts(directory) if any(directory.glob("*.y*ml")) else ():
        if contract.table == table:
            raise PlaceError(f"{table} has a contract already, in {directory}: choose another --table")
    return file


def place_contract(file: Path, table: str, text: str) -> Contract:
    """Writes ``text``, the contract of ``table``, to ``file``, and returns it as it is loaded among those beside it.

    It is loaded elsewhere beside them first, so that nobody ever sees a file there that is not valid or not whole.
    Raises PlaceError for what does not go with them, and where the file has appeared meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".add-") as trial:
        draft = Path(trial) / file.name
        for other in file.parent.glob("*.yaml"):
            (Path(trial) / other.name).symlink_to(other.resolve())
        try:
            with draft.open("x", encoding="utf-8") as output:
                output.write(text)
            contract = find_contract(Path(trial), table)
            # A link is there whole or not at all, and replaces no file.
            os.link(draft, file)
        except FileExistsError:
            raise PlaceError(f"{file} has appeared meanwhile, and is not overwritten") from None
        except ContractError as error:
            raise PlaceError(f"no contract is written: {str(error).replace(f'{trial}/', '')}") from error
    return contract
