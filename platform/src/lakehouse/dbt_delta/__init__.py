"""dbt models stored as Delta tables: DuckDB computes, delta-rs commits. See docs/decisions/0004-dbt-on-delta.md."""
