"""Where dbt looks for the adapter that profiles call `lakehouse_spark`; it is `lakehouse.dbt_spark.adapter`."""

from pathlib import Path

from dbt.adapters.base.plugin import AdapterPlugin

from lakehouse import dbt_spark
from lakehouse.dbt_spark.adapter import Credentials, Lakehouse_SparkAdapter

Plugin = AdapterPlugin(
    adapter=Lakehouse_SparkAdapter,  # type: ignore[arg-type]  # as dbt-spark has it: the protocol is looser than any adapter
    credentials=Credentials,
    include_path=str(Path(dbt_spark.__path__[0], "include")),
    project_name="dbt_lakehouse_spark",
    dependencies=["spark"],
)
