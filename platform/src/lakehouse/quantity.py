"""Quantities of cores and memory, as Kubernetes writes them: 500m, 2, 1Gi."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import Field

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
_DECIMAL = {"": "1", "m": "0.001", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"}
_BINARY = {f"{prefix}i": str(1024**power) for power, prefix in enumerate("KMGT", start=1)}
#: What a JVM's process takes outside of its heap, as a share of that: RocksDB, Arrow, Python.
_OVERHEAD = 0.4


def number(quantity: Quantity) -> Decimal:
    """``quantity`` as a number of cores or bytes."""
    digits, unit = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", quantity).groups()  # type: ignore[union-attr]  # the pattern
    return Decimal(digits) * Decimal({**_DECIMAL, **_BINARY}[unit])


def mebibytes(quantity: Quantity, share: float = 1.0) -> int:
    """That share of a quantity of memory in MiB, rounded down."""
    return int(number(quantity) * Decimal(str(share)) / 2**20)


def heap_mebibytes(memory: Quantity) -> int:
    """The heap of a Spark whose container has ``memory``, so that it and what lies outside of it fit in."""
    return mebibytes(memory, 1 / (1 + _OVERHEAD))


def whole_cores(cpu: Quantity) -> int:
    """Tasks at a time in a container that asks for ``cpu``."""
    return max(1, int(number(cpu)))
