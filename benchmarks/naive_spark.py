"""The Spark job of a tutorial, in default settings, as the peer of `benchmarks/spark_streaming.py`.

    python benchmarks/naive_spark.py ingest|windows BOOTSTRAP TOPIC DIRECTORY JARS

`from_json`, append to Delta; or the same windows as `streaming.order_metrics`, final ones, appended. No quarantine, no
offsets, no check of what is lost. Runs until it is killed.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SCHEMA = (
    "order_id STRING, customer_id STRING, amount_cents BIGINT, status STRING, event_time TIMESTAMP, currency STRING, "
    "created_at TIMESTAMP"
)


def main() -> None:
    """Reads the arguments and runs the job."""
    what, bootstrap, topic, directory, jars = sys.argv[1:]
    spark = (
        SparkSession.builder.appName("naive")
        .master("local[2]")
        .config("spark.driver.extraClassPath", f"{jars}/*")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .getOrCreate()
    )
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    order = F.from_json(F.col("value").cast("string"), SCHEMA).alias("order")
    rows = messages.select(F.col("timestamp").alias("kafka_timestamp"), order).select("kafka_timestamp", "order.*")
    if what == "windows":
        rows = (
            rows.withWatermark("event_time", "10 minutes")
            .groupBy(F.window("event_time", "5 minutes", "1 minute"), "status")
            .agg(
                F.count("*").alias("order_count"),
                F.sum("amount_cents").alias("total"),
                F.avg("amount_cents").alias("a"),
            )
        )
    query = (
        rows.writeStream.format("delta")
        .option("checkpointLocation", f"{directory}/checkpoint")
        .outputMode("append")
        .start(f"{directory}/table")
    )
    query.awaitTermination()


if __name__ == "__main__":
    main()
