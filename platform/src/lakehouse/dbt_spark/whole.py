"""Writes a table as a whole with Spark's own writer: what is too large for one machine is never written by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.dbt_delta.columns import DELETED
from lakehouse.dbt_delta.progress import EPOCH
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.dbt_delta.whole import RowsReader
from lakehouse.dbt_spark.staging import Staging
from lakehouse.errors import LakehouseError
from lakehouse.storage import commit
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.errors import CONFLICTS, message_of


class NotRecordedError(LakehouseError):
    """The table was rebuilt, but what the rebuild had consumed was not stored: increments refuse it."""


@dataclass(frozen=True)
class SparkWriter:
    """Rows and epoch are one commit, what was consumed is the next.

    Spark stores one transaction with its rows, and a model has one for each source. In between, the table is of a new
    epoch, which has consumed nothing: a run that dies there leaves a table that asks to be rebuilt, and never one whose
    rows are taken for those of other versions.
    """

    spark: SparkSession
    catalog: Catalog
    staging: Staging

    def create(self, spec: ModelSpec, rows: RowsReader, new: commit.NewTable, progress: commit.Progress) -> None:
        """Creates the table with its rows and properties: there is none, or one that holds them all."""
        written = self._store(spec, "errorifexists", new.properties, new.partition_by, progress, -1)
        _record(written, spec, rows, progress)
        # Spark's writer takes no words about a table. They are for readers, and no commit of rows depends on them.
        commit.describe(self.catalog.open(spec.name), spec.name, new.description)

    def replace(
        self, table: DeltaTable, spec: ModelSpec, rows: RowsReader, new: commit.NewTable, progress: commit.Progress
    ) -> None:
        """Replaces rows, schema and partitioning, of whatever increment came since ``table``, too."""
        written = self._store(
            spec, "overwrite", {"overwriteSchema": "true"}, new.partition_by, progress, table.version()
        )
        _record(written, spec, rows, progress)

    def holds(self, table: DeltaTable, spec: ModelSpec, computed: str, held: str) -> bool:
        """Compares what is staged, in Spark."""
        location = self.catalog.spark_uri(spec.name)
        before = self.spark.read.format("delta").option("versionAsOf", table.version()).load(location)
        rows = self._computed(spec)
        return rows.exceptAll(before).isEmpty() and before.exceptAll(rows).isEmpty()

    def _store(
        self,
        spec: ModelSpec,
        mode: str,
        options: Mapping[str, str],
        partition_by: Sequence[str],
        progress: commit.Progress,
        before: int,
    ) -> DeltaTable:
        """Commits rows and epoch, and returns the table as of that commit, which came after version ``before``."""
        mark = uuid4().hex
        # Delta writes nothing where the table has this epoch by now: that of another run.
        marks = {"txnAppId": EPOCH, "txnVersion": str(progress[EPOCH]), "userMetadata": mark}
        try:
            self._save(spec, mode, {**options, **marks}, partition_by)
        except CONFLICTS as error:
            raise commit.ConcurrentWriteError(
                f"{spec.name}: another writer committed while this one was computing ({message_of(error)}). Nothing "
                "was written: run again."
            ) from error
        except AnalysisException as error:
            if "DELTA_PATH_EXISTS" not in str(error):
                raise
            raise commit.ConcurrentWriteError(
                f"{spec.name}: another writer created the table while this one was computing. Nothing was written: run "
                "again."
            ) from error
        newest = self.catalog.open(spec.name)
        entries = newest.history(limit=newest.version() - before)
        version = next((entry["version"] for entry in entries if entry.get("userMetadata") == mark), None)
        if version is None:
            raise commit.ConcurrentWriteError(
                f"{spec.name}: another run rebuilt the table while this one was computing. Nothing was written: run "
                "again."
            )
        return self.catalog.open(spec.name, version)

    def _save(self, spec: ModelSpec, mode: str, options: Mapping[str, str], partition_by: Sequence[str]) -> None:
        writer = self._ordered(spec).write.format("delta").mode(mode).options(**options).partitionBy(*partition_by)
        writer.save(self.catalog.spark_uri(spec.name))

    def _computed(self, spec: ModelSpec) -> DataFrame:
        rows = self.spark.read.parquet(self.staging.spark_location(spec.name))
        if DELETED not in rows.columns:
            return rows
        return rows.where(~F.coalesce(F.col(DELETED), F.lit(False))).drop(DELETED)

    def _ordered(self, spec: ModelSpec) -> DataFrame:
        rows = self._computed(spec)
        order = list(dict.fromkeys((*spec.partition_by, *spec.cluster_by)))
        return rows.repartitionByRange(*order).sortWithinPartitions(*order) if order else rows


def _record(written: DeltaTable, spec: ModelSpec, rows: RowsReader, progress: commit.Progress) -> None:
    """Stores ``progress`` relative to the commit of the rows: one that another rebuild made since conflicts."""
    try:
        commit.append(written, spec.name, rows("false"), progress, evolve=False)
    except (commit.ConcurrentWriteError, DeltaError, OSError) as error:
        raise NotRecordedError(
            f"{spec.name} was rebuilt, but what it has consumed was not recorded ({error}).\nRebuild it: "
            f"dbt build --full-refresh --select {spec.name.partition('.')[2]}"
        ) from error
