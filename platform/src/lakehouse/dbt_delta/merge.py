"""The strategy `merge`: inserts, updates and deletes by unique key, in one commit that writes what differs."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

import json
from dataclasses import replace

from lakehouse.dbt_delta.batch import Batch, Outcome, replace_all, store_progress
from lakehouse.dbt_delta.checks import check_not_null, check_unique
from lakehouse.dbt_delta.columns import typed_select
from lakehouse.dbt_delta.diff import FILE, Diff, computed_diff
from lakehouse.dbt_delta.rewrite import Rewrite, rewrite
from lakehouse.storage import log
from lakehouse.storage.commit import ConcurrentWriteError
from lakehouse.storage.duck import delta_scan_sql
from lakehouse.storage.evolve import added_columns
from lakehouse.storage.files import held_files
from lakehouse.storage.sql import quoted_list, same
from lakehouse.storage.writable import check_writable


def merge(batch: Batch) -> Outcome:
    """Inserts rows with a new unique key, updates those that differ, deletes those marked `_deleted`."""
    # A partition_by that was configured since the table was built takes effect with the next full refresh.
    spec = replace(batch.spec, partition_by=tuple(batch.table.metadata().partition_columns))
    check_not_null(batch.connection, spec, batch.rows)
    check_unique(batch.connection, spec, batch.rows)
    if batch.resolution.dropped:
        keys = quoted_list(spec.unique_key)
        keep = f"({keys}) NOT IN (SELECT {keys} FROM {batch.rows})"
        return replace_all(batch, survivors=keep, rows=batch.alive)
    check_writable(batch.table, spec.name)
    files = held_files(batch.table, batch.catalog.uri(spec.name))
    target = delta_scan_sql(batch.catalog, spec.name, batch.table.version(), file_column=FILE)
    with computed_diff(
        batch.connection, spec, batch.rows, batch.computed, batch.resolution.columns, batch.held, target, files
    ) as diff:
        if diff.empty:
            return store_progress(batch)
        done = rewrite(batch.connection, batch.catalog, spec, batch.table, diff, files)
    try:
        _commit(batch, diff, done)
    except ConcurrentWriteError:
        # After any other error nobody knows whether the entry was put: its files have to stay.
        done.discard(batch.catalog, spec.name)
        raise
    return Outcome("MERGE", diff.inserted + diff.updated + diff.deleted)


def _commit(batch: Batch, diff: Diff, done: Rewrite) -> None:
    evolution = []
    if batch.evolves:
        new = typed_select({name: batch.resolution.columns[name] for name in batch.resolution.added}, {})
        evolution = added_columns(batch.table, batch.connection.execute(f"SELECT {new}").to_arrow_reader(1).schema)
    actions = [
        *evolution,
        *(file.remove() for file in done.removed),
        *(file.add() for file in done.added),
        *(file.change_data() for file in done.change_data),
    ]
    log.commit_files(
        batch.catalog, batch.spec.name, batch.table, _operation(batch, diff, done), actions, batch.progress
    )


def _operation(batch: Batch, diff: Diff, done: Rewrite) -> log.Operation:
    """What `DESCRIBE HISTORY` shows, in the names that Spark gives a MERGE."""
    matched = [{"actionType": action} for action in ("update", "delete")]
    return log.Operation(
        name="MERGE",
        parameters={
            "predicate": same(batch.spec.unique_key, "t", "s"),
            "matchedPredicates": json.dumps(matched),
            "notMatchedPredicates": json.dumps([{"actionType": "insert"}]),
        },
        metrics={
            "numTargetRowsInserted": diff.inserted,
            "numTargetRowsUpdated": diff.updated,
            "numTargetRowsDeleted": diff.deleted,
            "numTargetRowsCopied": sum(file.rows for file in done.added) - diff.inserted - diff.updated,
            "numTargetFilesAdded": len(done.added),
            "numTargetFilesRemoved": len(done.removed),
            "numTargetBytesAdded": sum(file.size for file in done.added),
            "numTargetBytesRemoved": sum(file.size for file in done.removed),
            "numTargetChangeFilesAdded": len(done.change_data),
        },
    )
