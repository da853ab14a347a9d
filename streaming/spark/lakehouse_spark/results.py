"""Writes what a transform made of a micro-batch, once, however often Spark repeats the batch.

Each Delta commit carries the batch id under the query's own id (`txnAppId`, `txnVersion`), as the commits of ingestion
do: Delta itself skips a batch that it holds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakehouse.contracts.columns import ColumnType
from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import OutputMode
from lakehouse_spark.commit import commit_options, committing
from lakehouse_spark.conflicts import write_despite_conflicts

#: More values of a partition column than this are not listed one by one.
_LISTED_VALUES = 100
_BOUNDS = {"first": F.min, "last": F.max}


class ResultTooLargeError(RuntimeError):
    """A complete result has more rows than the contract allows."""


@dataclass(frozen=True)
class Results:
    """The rows of ``contract``, which has a transform, in the Delta table at ``uri``."""

    contract: Contract
    uri: str

    def write(self, rows: DataFrame, batch_id: int, verify: Callable[[], None]) -> None:
        """Writes ``rows`` in the contract's mode, and commits nothing for none.

        ``verify`` is called when they have been read, and raises when they may not be written.
        """
        cached = rows.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            summary = self._summary(cached)

            def write() -> None:
                # Each time: what came first may be the rows of a later generation, which these must not change.
                verify()
                self._write(cached, summary, batch_id)

            write_despite_conflicts(self.contract.table, write)
        finally:
            cached.unpersist()

    def _write(self, rows: DataFrame, summary: Row, batch_id: int) -> None:
        mode = self._mode
        if summary.total and mode is OutputMode.UPDATE:
            self._merge(rows, summary, batch_id)
        elif summary.total and mode is OutputMode.APPEND:
            self._save(rows, "append", batch_id)
        elif mode is OutputMode.COMPLETE:
            self._refuse_large(summary.total)
            self._save(rows, "overwrite", batch_id)

    @property
    def _mode(self) -> OutputMode:
        assert self.contract.transform is not None  # noqa: S101  (a Results is made for a transform)
        return self.contract.transform.output_mode

    def _summary(self, rows: DataFrame) -> Row:
        """Computes the batch into Spark's cache: its rows, and what a merge is pruned by."""
        # As numbers: Python's own times are of this machine's zone, where an hour a year comes twice.
        bounds = [
            F.unix_micros(bound(name)).alias(f"{kind}_{name}")
            for name in self._times()
            for kind, bound in _BOUNDS.items()
        ]
        values = [F.collect_set(name).alias(f"values_{name}") for name in self._partitions()]
        pruned_by = dict.fromkeys((*self._times(), *self._partitions()))
        missing = [F.count_if(F.col(name).isNull()).alias(f"missing_{name}") for name in pruned_by]
        found = rows.agg(F.count(F.lit(1)).alias("total"), *bounds, *values, *missing).first()
        assert found is not None  # noqa: S101  (an aggregate without groups has one row)
        return found

    def _merge(self, rows: DataFrame, summary: Row, batch_id: int) -> None:
        condition = F.lit(True)
        for part in (*self._pruning(summary), *(_held(key).eqNullSafe(F.col(f"new.{key}")) for key in self._keys)):
            condition = condition & part
        with committing(rows.sparkSession, batch_id):
            (
                DeltaTable.forPath(rows.sparkSession, self.uri)
                .alias("held")
                .merge(rows.alias("new"), condition)
                .whenMatchedUpdateAll()
                .whenNotMatchedInsertAll()
                .execute()
            )

    def _pruning(self, summary: Row) -> Iterator[Column]:
        """What all touched rows have in common, as literals: a merge reads the files of these and no others."""
        for name in self._times():
            first, last = (F.timestamp_micros(F.lit(summary[f"{kind}_{name}"])) for kind in _BOUNDS)
            between = _held(name).between(first, last)
            yield between | _held(name).isNull() if summary[f"missing_{name}"] else between
        for name in self._partitions():
            values = summary[f"values_{name}"]
            if len(values) <= _LISTED_VALUES:
                listed = _held(name).isin(values)
                yield listed | _held(name).isNull() if summary[f"missing_{name}"] else listed

    def _times(self) -> list[str]:
        """Timestamps among the keys. Another column's bounds say nothing of the row that the keys find."""
        return [name for name in self._keys if self.contract.column(name).type is ColumnType.TIMESTAMP]

    def _partitions(self) -> list[str]:
        return [name for name in self.contract.partition_by if name in self._keys]

    @property
    def _keys(self) -> tuple[str, ...]:
        return self.contract.keys

    def _refuse_large(self, total: int) -> None:
        assert self.contract.transform is not None  # noqa: S101
        allowed = self.contract.transform.max_rows
        if allowed is not None and total > allowed:
            raise ResultTooLargeError(
                f"{self.contract.table}: the complete result has {total} rows, and `max_rows` allows {allowed}. Each "
                "batch writes all of them anew: use `mode: update`, group by less, or raise `max_rows`."
            )

    def _save(self, rows: DataFrame, mode: str, batch_id: int) -> None:
        options = commit_options(rows.sparkSession, batch_id)
        # A batch of results is small: one file, where each shuffle partition would make its own.
        rows.coalesce(1).write.format("delta").mode(mode).options(**options).save(self.uri)


def _held(column: str) -> Column:
    return F.col(f"held.{column}")
