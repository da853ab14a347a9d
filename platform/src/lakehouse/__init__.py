"""A Dagster-orchestrated lakehouse: streams and dbt models on one storage of Delta tables."""
