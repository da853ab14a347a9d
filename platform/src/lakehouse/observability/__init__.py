"""How fresh the tables are, and what Prometheus is told of Kafka, Delta and Dagster."""
