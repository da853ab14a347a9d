"""What every streaming query has in common: its checkpoint, its trigger, and an account of its batches."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import OutputMode
from lakehouse.contracts.trigger import trigger_for
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.compatibility import Change
from lakehouse_spark.faults import FaultPoint, Faults
from lakehouse_spark.gate import Gate
from lakehouse_spark.status import now

#: How often a query looks for events. A full batch starts at once, so that a backlog does not wait for the interval.
_LOOK_EVERY = timedelta(seconds=1)


class LostTableError(LakehouseError):
    """A checkpoint remembers batches whose rows are in no table."""


def longest_wait(contract: Contract) -> timedelta:
    """How long events that fill no batch wait for one."""
    return trigger_for(contract.freshness, contract.transform.trigger if contract.transform else None)


@dataclass(frozen=True)
class WrittenBatch:
    """A micro-batch that is in its tables: ``rows`` were read for it, if that is known. ``written_at`` is ISO 8601."""

    number: int
    written_at: str
    rows: int | None


class Outcome(StrEnum):
    """What a start does."""

    BEGINS = "begins"
    GOES_ON = "goes on"
    COMPUTES_ANEW = "computes anew what its source holds"


@dataclass(frozen=True)
class Plan:
    """What a start of the query of ``table`` would do, and over which changes it would go on."""

    table: str
    outcome: Outcome
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Query(ABC):
    """Fills the table of ``contract``."""

    spark: SparkSession
    settings: Settings
    catalog: Catalog
    contract: Contract
    gate: Gate = field(default_factory=Gate)
    #: The last batch that was written, and the last error of one: Spark's own account of it buries the cause.
    batches: deque[WrittenBatch] = field(default_factory=lambda: deque(maxlen=1))
    errors: deque[Exception] = field(default_factory=lambda: deque(maxlen=1))

    @cached_property
    def faults(self) -> Faults:
        """Off, unless a test switched one on."""
        return Faults(self.contract.table, self.settings.spark_fault)

    @property
    def checkpoint_location(self) -> str:
        """Where the query keeps its offsets and its state."""
        return f"{self.settings.checkpoint_root}/{self.contract.table}"

    @property
    def checkpoint(self) -> Checkpoint:
        """What the query has read."""
        return Checkpoint(self.spark, self.checkpoint_location, self.contract.source.topic)

    @abstractmethod
    def start(self) -> StreamingQuery:
        """Creates the tables where they are missing and starts the query, going on where it stopped."""

    @abstractmethod
    def plan(self) -> Plan:
        """What a start would do, without doing it. Raises LakehouseError where it would be refused."""

    def _run(self, rows: DataFrame, mode: OutputMode, write: Callable[[DataFrame, int], int | None]) -> StreamingQuery:
        """Starts the query over ``rows``; ``write`` gets each micro-batch, and returns the rows read."""

        def write_batch(batch: DataFrame, batch_id: int) -> None:
            with self.gate.batch():
                try:
                    self.faults.reached(FaultPoint.BEFORE_COMMIT)
                    read = write(batch, batch_id)
                    self.faults.reached(FaultPoint.AFTER_COMMIT)
                except Exception as error:
                    self.errors.append(error)
                    raise
                self.batches.append(WrittenBatch(batch_id, now(), read))

        # Of a topic the source itself waits for a batch that is full or old enough; of a table it takes each commit.
        interval = _LOOK_EVERY if self.contract.source.table is None else longest_wait(self.contract)
        return (
            rows.writeStream.queryName(self.contract.table)
            .option("checkpointLocation", self.checkpoint_location)
            .outputMode(mode.value)
            .trigger(processingTime=f"{interval.total_seconds():g} seconds")
            .foreachBatch(write_batch)
            .start()
        )
