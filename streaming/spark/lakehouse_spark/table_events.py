"""The rows of a Delta table as events: its change feed, of which every change is a row that was added."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.contracts.model import Contract
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import latest_version, table_stats
from lakehouse.storage.unread import UnreadCommits
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.events import EventStream

#: Of a table that has no rows yet; those of orders take less, in Parquet.
_BYTES_PER_ROW = 100.0


@dataclass(frozen=True)
class TableEvents:
    """The rows of the table that is the source of ``contract``."""

    contract: Contract
    spark: SparkSession
    catalog: Catalog
    checkpoint: Checkpoint

    def open(self, *, from_beginning: bool) -> EventStream:
        """See EventSource. A new query begins with the rows there are, whatever the contract says of a topic's end.

        Raises TableNotFoundError while the table's writer has not created it.
        """
        table = self.contract.source.table
        assert table is not None  # noqa: S101  (a TableEvents is made for such a source)
        stats = table_stats(self.catalog, table)
        bytes_per_row = stats.bytes / stats.rows if stats.rows else _BYTES_PER_ROW
        changes = (
            self.spark.readStream.format("delta")
            .option("readChangeFeed", "true")
            # Delta counts bytes, and takes whole commits: the contract's bound on rows is kept about.
            .option("maxBytesPerTrigger", f"{max(int(self.contract.source.largest_batch * bytes_per_row), 1)}b")
            .load(self.catalog.spark_uri(table))
        )
        events = self._added(changes, table)
        identity = {"table_id": str(self.catalog.open(table).metadata().id)}
        return EventStream(events, _nothing_to_note, identity, Unwatched(), _since_ever, partial(self._present, table))

    def _present(self, table: str) -> Callable[[int], bool]:
        end, commits = latest_version(self.catalog, table), UnreadCommits(self.catalog, table)

        def reached(batch_id: int) -> bool:
            offset = self.checkpoint.source_offset(batch_id)
            if offset.get("isStartingVersion"):
                return False
            # A version that only rearranged files is none that a batch would end with.
            return all(commit.version > end for commit in commits.since(offset["reservoirVersion"]))

        return reached

    def _added(self, changes: DataFrame, table: str) -> DataFrame:
        """A row that was changed or deleted has been counted already: nothing can be right after that."""
        added = F.when(F.col("_change_type") == "insert", F.lit(True)).otherwise(
            F.raise_error(
                F.concat(
                    F.lit(f"a row of {table} was changed ("),
                    F.col("_change_type"),
                    F.lit(") in version "),
                    F.col("_commit_version").cast("string"),
                    F.lit(f", and {self.contract.table} can only follow what is added: begin a new generation"),
                )
            )
        )
        return changes.where(added).select([column.name for column in self.contract.event_columns])


class Unwatched:
    """Delta itself refuses a table that is another one, or whose history is gone."""

    def refuse(self, batch_id: int) -> None:
        """Spark's own error says it."""

    def verify(self) -> None:
        """The stream has compared the table's id."""

    def size(self, batch_id: int) -> int | None:
        """A batch is made of files, whose rows nobody has counted."""
        return None


def _nothing_to_note() -> None:
    """Each batch of the checkpoint has the table's id."""


def _since_ever(_wanted: datetime | None) -> datetime | None:
    """A table that is only appended to holds all its rows."""
    return None
