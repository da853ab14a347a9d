"""Is a contract kept with so wide a margin that a cheaper engine would keep it too?"""

from lakehouse.contracts.decision import decide
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.fit import workload_of
from lakehouse.contracts.model import Contract
from lakehouse.contracts.workload import SourceKind
from lakehouse.observability.freshness import Freshness

#: From the cheapest to the dearest.
_BY_COST = tuple(Engine)
#: Kept this many times better than asked is no accident.
_WIDE = 10


def cheaper_engine_hint(contract: Contract, freshness: Freshness) -> str | None:
    """`kept 40 x better than asked: spark would do`; None unless the rules choose a cheaper engine for the contract.

    dbt reads no topics, and somebody has to land them. But what is computed from a topic can as well be a model of the
    table that holds it, where the rules choose dbt for a table.
    """
    workload = workload_of(contract)
    if contract.transform is not None and contract.source.table is None:
        workload = workload.model_copy(update={"source": SourceKind.WAREHOUSE})
    enough = decide(workload).engine
    if _BY_COST.index(enough) >= _BY_COST.index(contract.resolved_engine) or not freshness.p95:
        return None
    margin = freshness.contract / freshness.p95
    if margin < _WIDE or freshness.missed_for is not None:
        return None
    of = f", as a model of a table that holds topic {contract.source.topic}" if enough is Engine.DBT else ""
    return f"kept {margin:,.0f} × better than asked: {enough.value} would do{of}"  # noqa: RUF001  (times)
