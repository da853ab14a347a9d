"""How much of an engine contracts need. The rates are measured, the formulas those of `lakehouse.contracts.cost`."""

import math
from collections.abc import Iterable

from lakehouse.contracts import Contract, Engine
from lakehouse.contracts.cost import running_cost
from lakehouse.contracts.fit import workload_of
from lakehouse.deploy.values import SparkSize
from lakehouse.quantity import number

#: A stream that is behind has to catch up while new events come: half of what there is stays free.
_UTILISATION = 0.5


def executors(size: SparkSize, group: str, contracts: Iterable[Contract]) -> int:
    """Executors of the application of ``group``: as the values say, else for the rates of its contracts."""
    if group in size.executors:
        return size.executors[group]
    cores = sum(_cores(contract) for contract in contracts)
    return max(1, math.ceil(cores / float(number(size.executor.cpu))))


def _cores(contract: Contract) -> float:
    """Cores for the queries of ``contract``; one where it tells no rate."""
    busy = running_cost(workload_of(contract), Engine.SPARK).cores
    return 1.0 if busy is None else busy / _UTILISATION
