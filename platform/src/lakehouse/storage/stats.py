"""What a table holds, read from its log alone: no data file is opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.schema import StructType

from lakehouse.storage.catalog import Catalog

#: The property that lists the columns whose bounds writers store, a file each.
BOUNDED = "delta.dataSkippingStatsColumns"
_HOW_MANY = "delta.dataSkippingNumIndexedCols"


@dataclass(frozen=True)
class TableStats:
    """One version of a table. ``maxima`` holds the largest value of the columns asked for, None when unknown."""

    version: int
    committed_at: datetime
    rows: int
    bytes: int
    files: int
    maxima: dict[str, object]


def latest_version(catalog: Catalog, name: str) -> int:
    """The newest version of the table. Raises TableNotFoundError."""
    return catalog.open(name).version()


def table_stats(catalog: Catalog, name: str, maxima_of: Sequence[str] = (), version: int | None = None) -> TableStats:
    """Rows, bytes and files of the table, and the maxima of ``maxima_of`` from the statistics of its files.

    Costs time in proportion to the number of files, not of rows. Raises TableNotFoundError.
    """
    table = catalog.open(name, version)
    actions = pa.table(table.get_add_actions(flatten=True))
    return TableStats(
        version=table.version(),
        committed_at=commit_time(table),
        rows=_total(actions, "num_records"),
        bytes=_total(actions, "size_bytes"),
        files=actions.num_rows,
        maxima={column: _maximum(actions, column) for column in maxima_of},
    )


def commit_time(table: DeltaTable) -> datetime:
    """When the loaded version of ``table`` was committed."""
    # Of an older version delta-rs lists all commits from the newest down to it; only their order can be relied on.
    commit = table.history(limit=1)[-1]
    return datetime.fromtimestamp(commit["timestamp"] / 1000, tz=UTC)


def bounded_columns(table: DeltaTable) -> list[str]:
    """The columns of ``table`` whose bounds its writers store: those that it lists, else the first of them.

    See https://docs.delta.io/optimizations-oss/#data-skipping. Of columns with fields, each of these counts.
    """
    settings, parts = table.metadata().configuration, table.metadata().partition_columns
    stored = [field for field in table.schema().fields if field.name not in parts]
    listed = settings.get(BOUNDED)
    if listed is not None:
        names = {name.strip().strip("`") for name in listed.split(",")}
        return [field.name for field in stored if field.name in names]
    first = int(settings.get(_HOW_MANY) or 32)
    bounded, leaves = [], 0
    for field in stored:
        if 0 <= first <= leaves:
            break
        bounded.append(field.name)
        leaves += _leaves(field.type)
    return bounded


def _leaves(kind: object) -> int:
    return sum(_leaves(field.type) for field in kind.fields) if isinstance(kind, StructType) else 1


def _total(actions: pa.Table, column: str) -> int:
    return int(pc.sum(actions[column]).as_py() or 0)


def _maximum(actions: pa.Table, column: str) -> object:
    name = next((n for n in (f"max.{column}", f"partition.{column}") if n in actions.column_names), None)
    return pc.max(actions[name]).as_py() if name else None
