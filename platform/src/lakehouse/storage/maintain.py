"""Maintenance of a Delta table: few large files in place of many small ones, and no files that nobody needs.

A table has one writer, and maintenance is the only other one that commits. It only rearranges rows (`dataChange` is
false), which readers of changes pass over, and where its commit meets one that took away the same files it yields.
"""

import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import obstore
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.files import HeldFile, Partition, held_files
from lakehouse.storage.log import entry_path

_MIB = 1024**2
_ATTEMPTS = 3
_LONGEST_PAUSE_SECONDS = 5.0
#: What a sort for clustering holds in memory before it goes to disk.
_SORT_BYTES = 512 * _MIB
#: Delta's own, for a table without the property.
_DEFAULT_RETENTION = timedelta(days=7)
#: A file that is no part of the table yet may become one: what a micro-batch or a checkpoint has written so far.
_COMMITTED_WITHIN = timedelta(days=1)
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_INTERVAL = re.compile(rf"interval (\d+) ({'|'.join(_UNITS)})s?")


class HeldByReaderError(LakehouseError):
    """A registered reader still needs what a vacuum would delete."""


@dataclass(frozen=True)
class Layout:
    """How files should lie: a partition with ``small_files`` files below half of ``target_bytes`` is rewritten.

    Rewritten files hold their rows in the z-order of ``cluster_by``, where it names columns.
    """

    target_bytes: int = 128 * _MIB
    small_files: int = 16
    cluster_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """Who reads the changes of a table: ``version`` is the last one that it has consumed."""

    name: str
    version: int


@dataclass(frozen=True)
class Shape:
    """A version of a table: files and their size in bytes, how many of them are small, entries of the log."""

    version: int
    files: int
    bytes: int
    small_files: int
    log_entries: int


@dataclass(frozen=True)
class Compaction:
    """``partitions`` were rewritten; ``yielded`` were left alone, since the table's writer changed their files."""

    partitions: tuple[str, ...]
    yielded: tuple[str, ...]


def shape(catalog: Catalog, name: str, layout: Layout) -> Shape:
    """The table as it is now. Raises TableNotFoundError."""
    table = catalog.open(name)
    files = held_files(table, catalog.uri(name)).values()
    return Shape(
        version=table.version(),
        files=len(files),
        bytes=sum(file.size for file in files),
        small_files=sum(_is_small(file, layout) for file in files),
        log_entries=sum(1 for entry in _listed(catalog, name, "_delta_log/") if entry.endswith(".json")),
    )


def untidy_partitions(catalog: Catalog, name: str, layout: Layout) -> list[Partition]:
    """The partitions that have too many small files; one without columns for a table without partitions."""
    files = held_files(catalog.open(name), catalog.uri(name)).values()
    small = Counter(tuple(file.partition.items()) for file in files if _is_small(file, layout))
    return [dict(partition) for partition, count in small.items() if count >= layout.small_files]


def told(partition: Partition) -> str:
    """``partition`` for people to read."""
    return "/".join(f"{column}={value}" for column, value in partition.items()) or "the table"


def compact(catalog: Catalog, name: str, layout: Layout) -> Compaction:
    """Rewrites each untidy partition in a commit of its own. Raises TableNotFoundError."""
    done: list[str] = []
    yielded: list[str] = []
    for partition in untidy_partitions(catalog, name, layout):
        (done if _rewrite(catalog, name, layout, partition) else yielded).append(told(partition))
    return Compaction(tuple(done), tuple(yielded))


def vacuum(catalog: Catalog, name: str, readers: Iterable[Reader], *, dry_run: bool) -> list[str]:
    """Deletes files that no version within the table's retention refers to, and tells their paths.

    Those are files that were replaced, change data, and what a writer left that never committed; none of them younger
    than a day. With ``dry_run`` they are only told. Raises HeldByReaderError when a reader has not consumed yet what
    would go.
    """
    table = catalog.open(name)
    retention = max(retention_of(table), _COMMITTED_WITHIN)
    for reader in readers:
        _check_reader(catalog, table, name, reader, retention)
    return sorted(table.vacuum(math.ceil(retention / timedelta(hours=1)), dry_run=dry_run, full=True))


def clean_log(catalog: Catalog, name: str) -> None:
    """Writes a checkpoint of the newest version, and deletes entries of the log that are older than its retention."""
    table = catalog.open(name)
    table.create_checkpoint()
    table.cleanup_metadata()


def retention_of(table: DeltaTable) -> timedelta:
    """How long files stay after they were replaced. Raises LakehouseError for a property that is no interval."""
    given = table.metadata().configuration.get("delta.deletedFileRetentionDuration")
    if given is None:
        return _DEFAULT_RETENTION
    found = _INTERVAL.fullmatch(given)
    if found is None:
        raise LakehouseError(
            f"{table.metadata().name}: delta.deletedFileRetentionDuration is {given!r}; expected an interval as "
            f"`interval 30 days`, in {', '.join(_UNITS)}s"
        )
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _rewrite(catalog: Catalog, name: str, layout: Layout, partition: Partition) -> bool:
    """Whether the partition was rewritten; False after the writer has come first each time."""
    # The protocol writes NULL as an empty text.
    filters = [(column, "=", value or "") for column, value in partition.items()] or None
    for attempt in range(_ATTEMPTS):
        optimizer = catalog.open(name).optimize
        try:
            if layout.cluster_by:
                optimizer.z_order(
                    layout.cluster_by,
                    partition_filters=filters,
                    target_size=layout.target_bytes,
                    max_concurrent_tasks=1,
                    max_spill_size=_SORT_BYTES,
                )
            else:
                optimizer.compact(partition_filters=filters, target_size=layout.target_bytes, max_concurrent_tasks=1)
        except CommitFailedError:
            # It has taken away a file that was rewritten here. Another moment may suit both.
            time.sleep(random.uniform(0, min(2.0**attempt, _LONGEST_PAUSE_SECONDS)))  # noqa: S311
        else:
            return True
    return False


def _check_reader(catalog: Catalog, table: DeltaTable, name: str, reader: Reader, retention: timedelta) -> None:
    """A reader that is behind needs every file of the versions that follow the one that it has consumed."""
    if reader.version >= table.version():
        return
    following = _committed_at(catalog, name, reader.version + 1)
    if following is not None and datetime.now(UTC) - following < retention:
        return
    age = "longer than its log goes back" if following is None else f"since {following:%Y-%m-%d %H:%M} UTC"
    raise HeldByReaderError(
        f"{name} is not vacuumed: {reader.name} has consumed version {reader.version} of {table.version()}, and has "
        f"not read on {age}; the table's retention is {retention}. Run it, or delete its table where nobody wants it."
    )


def _committed_at(catalog: Catalog, name: str, version: int) -> datetime | None:
    """When ``version`` was committed; None when the log has no entry of it any more."""
    try:
        entry: datetime = obstore.head(catalog.store(name), entry_path(version))["last_modified"]
    except FileNotFoundError:
        return None
    return entry


def _listed(catalog: Catalog, name: str, prefix: str) -> Iterable[str]:
    for chunk in obstore.list(catalog.store(name), prefix):
        yield from (entry["path"] for entry in chunk)


def _is_small(file: HeldFile, layout: Layout) -> bool:
    return file.size * 2 < layout.target_bytes
