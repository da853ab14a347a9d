"""The files of a table as its log knows them: where each lies, and the actions that add, remove or mention one."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import quote, unquote

import pyarrow as pa
from deltalake import DeltaTable

from lakehouse.errors import LakehouseError
from lakehouse.storage.log import Action

#: Partition column to value, in the text that the log writes; NULL is None.
Partition = Mapping[str, str | None]

_NULL_DIRECTORY = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class HeldFile:
    """A file of a table. ``path`` is the log's name for it, ``location`` that of a reader.

    ``rows`` is None where its writer left no statistics.
    """

    path: str
    location: str
    size: int
    rows: int | None
    partition: Partition

    def remove(self) -> Action:
        return {
            "remove": {
                "path": self.path,
                "deletionTimestamp": _now(),
                "dataChange": True,
                "extendedFileMetadata": True,
                "partitionValues": dict(self.partition),
                "size": self.size,
            }
        }


@dataclass(frozen=True)
class NewFile:
    """A file written below the table but not part of it yet. ``path`` is relative to the table, ``stats`` is JSON."""

    path: str
    size: int
    rows: int
    partition: Partition
    stats: str
    nulls: Mapping[str, int]

    def add(self) -> Action:
        return {
            "add": {
                "path": quote(self.path, safe="/="),
                "partitionValues": dict(self.partition),
                "size": self.size,
                "modificationTime": _now(),
                "dataChange": True,
                "stats": self.stats,
            }
        }

    def change_data(self) -> Action:
        return {
            "cdc": {
                "path": quote(self.path, safe="/="),
                "partitionValues": dict(self.partition),
                "size": self.size,
                "dataChange": False,
            }
        }


def held_files(table: DeltaTable, base: str) -> dict[str, HeldFile]:
    """The files of ``table``, which lies at ``base``, by location."""
    files = (
        HeldFile(
            path=action["path"],
            location=location_of(base, action["path"]),
            size=action["size_bytes"],
            rows=action["num_records"],
            partition={name: partition_text(value) for name, value in (action.get("partition") or {}).items()},
        )
        for action in pa.table(table.get_add_actions(flatten=False)).to_pylist()
    )
    return {file.location: file for file in files}


def location_of(base: str, path: str) -> str:
    """Where a reader finds the file that the log of the table at ``base`` calls ``path``."""
    # The log URL-encodes paths; absolute ones stem from shallow clones.
    decoded = unquote(path)
    return decoded.removeprefix("file://") if "://" in decoded or decoded.startswith("/") else f"{base}/{decoded}"


def partition_text(value: object) -> str | None:
    """``value`` as the protocol serializes partition values; an empty string is NULL there."""
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case datetime():
            utc = value.astimezone(UTC) if value.tzinfo else value
            # Not strftime, whose years before 1000 have fewer than four digits.
            return utc.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        case date():
            return value.isoformat()
        case int() | float() | str() | Decimal():
            return str(value)
    raise LakehouseError(f"{value!r} of type {type(value).__name__} cannot be a partition value: cast it to a string")


def partition_directory(partition: Partition, order: Iterable[str]) -> str:
    """The directory, relative to the table, where files of ``partition`` lie by convention; empty without columns."""
    values = ((column, partition[column]) for column in order)
    return "/".join(
        f"{column}={_NULL_DIRECTORY if value is None else quote(value, safe='')}" for column, value in values
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
