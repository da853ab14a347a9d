"""Puts the rows of a whole table in order, so that readers skip files: what is too much for one machine to sort."""

from collections.abc import Sequence
from dataclasses import dataclass

from delta import DeltaTable
from deltalake import DeltaTable as Table
from pyspark.sql import SparkSession

from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.commit import ConcurrentWriteError
from lakehouse.storage.stats import bounded_columns
from lakehouse_spark.errors import CONFLICTS, message_of


@dataclass(frozen=True)
class Clustered:
    """What was rewritten: files and bytes, before and after."""

    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


def cluster(
    spark: SparkSession, catalog: Catalog, name: str, columns: Sequence[str], partitions: str | None
) -> Clustered:
    """Rewrites the table in the z-order of ``columns``, or those of its partitions for which an SQL condition holds.

    Rows stay as they are, and readers of changes pass over the commit. Raises TableNotFoundError, LakehouseError for
    columns that the table cannot be sorted by, and ConcurrentWriteError when its writer changed the same files first.
    """
    check_columns(catalog.open(name), name, columns)
    optimize = DeltaTable.forPath(spark, catalog.spark_uri(name)).optimize()
    chosen = optimize.where(partitions) if partitions else optimize
    try:
        metrics = chosen.executeZOrderBy(*columns).collect()[0]["metrics"]
    except CONFLICTS as error:
        raise ConcurrentWriteError(
            f"{name}: its writer changed the same files while they were being sorted ({message_of(error)}). Nothing "
            "was changed: run again, or for fewer partitions."
        ) from error
    return Clustered(
        files_before=metrics["numFilesRemoved"],
        files_after=metrics["numFilesAdded"],
        bytes_before=metrics["filesRemoved"]["totalSize"],
        bytes_after=metrics["filesAdded"]["totalSize"],
    )


def check_columns(table: Table, name: str, columns: Sequence[str]) -> None:
    """Raises LakehouseError where ``table`` lacks one of ``columns``, or its bounds: Delta sorts by no such column."""
    held = [field.name for field in table.schema().fields]
    if not columns or (unknown := [column for column in columns if column not in held]):
        wrong = ", ".join(unknown) if columns else "no column"
        raise LakehouseError(f"{name} cannot be clustered by {wrong}. Columns: {', '.join(held)}")
    bounded = bounded_columns(table)
    if without := [column for column in columns if column not in bounded]:
        raise LakehouseError(
            f"{name} cannot be clustered by {', '.join(without)}: its files have no bounds of that, so none could be "
            f"skipped. Columns with bounds: {', '.join(bounded) or 'none'}.\nName it in `cluster_by` of the table's "
            f"contract, and then: {command(f'contracts apply {name}')}"
        )
