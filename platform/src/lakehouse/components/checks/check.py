"""What a check of a streaming table is, what it judges by, and what it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from lakehouse.contracts.model import Contract
from lakehouse.flink.status import JobStatus
from lakehouse.observability.freshness import Freshness
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.status import QueryStatus


@dataclass(frozen=True)
class Present:
    """All that is known at one look, by table: asked for once, whatever the number of checks.

    ``lags`` are in events. What is not known is absent.
    """

    catalog: Catalog
    contracts: Sequence[Contract] = ()
    freshness: Mapping[str, Freshness] = field(default_factory=dict)
    lags: Mapping[str, int] = field(default_factory=dict)
    queries: Mapping[str, QueryStatus] = field(default_factory=dict)
    jobs: Mapping[str, JobStatus] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """``text`` names what was found, what was expected and, where it fails, the next command.

    ``numbers`` are what Dagster plots. ``reason`` is why it fails, in words that stay the same while the reason does:
    another one is news, another number is not.
    """

    passed: bool
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, dg.MetadataValue] = field(default_factory=dict)
    reason: str = ""

    @property
    def metadata(self) -> dict[str, dg.MetadataValue]:
        """As Dagster keeps it."""
        numbers = {
            name: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(round(value, 6))
            for name, value in self.numbers.items()
        }
        return {**numbers, **self.details}


@dataclass(frozen=True)
class StreamCheck:
    """One check. ``judge`` returns None where nothing can be said: neither kept nor missed."""

    name: str
    description: str
    concerns: Callable[[Contract], bool]
    judge: Callable[[Contract, Present], Verdict | None]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    def spec(self, contract: Contract) -> dg.AssetCheckSpec:
        """The check of the table of ``contract``."""
        return dg.AssetCheckSpec(self.name, asset=_key(contract), description=self.description)

    def evaluation(self, contract: Contract, verdict: Verdict) -> dg.AssetCheckEvaluation:
        """``verdict`` on the table of ``contract``, as Dagster takes it."""
        return dg.AssetCheckEvaluation(
            asset_key=_key(contract),
            check_name=self.name,
            passed=verdict.passed,
            severity=self.severity,
            description=verdict.text,
            metadata=verdict.metadata,
        )


def _key(contract: Contract) -> dg.AssetKey:
    return dg.AssetKey(contract.table.split("."))


def every(contract: Contract) -> bool:
    """Any table is concerned."""
    return True
