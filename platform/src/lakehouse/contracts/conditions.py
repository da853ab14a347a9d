"""What a rule may ask of a workload. Conditions are data: held against it, read out, and searched for bounds."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from lakehouse.contracts.duration import format_duration
from lakehouse.contracts.trigger import BATCHES_PER_FRESHNESS, trigger_for
from lakehouse.contracts.workload import Workload


class Condition(Protocol):
    """Something that holds of a workload or does not; as text, as a rule says it."""

    def holds(self, workload: Workload) -> bool: ...


@dataclass(frozen=True)
class FresherThan:
    """A freshness below ``bound``, which is not included."""

    bound: timedelta

    def holds(self, workload: Workload) -> bool:
        return workload.freshness < self.bound

    def __str__(self) -> str:
        return f"freshness below {format_duration(self.bound)}"


@dataclass(frozen=True)
class FreshWithin:
    """A freshness of ``bound`` or below."""

    bound: timedelta

    def holds(self, workload: Workload) -> bool:
        return workload.freshness <= self.bound

    def __str__(self) -> str:
        return f"freshness up to {format_duration(self.bound)}"


@dataclass(frozen=True)
class TriggerBelow:
    """Micro-batches more often than every ``bound``: asked for, or since Spark's runner keeps the freshness so."""

    bound: timedelta

    def holds(self, workload: Workload) -> bool:
        return trigger_for(workload.freshness, workload.trigger) < self.bound

    def __str__(self) -> str:
        fresh = format_duration(self.bound * BATCHES_PER_FRESHNESS)
        return f"trigger below {format_duration(self.bound)}; where none is set, freshness below {fresh}"


@dataclass(frozen=True)
class More:
    """A ``field``, known, above ``bound``."""

    field: str
    bound: int

    def holds(self, workload: Workload) -> bool:
        value = getattr(workload, self.field)
        return value is not None and value > self.bound

    def __str__(self) -> str:
        return f"{self.field.replace('_', ' ')} above {self.bound:,}"


@dataclass(frozen=True)
class AtLeast:
    """A ``field``, known, of ``bound`` or above."""

    field: str
    bound: int

    def holds(self, workload: Workload) -> bool:
        value = getattr(workload, self.field)
        return value is not None and value >= self.bound

    def __str__(self) -> str:
        return f"{self.field.replace('_', ' ')} from {self.bound:,} on"


@dataclass(frozen=True)
class Has:
    """One of ``values`` is the ``field``, or among what it holds."""

    field: str
    values: tuple[StrEnum, ...]

    def holds(self, workload: Workload) -> bool:
        return not _given(workload, self.field).isdisjoint(self.values)

    def __str__(self) -> str:
        return f"{self.field}: {' or '.join(self.values)}"


@dataclass(frozen=True)
class Lacks:
    """The ``field`` was answered, and none of ``values`` is among it."""

    field: str
    values: tuple[StrEnum, ...]

    def holds(self, workload: Workload) -> bool:
        given = _given(workload, self.field)
        return bool(given) and given.isdisjoint(self.values)

    def __str__(self) -> str:
        return f"{self.field} without {' or '.join(self.values)}"


@dataclass(frozen=True)
class Only:
    """The ``field`` was answered, by nothing but ``values``."""

    field: str
    values: tuple[StrEnum, ...]

    def holds(self, workload: Workload) -> bool:
        given = _given(workload, self.field)
        return bool(given) and given.issubset(self.values)

    def __str__(self) -> str:
        return f"{self.field}: {' or '.join(self.values)} alone"


def _given(workload: Workload, field: str) -> frozenset[StrEnum]:
    value = getattr(workload, field)
    if value is None:
        return frozenset()
    return value if isinstance(value, frozenset) else frozenset({value})
