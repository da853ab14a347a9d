"""The Spark session that dbt's models are computed in."""

from pyspark.sql import SparkSession

from lakehouse.settings import Settings
from lakehouse_spark.session import WITHOUT_UI, spark_session

_SQL = {
    # "name" is a name, as in DuckDB: the models are the same text.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    # '${a}' is a text, and no variable.
    "spark.sql.variable.substitute": "false",
    # Models read whole tables, where a stream's batch is small. Adaptive execution joins partitions that stay small.
    "spark.sql.shuffle.partitions": "200",
}


def dbt_session(settings: Settings) -> SparkSession:
    """A session with the platform's jars and log stores, and the SQL that DuckDB's models are written in.

    Other sessions of this process keep theirs. Raises LakehouseError when the jars were not fetched.
    """
    session = spark_session(settings, "dbt", WITHOUT_UI).newSession()
    # What Spark warns of would stand between the lines of dbt, whose errors tell what Spark said.
    session.sparkContext.setLogLevel("ERROR")
    for option, value in _SQL.items():
        session.conf.set(option, value)
    return session
