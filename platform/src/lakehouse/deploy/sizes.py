"""How much of an engine contracts need. The rates are measured, the formulas those of `lakehouse.contracts.cost`."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal

from lakehouse.contracts import Contract, Engine
from lakehouse.contracts.cost import running_cost
from lakehouse.contracts.fit import workload_of
from lakehouse.deploy.values import SparkSize

#: A stream that is behind has to catch up while new events come: half of what there is stays free.
_UTILISATION = 0.5
_DECIMAL = {"": "1", "m": "0.001", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"}
_BINARY = {f"{prefix}i": str(1024**power) for power, prefix in enumerate("KMGT", start=1)}


def number(quantity: str) -> Decimal:
    """A quantity of Kubernetes, such as 500m or 2Gi, as a number of cores or bytes."""
    digits, unit = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", quantity).groups()  # type: ignore[union-attr]  # values.Quantity
    return Decimal(digits) * Decimal({**_DECIMAL, **_BINARY}[unit])


def mebibytes(quantity: str, share: float = 1.0) -> int:
    """That share of a quantity of memory in MiB, rounded down."""
    return int(number(quantity) * Decimal(str(share)) / 2**20)


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
