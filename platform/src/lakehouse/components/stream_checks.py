"""The checks of streaming tables in Dagster.

A sensor evaluates them and reports what changed, and each hour the numbers, to be plotted; they can be run by hand too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from lakehouse.components.checks.check import Present, StreamCheck
from lakehouse.components.checks.checkpoint import CHECKPOINT_AGE
from lakehouse.components.checks.fit import ENGINE_FIT
from lakehouse.components.checks.freshness import FRESHNESS
from lakehouse.components.checks.lag import CONSUMER_LAG
from lakehouse.components.checks.losses import no_events_lost
from lakehouse.components.checks.ratios import LATE_RATIO, QUARANTINE_RATIO
from lakehouse.components.checks.schema import schema_drift
from lakehouse.components.checks.writer import WRITER_ALIVE
from lakehouse.components.freshness import MeasuredFreshness, not_measured
from lakehouse.components.news import as_result, news_sensor
from lakehouse.contracts.model import Contract
from lakehouse.flink.status import JobStatus
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.status import read_queries


def stream_checks(*, writers_here: bool = True) -> tuple[StreamCheck, ...]:
    """Every check, in the order in which they are told.

    Without ``writers_here`` none of those that ask a writer on this machine: one that can never be evaluated promises
    what nobody keeps.
    """
    return (
        *(FRESHNESS, CONSUMER_LAG),
        *((WRITER_ALIVE, CHECKPOINT_AGE) if writers_here else ()),
        *(QUARANTINE_RATIO, LATE_RATIO),
        *(no_events_lost(), schema_drift(), ENGINE_FIT),
    )


@dataclass(frozen=True)
class StreamChecks:
    """The checks of ``contracts``; below ``run_dir`` the Spark applications note how their queries do.

    ``measured`` tells how fresh the tables are, ``lags`` what their writers have still to read, ``jobs`` how those of
    Flink do.
    """

    contracts: Sequence[Contract]
    catalog: Catalog
    run_dir: Path
    measured: MeasuredFreshness = not_measured
    lags: Callable[[], Mapping[str, int]] = dict
    jobs: Callable[[], Mapping[str, JobStatus]] = dict
    checks: Sequence[StreamCheck] = field(default_factory=stream_checks)

    def specs(self) -> list[dg.AssetCheckSpec]:
        """What is checked of which table."""
        return [
            check.spec(contract) for contract in self.contracts for check in self.checks if check.concerns(contract)
        ]

    def evaluate(self) -> Iterator[tuple[dg.AssetCheckEvaluation, str]]:
        """Every check of which something can be said now, with its reason."""
        present = Present(
            self.catalog, self.contracts, self.measured(), self.lags(), read_queries(self.run_dir), self.jobs()
        )
        for contract in self.contracts:
            for check in self.checks:
                if check.concerns(contract) and (verdict := check.judge(contract, present)) is not None:
                    yield check.evaluation(contract, verdict), verdict.reason


def stream_check_definitions(checks: StreamChecks, every_seconds: int) -> dg.Definitions:
    """The checks, and the sensor that reports what changed of them."""
    if not checks.specs():
        return dg.Definitions()

    @dg.multi_asset_check(specs=checks.specs(), can_subset=True)
    def streaming_table_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        wanted = context.selected_asset_check_keys
        for found, _ in checks.evaluate():
            if found.asset_check_key in wanted:
                yield as_result(found)

    return dg.Definitions(asset_checks=[streaming_table_checks], sensors=[check_sensor(checks, every_seconds)])


def check_sensor(checks: StreamChecks, every_seconds: int) -> dg.SensorDefinition:
    """Reports each check when its outcome or its reason changes, and each hour."""
    return news_sensor(
        "streaming_table_health",
        "Reports the checks of streaming tables when one of them changes, and their numbers each hour.",
        every_seconds,
        checks.evaluate,
        without="no check of a streaming table has changed, and all were told within the hour",
    )


def _key(contract: Contract) -> dg.AssetKey:
    return dg.AssetKey(contract.table.split("."))
