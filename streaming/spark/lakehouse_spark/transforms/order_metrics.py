"""Orders by status in sliding windows of event time."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.model import Contract
from lakehouse_spark.transforms.intervals import interval


def order_metrics(orders: DataFrame, contract: Contract) -> DataFrame:
    """Count, sum and average of the amounts of ``orders``, a row for each window of the contract and each status.

    An order event counts in every window that covers its time; windows start at multiples of the contract's slide since
    1970-01-01 UTC. Orders without a status are counted as `unknown`.
    """
    transform = contract.transform
    slide = interval(contract, "slide" if transform and transform.slide else "window")
    window = F.window("event_time", interval(contract, "window"), slide)
    return (
        orders.groupBy(window.alias("window"), F.coalesce("status", F.lit("unknown")).alias("status"))
        .agg(
            F.count(F.lit(1)).alias("order_count"),
            F.sum("amount_cents").alias("total_amount_cents"),
            F.avg("amount_cents").alias("average_amount_cents"),
        )
        .select(
            F.col("window.start").alias("window_start"),
            F.col("window.end").alias("window_end"),
            "status",
            "order_count",
            "total_amount_cents",
            "average_amount_cents",
            F.call_function("events.read_at").alias("processed_at"),
        )
    )
