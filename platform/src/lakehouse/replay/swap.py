"""Puts what differs in the place of what is there, in one commit, while the table's writer goes on.

Only files that hold a row to be changed are written anew; all others, and all rows outside of the replayed range, stay
as they are. What the writer commits meanwhile is let pass where it has no row of the range; anything else that
changes the range has the difference found anew. The commit is marked with the replay, so that it is made once.
"""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from contracts and the catalog

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import duckdb
from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from lakehouse.contracts.model import Contract
from lakehouse.dbt_delta.columns import DELETED, describe
from lakehouse.dbt_delta.diff import FILE, Diff, computed_diff
from lakehouse.dbt_delta.rewrite import Rewrite, rewrite
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.replay.difference import Pair, difference
from lakehouse.storage import log
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.commit import ConcurrentWriteError, progress_of
from lakehouse.storage.duck import delta_scan_sql
from lakehouse.storage.files import held_files, location_of
from lakehouse.storage.sql import literal, quoted
from lakehouse.storage.writable import check_writable

#: A writer that changes windows of the range while they are swapped comes in between now and then; not every time.
_ATTEMPTS = 10


class Step(IntEnum):
    """What a replay has done to a table: the version of its Delta transaction, which only grows.

    The steps that PUT leave rows that are to go where they are, see ``in_order``.
    """

    SWAP_PUT = 1
    SWAP = 2
    ROLLBACK_PUT = 3
    ROLLBACK = 4


def in_order(contract: Contract, pairs: Sequence[Pair], *, back: bool) -> list[tuple[Pair, Step]]:
    """The commits that a swap, or a rollback, of ``pairs`` takes: what quarantine gains, the table, what quarantine
    gives up. So an event that moves, whichever way, is in both for a moment, and in none never.
    """
    put, whole = (Step.ROLLBACK_PUT, Step.ROLLBACK) if back else (Step.SWAP_PUT, Step.SWAP)
    gains = [(pair, put) for pair in pairs if pair.name == contract.rejected_table]
    losses = [(pair, whole) for pair in pairs if pair.name == contract.rejected_table]
    return [*gains, *((pair, whole) for pair in pairs if pair.name != contract.rejected_table), *losses]


@dataclass(frozen=True)
class Swap:
    """The commit that makes the live rows of ``pair`` equal to the others, for the replay with ``app_id``."""

    connection: DuckDBPyConnection
    catalog: Catalog
    pair: Pair
    app_id: str
    step: Step

    def commit(self) -> bool:
        """Whether a commit was needed. Not where nothing differs, or where this one was made before.

        Raises ConcurrentWriteError when others changed the same rows each time.
        """
        for attempt in range(_ATTEMPTS):
            table = self.catalog.open(self.pair.name)
            if (progress_of(table, self.app_id) or 0) >= self.step:
                return False
            try:
                return self._commit(table)
            except ConcurrentWriteError:
                if attempt + 1 == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _commit(self, table: DeltaTable) -> bool:
        check_writable(table, self.pair.name)
        files = held_files(table, self.catalog.uri(self.pair.name))
        scanned = delta_scan_sql(self.catalog, self.pair.name, table.version(), file_column=FILE)
        target = f"(SELECT * FROM {scanned} WHERE {self.pair.condition})"
        spec = _spec(self.pair, tuple(table.metadata().partition_columns))
        with (
            difference(self.connection, self.catalog, self.pair, table.version()) as found,
            computed_diff(
                self.connection,
                spec,
                rows := self._written(found.written),
                describe(self.connection, rows),
                found.columns,
                found.columns,
                target,
                files,
            ) as diff,
        ):
            if diff.empty:
                return False
            done = rewrite(self.connection, self.catalog, spec, table, diff, files)
        try:
            self._put(table, diff, done)
        except ConcurrentWriteError:
            # After any other error nobody knows whether the entry was put: its files have to stay.
            done.discard(self.catalog, self.pair.name)
            raise
        return True

    def _written(self, rows: str) -> str:
        return rows if self.step in (Step.SWAP, Step.ROLLBACK) else f"(SELECT * FROM {rows} WHERE NOT {DELETED})"

    def _put(self, table: DeltaTable, diff: Diff, done: Rewrite) -> int:
        actions = [
            *(file.remove() for file in done.removed),
            *(file.add() for file in done.added),
            *(file.change_data() for file in done.change_data),
        ]
        operation = log.Operation(
            name="REPLAY" if self.step <= Step.SWAP else "REPLAY ROLLBACK",
            parameters={"replay": self.app_id, "predicate": self.pair.condition},
            metrics={
                "numTargetRowsInserted": diff.inserted,
                "numTargetRowsUpdated": diff.updated,
                "numTargetRowsDeleted": diff.deleted,
                "numTargetFilesAdded": len(done.added),
                "numTargetFilesRemoved": len(done.removed),
            },
        )
        progress = {self.app_id: int(self.step)}
        return log.commit_files(self.catalog, self.pair.name, table, operation, actions, progress, self._concerns)

    def _concerns(self, path: str) -> bool:
        """Whether a file that somebody else added or removed meanwhile may hold a row of the range."""
        location = location_of(self.catalog.uri(self.pair.name), path)
        rows = f"read_parquet({literal(location)}, hive_partitioning = false)"
        try:
            return bool(self.connection.execute(f"SELECT 1 FROM {rows} WHERE {self.pair.condition} LIMIT 1").fetchall())
        except (duckdb.IOException, duckdb.BinderException):
            # It is gone by now, or a column of the condition is a partition's: nobody can tell.
            return True


def _spec(pair: Pair, partition_by: tuple[str, ...]) -> ModelSpec:
    """What the merge of dbt models goes by, which this is one of. Keys that may be NULL are no keys to it."""
    keys = (*pair.keys, *([] if pair.version is None else [pair.version]))
    nullable = [
        f"DBT_INTERNAL_SOURCE.{key} IS NOT DISTINCT FROM DBT_INTERNAL_DEST.{key}" for key in map(quoted, pair.nullable)
    ]
    return ModelSpec(
        name=pair.name,
        description="",
        incremental=True,
        strategy="merge",
        unique_key=tuple(key for key in keys if key not in pair.nullable),
        partition_by=partition_by,
        cluster_by=(),
        on_schema_change="ignore",
        on_partition_change="move",
        merge_update_columns=(),
        merge_exclude_columns=(),
        incremental_predicates=tuple(nullable),
        event_time=None,
    )
