"""The tables of a dbt run on Spark: each is a view over the version that the run sees, in Spark and in DuckDB."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

import duckdb
from duckdb import DuckDBPyConnection
from pyspark.sql import SparkSession

from lakehouse.dbt_delta.session import Session
from lakehouse.settings import Settings
from lakehouse.storage.sql import quoted, relation


class SparkTables(Session):
    """Models read Spark's views; the build that commits their rows reads DuckDB's."""

    def __init__(self, settings: Settings, spark: SparkSession) -> None:
        super().__init__(settings)
        self._spark = spark
        database = duckdb.connect(":memory:", config={"memory_limit": settings.dbt_memory})
        self.prepare(database)
        database.execute("SET GLOBAL TimeZone = 'UTC'")

    def cursor(self) -> DuckDBPyConnection:
        """A DuckDB connection of one's own, with the tables as views."""
        return self._cursor()

    def _show(self, name: str, version: int) -> None:
        if self._pins.get(name) == version:
            return
        location = self.catalog.spark_uri(name)
        schema = name.split(".")[0]
        if not self._spark.catalog.databaseExists(schema):
            self._spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        self._spark.sql(f"CREATE OR REPLACE VIEW {relation(name)} AS SELECT * FROM delta.`{location}@v{version}`")
        super()._show(name, version)
