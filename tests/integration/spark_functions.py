"""PySpark functions for contracts of tests, which applications of their own find too."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts import Contract


def by_status(orders: DataFrame, contract: Contract) -> DataFrame:
    """No windows: of each status its newest order, and how many there are."""
    return orders.groupBy("status").agg(F.max("event_time").alias("newest"), F.count(F.lit(1)).alias("orders"))
