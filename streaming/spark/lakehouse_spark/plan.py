"""What a restart would do to each query, asked before anything restarts."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.application import query_of, spark_contracts
from lakehouse_spark.query import Plan
from lakehouse_spark.session import WITHOUT_UI, spark_session
from lakehouse_spark.status import first_line


@dataclass(frozen=True)
class Refusal:
    """A query that would not start, and why."""

    table: str
    reason: str


def plan_queries(settings: Settings) -> Sequence[Plan | Refusal]:
    """The plan of every contract that Spark serves, whatever is wrong with one of them.

    Starts a Spark of its own, and reads no rows. A broker that answers is asked what its topics still hold.
    """
    contracts = spark_contracts(settings)
    # Its own JVM beside the one that runs.
    spark = spark_session(settings, "lakehouse-plan", {**WITHOUT_UI, "spark.driver.memory": "512m"})
    try:
        catalog = Catalog.from_settings(settings)
        plans: list[Plan | Refusal] = []
        for contract in contracts:
            try:
                plans.append(query_of(contract, spark, settings, catalog).plan())
            except LakehouseError as error:
                plans.append(Refusal(contract.table, str(error)))
            except Exception as error:
                # The function is the user's own code, and a mistake in it is no reason to hide the other plans.
                told = f"it would not start: {type(error).__name__}: {first_line(error)}"
                plans.append(Refusal(contract.table, told))
        return plans
    finally:
        spark.stop()
