"""Kafka messages to typed rows, by the contract alone; what does not fit says why.

The parsing itself is Java (streaming/event-parser), the same code under Spark and Flink: a table has the same rows
whichever of them writes it.
"""

import json

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.model import Contract

#: What the parser reads of a column; the rest is for people.
_RULES = {"name", "type", "required", "minimum", "maximum", "default", "default_from"}


def parse_events(messages: DataFrame, contract: Contract) -> DataFrame:
    """Rows of the contract's table and of its quarantine table, in one frame.

    ``messages`` has the columns of Spark's Kafka source (key, value, topic, partition, offset, timestamp). The result
    has the columns of both tables but ``ingested_at``, which the sink adds. ``reason`` is NULL for a good row, and only
    then are ``raw_key`` and ``raw_value`` NULL too. Streaming and batch frames both work: replay runs this very
    function.
    """
    parsed = messages.select(
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("kafka_timestamp"),
        # A contract's own columns begin with a letter: they may be called `key`, `value` or `event`.
        F.col("key").alias("_key"),
        F.col("value").alias("_value"),
        _parse(F.col("value"), contract).alias("_event"),
    )
    rejected = F.col("_event.reason").isNotNull()
    return parsed.select(
        *(F.col(f"_event.{column.name}").alias(column.name) for column in contract.event_columns),
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "kafka_timestamp",
        F.when(rejected, F.col("_key")).alias("raw_key"),
        F.when(rejected, F.col("_value")).alias("raw_value"),
        F.col("_event.reason").alias("reason"),
    )


def _parse(value: Column, contract: Contract) -> Column:
    """Calls the parser, a function of the catalog `events` whose name is the contract's columns."""
    columns = [column.model_dump(mode="json", include=_RULES, exclude_none=True) for column in contract.event_columns]
    return F.call_function(f"events.`{json.dumps(columns).replace('`', '``')}`", value)
