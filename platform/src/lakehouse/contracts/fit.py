"""The rules and a contract: the workload that it describes, and what speaks against the engine of its table."""

from typing import TYPE_CHECKING

from lakehouse.contracts.decision import Decision, against, decide
from lakehouse.contracts.workload import Circumstances, Consumer, Need, SourceKind, Workload

if TYPE_CHECKING:
    from lakehouse.contracts.model import Contract

#: What contracts write under `consumers` → what the rules know. Whoever is not listed may be anybody: `other`.
_CONSUMERS = {
    **{consumer.value: consumer for consumer in Consumer},
    "bi tools": Consumer.BI,
    "reports": Consumer.BI,
    "reporting": Consumer.BI,
    "analyst": Consumer.ANALYSTS,
    "dashboard": Consumer.DASHBOARDS,
    "alerts": Consumer.ALERTING,
}


def workload_of(contract: "Contract") -> Workload:
    """What the rules are asked about ``contract``: what it says, and what follows from that."""
    given = contract.workload or Circumstances()
    return Workload(
        **{**dict(given), "needs": given.needs | _needs(contract)},
        freshness=contract.freshness,
        source=SourceKind.KAFKA if contract.source.table is None else SourceKind.TABLE_CHANGES,
        consumers=frozenset(_CONSUMERS.get(text.lower(), Consumer.OTHER) for text in contract.consumers),
        trigger=contract.transform.trigger if contract.transform else None,
    )


def decision_of(contract: "Contract") -> Decision:
    """What the rules choose for ``contract``, whatever engine it names."""
    return decide(workload_of(contract))


def misfits(contract: "Contract") -> tuple[str, ...]:
    """What speaks against the engine that writes the table of ``contract``; empty where it fits.

    An engine that the contract names is allowed whatever the rules say: the table works, at another cost.
    """
    return against(decision_of(contract), contract.resolved_engine)


def _needs(contract: "Contract") -> frozenset[Need]:
    """Needs that the contract cannot be without."""
    transform, late = contract.transform, contract.late or contract.event_time.allowed_lateness
    if transform is None:
        return frozenset()
    if transform.job is not None and late is not None:
        return frozenset({Need.EVENT_TIME})  # Late events correct their window or are kept, which is Flink's alone.
    return frozenset({Need.WINDOWS}) if transform.window or transform.gap else frozenset()
