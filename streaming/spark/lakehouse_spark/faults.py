"""Where tests have the application killed: between the commits of a batch, as a power failure would.

Off unless `LAKEHOUSE_SPARK_FAULT` names a point: `point:table:count`, at the count-th time that the query comes there.
"""

import os
import signal
from dataclasses import dataclass, field
from enum import StrEnum

from lakehouse.errors import LakehouseError


class FaultPoint(StrEnum):
    """The moments of a batch between which a crash leaves something half-done."""

    BEFORE_COMMIT = "before-commit"
    BETWEEN_COMMITS = "between-commits"
    #: Spark has not noted the batch as done in its checkpoint yet, and repeats it.
    AFTER_COMMIT = "after-commit"


@dataclass
class Faults:
    """The faults that ``wanted`` asks for in the query of ``table``. Raises LakehouseError when it cannot be read."""

    table: str
    wanted: str
    _times: dict[FaultPoint, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.wanted:
            _parsed(self.wanted)

    def reached(self, point: FaultPoint) -> None:
        """Kills the application, its JVM included, when this is the moment."""
        if not self.wanted:
            return
        self._times[point] = self._times.get(point, 0) + 1
        if _parsed(self.wanted) == (point, self.table, self._times[point]):
            os.killpg(0, signal.SIGKILL)


def _parsed(wanted: str) -> tuple[FaultPoint, str, int]:
    try:
        point, table, count = wanted.split(":")
        return FaultPoint(point), table, int(count)
    except ValueError:
        points = ", ".join(FaultPoint)
        raise LakehouseError(
            f"LAKEHOUSE_SPARK_FAULT={wanted!r} is no fault: expected point:table:count, as "
            f"after-commit:raw.orders:2. Points: {points}"
        ) from None
