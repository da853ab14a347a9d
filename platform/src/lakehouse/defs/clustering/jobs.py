"""The job `cluster`: sorts a table that has outgrown one machine, in a Spark of the run's own."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from lakehouse.components.spark_pod import spark_pod
from lakehouse.contracts import find_contract
from lakehouse.settings import load_settings
from lakehouse.storage.catalog import Catalog

if TYPE_CHECKING:
    from dagster_pyspark import LazyPySparkResource


class ClusteringConfig(dg.Config):
    """Which rows of which table, and in which order."""

    table: str = Field(description="schema.table")
    by: list[str] = Field(default_factory=list, description="Columns; default: `cluster_by` of the table's contract")
    partitions: str | None = Field(
        default=None, description="SQL over partition columns, as in order_date >= '2026-11-01'; absent: all of them"
    )


@dg.resource(description="A Spark session that reads and writes the tables; it is started when it is first used.")
def pyspark(_: dg.InitResourceContext) -> "LazyPySparkResource":
    """Imports and configures Spark in the run that needs it, and not wherever definitions are loaded."""
    from dagster_pyspark import LazyPySparkResource

    from lakehouse_spark.session import WITHOUT_UI, spark_configuration

    return LazyPySparkResource(spark_config={**spark_configuration(load_settings(), "dagster"), **WITHOUT_UI})


@dg.op(
    pool="maintenance",
    required_resource_keys={"pyspark"},
    description="Rewrites a table in the z-order of its clustering columns.",
)
def cluster_table(context: dg.OpExecutionContext, config: ClusteringConfig) -> None:
    """Tells Dagster how many files it made of how many."""
    from lakehouse_spark.clustering import cluster

    settings = load_settings()
    columns = config.by or find_contract(settings.contracts_dir, config.table).cluster_by
    clustered = cluster(
        context.resources.pyspark.spark_session,
        Catalog.from_settings(settings),
        config.table,
        columns,
        config.partitions,
    )
    metadata = {f"clustering/{figure}": dg.MetadataValue.int(value) for figure, value in vars(clustered).items()}
    context.log_event(dg.AssetObservation(config.table.split("."), metadata=metadata))


@dg.graph(name="cluster", description="Sorts the rows of a large table by its clustering columns, with Spark.")
def cluster_graph() -> None:
    """See ``cluster_table``."""
    cluster_table()


@dg.definitions
def clustering() -> dg.Definitions:
    """The job; its table is given in the launchpad."""
    job = cluster_graph.to_job(
        resource_defs={"pyspark": pyspark},
        executor_def=dg.in_process_executor,
        tags=spark_pod(load_settings()),
    )
    return dg.Definitions(jobs=[job])
