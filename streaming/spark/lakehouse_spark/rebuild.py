"""Computes a table anew beside the one that readers see, and puts the new rows in the place of the old in one commit.

Until the new rows reach what the source held when the query started, readers have the old ones, whole. The commit that
swaps them is marked with the batch that it ends with, as any other: the table itself tells that it has the new rows,
and a batch that Spark repeats finds it so. Everything since is written to the table as ever.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import OutputMode
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.commit import commit_options
from lakehouse_spark.faults import FaultPoint, Faults
from lakehouse_spark.results import Results
from lakehouse_spark.takeover import Takeover

_LOG = logging.getLogger(__name__)
#: Where the new rows are, within the checkpoint that they belong to.
_BESIDE = "rows"


@dataclass(frozen=True)
class Rebuild:
    """The table of ``contract``, while the query with ``checkpoint`` takes it over.

    ``reaches`` tells of a batch whether it ends where the source ended when the query started, or later.
    """

    contract: Contract
    catalog: Catalog
    checkpoint: Checkpoint
    takeover: Takeover
    reaches: Callable[[int], bool]
    faults: Faults
    #: Whether the new rows are in the table, once that is known.
    _swapped: list[bool] = field(default_factory=list)

    def write(self, rows: DataFrame, batch_id: int, verify: Callable[[], None]) -> None:
        """As ``Results.write``: beside the table until that has the new rows, and into it from then on."""
        spark = rows.sparkSession
        if self._is_swapped(spark, batch_id):
            self._results(self._table).write(rows, batch_id, verify)
            return
        self._create(spark)
        self._results(self._beside).write(rows, batch_id, verify)
        if self._is_complete(batch_id):
            self.faults.reached(FaultPoint.BETWEEN_COMMITS)
            self._swap(spark, batch_id)

    def _is_swapped(self, spark: SparkSession, batch_id: int) -> bool:
        if not self._swapped:
            app_id = commit_options(spark, batch_id)["txnAppId"]
            if self.catalog.open(self.contract.table).transaction_version(app_id) is None:
                return False
            self._swapped.append(True)
            # A crash behind the swap may have left them.
            self.checkpoint.delete(_BESIDE)
        return True

    def _is_complete(self, batch_id: int) -> bool:
        """Whether all that readers have in the old rows is in the new ones too.

        What the watermark makes final is appended by the batch behind the one that moved it, which comes by itself.
        """
        appends = self.contract.transform is not None and self.contract.transform.output_mode is OutputMode.APPEND
        if appends and self.contract.event_time.watermark is not None:
            return batch_id > 0 and self.reaches(batch_id - 1)
        return self.reaches(batch_id)

    def _swap(self, spark: SparkSession, batch_id: int) -> None:
        options = commit_options(spark, batch_id)
        if self.takeover.predicate is not None:
            options["replaceWhere"] = self.takeover.predicate
        rows = spark.read.format("delta").load(self._beside)
        rows.write.format("delta").mode("overwrite").options(**options).save(self._table)
        _LOG.info("%s: has the rows that were computed anew, as of batch %s", self.contract.table, batch_id)
        self._swapped.append(True)
        self.checkpoint.delete(_BESIDE)

    def _create(self, spark: SparkSession) -> None:
        columns = DeltaTable.forPath(spark, self._table).toDF().schema
        table = DeltaTable.createIfNotExists(spark).location(self._beside).addColumns(columns)
        table.partitionedBy(*self.contract.partition_by).execute()

    @property
    def _results(self) -> Callable[[str], Results]:
        return partial(Results, self.contract)

    @property
    def _table(self) -> str:
        return self.catalog.spark_uri(self.contract.table)

    @property
    def _beside(self) -> str:
        return f"{self.checkpoint.location}/{_BESIDE}"
