"""The contracts that the programs of the stack go by: a copy of the files, made when they were applied.

A program that crashes is started again at any moment. Were it to read what somebody is editing, an engine could take a
table over whose writer still runs, and both would write it.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path

from lakehouse.contracts.loader import load_contract, load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.settings import Settings

#: Beside the copied contracts: where they were copied from, and whether some of them are older than others.
_SOURCE, _MIXED = "source", "mixed"


class EntangledError(LakehouseError):
    """A contract cannot be applied without another one."""


def applied_dir(settings: Settings) -> Path:
    """Where the programs find the contracts. It comes with the first `lakehouse up`."""
    return settings.run_dir / "contracts"


def digest(directory: Path) -> str:
    """Changes when one of the contracts in ``directory`` does; the same for a directory that is not there."""
    found = hashlib.sha256()
    for file in sorted(directory.glob("*.yaml")):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def is_applied(settings: Settings) -> bool:
    """Whether the programs go by the contracts as they are now."""
    # Of those that were applied by themselves only their writers know.
    mixed = (applied_dir(settings) / _MIXED).exists()
    return not mixed and digest(applied_dir(settings)) == digest(settings.contracts_dir)


def declared_dir(settings: Settings) -> Path:
    """Where the contracts are that people change: a program of the stack has the copy in its settings."""
    source = applied_dir(settings) / _SOURCE
    if settings.contracts_dir == applied_dir(settings) and source.is_file():
        return Path(source.read_text(encoding="utf-8"))
    return settings.contracts_dir


def apply_files(settings: Settings) -> None:
    """Has the programs go by the contracts as they are now, from their next start on.

    To be called while no engine runs that one of them takes a table from. All files change at once, or none.
    """
    _put(settings, _copy(settings, settings.contracts_dir.glob("*.yaml"), digest(settings.contracts_dir)[:16]))


def apply_tables(settings: Settings, tables: Collection[str]) -> None:
    """As ``apply_files`` for the contracts of ``tables``, which engines keep; of all others the copy stays as it is.

    Raises EntangledError where one of either kind would be another than it is by itself.
    """
    there, now = applied_dir(settings), settings.contracts_dir
    files = [
        *(file for file in there.glob("*.yaml") if load_contract(file).table not in tables),
        *(file for file in now.glob("*.yaml") if load_contract(file).table in tables),
    ]
    # Under a name that none has: the copy that the programs go by is what most of it comes from.
    copy = _copy(settings, files, uuid.uuid4().hex)
    (copy / _MIXED).touch()
    before, declared = ({contract.table: contract for contract in load_contracts(place)} for place in (there, now))
    kept = load_contracts(copy)
    if lost := (before.keys() | set(tables)) - {contract.table for contract in kept}:
        shutil.rmtree(copy)
        raise EntangledError(
            f"{', '.join(sorted(lost))}: its file declares another table now, so that one of them would be gone. Apply "
            f"both together: {command('apply')}"
        )
    for contract in kept:
        if contract != (declared if contract.table in tables else before).get(contract.table):
            shutil.rmtree(copy)
            raise EntangledError(
                f"{', '.join(sorted(tables))}: {contract.table} shares columns with a contract that has changed, and "
                f"one of the two would go by the other as it was. Apply both together: {command('apply')}"
            )
    _put(settings, copy)


def _copy(settings: Settings, files: Iterable[Path], name: str) -> Path:
    copy = applied_dir(settings).with_name(f"contracts-{name}")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, copy / file.name)
    (copy / _SOURCE).write_text(str(settings.contracts_dir), encoding="utf-8")
    return copy


def _put(settings: Settings, copy: Path) -> None:
    link = applied_dir(settings)
    following = link.with_name("contracts.next")
    following.unlink(missing_ok=True)
    following.symlink_to(copy.name)
    os.replace(following, link)
    for other in link.parent.glob("contracts-*"):
        if other.name != copy.name:
            shutil.rmtree(other)
