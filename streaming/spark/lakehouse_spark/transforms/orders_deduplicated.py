"""Order events without those that a producer sent again."""

from pyspark.sql import DataFrame

from lakehouse.contracts.model import Contract


def orders_deduplicated(orders: DataFrame, contract: Contract) -> DataFrame:
    """The first event of each order and event time; a later one is left out while the watermark remembers the first.

    A static frame has no watermark, and forgets nothing.
    """
    keys = list(contract.keys)
    return orders.dropDuplicatesWithinWatermark(keys) if orders.isStreaming else orders.dropDuplicates(keys)
