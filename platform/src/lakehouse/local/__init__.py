"""The embedded local stack: Kafka, Postgres, Spark and Dagster as processes under supervisord."""
