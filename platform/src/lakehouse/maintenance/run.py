"""Maintenance of one table after the other: compaction, then vacuum, then the log."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.contracts import Contract, declared_tables
from lakehouse.invocation import command
from lakehouse.maintenance.readers import registered_readers
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.maintain import (
    Compaction,
    HeldByReaderError,
    Layout,
    Shape,
    clean_log,
    compact,
    shape,
    told,
    untidy_partitions,
    vacuum,
)

_MIB = 1024**2


@dataclass(frozen=True)
class Upkeep:
    """What maintenance did to ``table``, or would do.

    ``deleted`` are paths of files below the table; ``held`` says which reader keeps them from being deleted.
    """

    table: str
    before: Shape
    after: Shape
    compaction: Compaction
    deleted: tuple[str, ...]
    held: str | None


def layouts(contracts: Sequence[Contract]) -> dict[str, Layout]:
    """How the files of each table that a contract declares should lie."""
    return {
        table.name: Layout(
            contract.maintenance.target_file_mib * _MIB,
            contract.maintenance.small_files,
            contract.cluster_by if table.name == contract.table else (),
        )
        for contract in contracts
        for table in declared_tables(contract)
    }


class Maintenance:
    """Maintains the tables of a catalog, those of dbt included."""

    def __init__(self, settings: Settings, contracts: Sequence[Contract]) -> None:
        self._catalog = Catalog.from_settings(settings)
        self._layouts = layouts(contracts)
        self._readers = registered_readers(settings, self._catalog, contracts)

    def tables(self) -> list[str]:
        """Every table there is."""
        return self._catalog.names()

    def maintain(self, name: str, *, dry_run: bool) -> Upkeep:
        """Maintains one table, or tells what that would do. Raises TableNotFoundError."""
        layout = self._layouts.get(name, Layout())
        before = shape(self._catalog, name, layout)
        compaction = self._planned(name, layout) if dry_run else compact(self._catalog, name, layout)
        held, deleted = self._held_by_unknown(name), []
        try:
            if held is None:
                deleted = vacuum(self._catalog, name, self._readers.by_table.get(name, ()), dry_run=dry_run)
        except HeldByReaderError as error:
            held = str(error)
        if not dry_run and held is None:
            clean_log(self._catalog, name)
        after = before if dry_run else shape(self._catalog, name, layout)
        return Upkeep(name, before, after, compaction, tuple(deleted), held)

    def _held_by_unknown(self, name: str) -> str | None:
        if not self._readers.unknown:
            return None
        return (
            f"{name} is not vacuumed: {', '.join(self._readers.unknown)} cannot be read, and may be of a model that "
            f"has not read all of it yet. See why: {command(f'maintain {self._readers.unknown[0]} --dry-run')}; mend "
            "it, or delete it where nobody wants it."
        )

    def _planned(self, name: str, layout: Layout) -> Compaction:
        return Compaction(tuple(map(told, untidy_partitions(self._catalog, name, layout))), ())
