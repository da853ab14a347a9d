"""dbt models computed by Spark, into the same Delta tables. See docs/decisions/0023-dbt-on-spark.md."""
