"""The embedded local stack: Kafka, Spark and Dagster as processes under supervisord."""
