"""`delta_changes` on Spark: the changes of a source as a temporary view, from the very files that DuckDB would read.

Delta's own reader of changes refuses versions between which a column was added, and those of a table that had no change
data feed then. The files of the feed tell of either.
"""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lakehouse.dbt_delta.changes import Asked
from lakehouse.storage.catalog import hadoop_uri
from lakehouse.storage.changes import CHANGE_TYPE, ChangedFile, ChangeFeed, HistoryGoneError
from lakehouse.storage.sql import quoted, quoted_list, relation

_INSERTS = ("insert", "update_postimage")


def changes_view(spark: SparkSession, asked: Asked, feed: ChangeFeed) -> str:
    """Makes the rows of ``feed`` a temporary view of Spark, net as `storage.changes` has them, and returns its name.

    Raises HistoryGoneError when a file of the feed was vacuumed.
    """
    name = f"__changes__{asked.spec.name}__{feed.table}".replace(".", "_")
    raw = f"{name}__feed"
    columns = quoted_list(asked.columns)
    # A view of the source as the run sees it has its columns as they are now.
    schema = spark.sql(f"SELECT {columns} FROM {relation(feed.table)}").schema
    try:
        read = [_rows(spark, schema, *alike) for alike in read_alike(feed.files, list(asked.columns))]
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        raise HistoryGoneError(
            f"files of {feed.table} from its versions {feed.since + 1} to {feed.until} are gone: {error}\n"
            "They were vacuumed before this reader had consumed them."
        ) from error
    reduce(DataFrame.union, read).createOrReplaceTempView(raw)
    rows = f"SELECT {columns}, {CHANGE_TYPE} FROM {quoted(raw)}"
    if not feed.inserts_only:
        rows = (
            f"SELECT {columns}, CASE WHEN copies > 0 THEN 'insert' ELSE 'delete' END AS {CHANGE_TYPE}\n"
            f"FROM (SELECT {columns}, sum(CASE {CHANGE_TYPE} WHEN 'insert' THEN 1 ELSE -1 END) AS copies\n"
            f"      FROM {quoted(raw)} GROUP BY {columns} HAVING copies <> 0) AS net\n"
            "LATERAL VIEW explode(sequence(1, abs(copies))) AS copy"
        )
    spark.sql(rows).createOrReplaceTempView(name)
    return name


#: A kind of rows, values that all of them have of columns in the log, and the files that hold them.
Alike = tuple[str, tuple[tuple[str, str | None], ...], list[str]]


def read_alike(files: Sequence[ChangedFile], columns: Sequence[str]) -> list[Alike]:
    """The ``files`` by what their rows have in common: kind, values of ``columns`` that are in the log, locations."""
    alike: dict[tuple[str, tuple[tuple[str, str | None], ...]], list[str]] = defaultdict(list)
    for file in files:
        # The protocol writes NULL as an empty string or as null.
        values = tuple((name, value or None) for name, value in file.partition_values.items() if name in columns)
        alike[file.kind, values].append(hadoop_uri(file.location))
    return [(kind, values, locations) for (kind, values), locations in alike.items()]


def _rows(
    spark: SparkSession,
    schema: StructType,
    kind: str,
    values: tuple[tuple[str, str | None], ...],
    locations: list[str],
) -> DataFrame:
    """The rows of files; a column that a file lacks is its partition value, or NULL where it is younger."""
    told = [StructField(CHANGE_TYPE, StringType())] if kind == "cdc" else []
    stored = StructType([*(StructField(field.name, field.dataType) for field in schema), *told])
    # Spark would take values from the names of directories, and guess their types.
    files = spark.read.schema(stored).option("recursiveFileLookup", "true").parquet(*locations)
    parts = dict(values)
    taken = [
        F.coalesce(F.col(f"`{field.name}`"), F.lit(parts[field.name]).cast(field.dataType)).alias(field.name)
        if field.name in parts
        else F.col(f"`{field.name}`")
        for field in schema
    ]
    inserted = F.when(F.col(CHANGE_TYPE).isin(*_INSERTS), "insert").otherwise("delete") if told else F.lit(kind)
    return files.select(*taken, inserted.alias(CHANGE_TYPE))
