"""What writes a table."""

from enum import StrEnum


class Engine(StrEnum):
    """From the slowest and cheapest to the fastest and dearest."""

    DBT = "dbt"
    SPARK = "spark"
    FLINK = "flink"
