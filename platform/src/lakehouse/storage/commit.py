"""Commits to a Delta table through delta-rs: rows and the writer's progress, both or neither.

Every function commits relative to the version that the given table was opened at, so a commit that another writer
made in between is seen: with the same application id it always conflicts (Delta protocol, "Transaction Identifiers").
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog

#: Progress of a writer: application id to version, stored as Delta `txn` actions.
Progress = Mapping[str, int]

#: So the application ids of replays begin: what they commit are no new events.
REPLAY = "replay-"

#: Rows a row group. delta-rs holds an open row group for every partition that it writes: into 100 partitions, 131,072
#: rows took 2.0 GB, 16,384 took 1.3 GB and no longer.
_ROW_GROUP = 16_384
#: Characters that delta-rs takes as a description.
_DESCRIPTION = 4000


class ConcurrentWriteError(LakehouseError):
    """Another writer committed first; nothing of this commit was stored."""


@dataclass(frozen=True)
class NewTable:
    """What a table is created with, or replaced by."""

    partition_by: Sequence[str]
    description: str
    properties: Mapping[str, str]


def create(catalog: Catalog, name: str, rows: pa.RecordBatchReader, new: NewTable, progress: Progress) -> None:
    """Creates the table with ``rows``. Raises ConcurrentWriteError when it exists by now."""
    with _conflicts(name):
        write_deltalake(
            catalog.uri(name),
            rows,
            mode="error",
            partition_by=list(new.partition_by) or None,
            name=name,
            description=new.description,
            configuration=dict(new.properties),
            storage_options=dict(catalog.storage_options),
            writer_properties=_writer_properties(),
            commit_properties=_commit_properties(progress),
        )


def replace(table: DeltaTable, name: str, rows: pa.RecordBatchReader, new: NewTable, progress: Progress) -> None:
    """Replaces all rows, the schema and the partitioning at once: readers see the old table or the new one."""
    with _conflicts(name):
        write_deltalake(
            table,
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=list(new.partition_by) or None,
            writer_properties=_writer_properties(),
            commit_properties=_commit_properties(progress),
        )


def replace_where(
    table: DeltaTable, name: str, rows: pa.RecordBatchReader, predicate: str, progress: Progress, *, evolve: bool
) -> None:
    """Replaces the rows for which the SQL ``predicate`` holds; ``evolve`` lets ``rows`` add columns."""
    with _conflicts(name):
        write_deltalake(
            table,
            rows,
            mode="overwrite",
            predicate=predicate,
            schema_mode="merge" if evolve else None,
            writer_properties=_writer_properties(),
            commit_properties=_commit_properties(progress),
        )


def append(table: DeltaTable, name: str, rows: pa.RecordBatchReader, progress: Progress, *, evolve: bool) -> None:
    """Adds ``rows``; ``evolve`` lets them add columns. Without any row the commit holds the progress alone."""
    with _conflicts(name):
        write_deltalake(
            table,
            rows,
            mode="append",
            schema_mode="merge" if evolve else None,
            writer_properties=_writer_properties(),
            commit_properties=_commit_properties(progress),
        )


def describe(table: DeltaTable, name: str, description: str) -> None:
    """Gives ``table`` its name and a description, as ``create`` does with the rows."""
    with _conflicts(name):
        table.alter.set_table_name(name)
        table.alter.set_table_description(description[:_DESCRIPTION])


def progress_of(table: DeltaTable, app_id: str) -> int | None:
    """The version that ``app_id`` last stored in ``table``; None before its first commit."""
    version = table.transaction_version(app_id)
    return None if version is None else int(version)


def _commit_properties(progress: Progress) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(app_id, version) for app_id, version in progress.items()])


def _writer_properties() -> WriterProperties:
    return WriterProperties(compression="ZSTD", max_row_group_size=_ROW_GROUP)


@contextmanager
def _conflicts(name: str) -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:
        raise ConcurrentWriteError(
            f"{name}: another writer committed while this one was computing ({error}). Nothing was written: run again."
        ) from error
    except DeltaError as error:
        if "already exists" not in str(error):
            raise
        raise ConcurrentWriteError(
            f"{name}: another writer created the table while this one was computing. Nothing was written: run again."
        ) from error
