"""Who reads the changes of which table, and how far: what says that nothing a reader still needs may go.

Nobody has to register: a dbt model stores the versions that it has consumed with its own rows, and a Spark query that
follows a table has them in its checkpoint.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import obstore
from deltalake.exceptions import DeltaError
from obstore.store import ObjectStore

from lakehouse.contracts import Contract, declared_tables
from lakehouse.dbt_delta.progress import consumed_version
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog, existing_store
from lakehouse.storage.maintain import Reader


@dataclass(frozen=True)
class Readers:
    """``by_table``: of each table that has any. ``unknown``: broken ones, which may have read any."""

    by_table: Mapping[str, tuple[Reader, ...]]
    unknown: Sequence[str]


def registered_readers(settings: Settings, catalog: Catalog, contracts: Sequence[Contract]) -> Readers:
    """The readers of the catalog's tables. Opens every table's log once."""
    tables, broken = {}, []
    for name in catalog.names():
        try:
            tables[name] = catalog.open(name)
        except (LakehouseError, DeltaError, OSError):
            broken.append(name)  # Whoever maintains it tells why.
    declared = {table.name for contract in contracts for table in declared_tables(contract)}
    found: dict[str, list[Reader]] = {}
    for model, written in tables.items():
        for source, read in tables.items():
            if (version := consumed_version(written, source, read)) is not None:
                found.setdefault(source, []).append(Reader(f"the model {model}", version))
    if store := existing_store(settings.checkpoint_root, catalog.storage_options):
        for contract in contracts:
            source = contract.source.table or ""
            if source in tables and (next_version := _next_version(store, contract)) is not None:
                found.setdefault(source, []).append(Reader(f"the query of {contract.table}", next_version - 1))
    # What consumed which version is in a model's own log, and a table that a contract declares is no model's.
    unknown = [name for name in broken if name not in declared]
    return Readers({table: tuple(readers) for table, readers in found.items()}, unknown)


def _next_version(store: ObjectStore, contract: Contract) -> int | None:
    """The version of its source that the Spark query reads next; None before its first batch."""
    checkpoint = contract.spark_checkpoint(contract.generation)
    # A batch that was planned and not committed is read again, from where the one before it ended.
    batch = max(_batches(store, f"{checkpoint}/commits/") or _batches(store, f"{checkpoint}/offsets/"), default=None)
    if batch is None:
        return None
    text = bytes(obstore.get(store, f"{checkpoint}/offsets/{batch}").bytes()).decode()
    # Spark's offset log: a version line, the batch's metadata, then one line of JSON a source.
    return int(json.loads(text.splitlines()[2])["reservoirVersion"])


def _batches(store: ObjectStore, directory: str) -> list[int]:
    names = (entry["path"].rsplit("/", 1)[-1] for chunk in obstore.list(store, directory) for entry in chunk)
    return [int(name) for name in names if name.isdigit()]
