"""What a customer's orders went through in one sitting: a session window each."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.model import Contract
from lakehouse_spark.transforms.intervals import interval


def customer_sessions(orders: DataFrame, contract: Contract) -> DataFrame:
    """One row a customer and session: their events, none further from the one before than the contract's gap.

    An event that comes between two sessions joins them, as long as the watermark has passed neither.
    """
    session = F.session_window("event_time", interval(contract, "gap"))
    placed = F.when(F.col("status") == "placed", F.col("amount_cents")).otherwise(0)
    return (
        orders.groupBy(session.alias("session"), "customer_id")
        .agg(
            F.count(F.lit(1)).alias("event_count"),
            # Spark counts no distinct values in a stream; those of one session are few.
            F.size(F.collect_set("order_id")).cast("bigint").alias("order_count"),
            F.sum(placed).alias("placed_amount_cents"),
        )
        .select(
            "customer_id",
            F.col("session.start").alias("window_start"),
            F.col("session.end").alias("window_end"),
            "event_count",
            "order_count",
            "placed_amount_cents",
            F.call_function("events.read_at").alias("processed_at"),
        )
    )
