"""What there is before anything is done, as a plan has to know it. `look` finds it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.contracts import Engine
from lakehouse.plan.steps import Changed
from lakehouse.storage.create import Comparison


@dataclass(frozen=True)
class FoundTable:
    """A Delta table that exists: how it stands to its contract, its rows, the time of the newest one."""

    comparison: Comparison
    rows: int
    newest: datetime | None


@dataclass(frozen=True)
class Topic:
    """Offsets that the broker holds, by partition, and since when they are all there; None: from the beginning on."""

    beginning: Mapping[int, int]
    end: Mapping[int, int]
    complete_from: datetime | None = None


@dataclass(frozen=True)
class Writer:
    """A writer at work. ``fields`` are the contract that it works by, ``current`` says whether nothing of it changed.

    That may be its code too, so that it is not enough to compare fields.
    """

    fields: Mapping[str, Any]
    current: bool


@dataclass(frozen=True)
class Found:
    """What there is of one contract.

    ``tables`` has each declared table by name, None where it does not exist. ``progress`` are the engines that have a
    checkpoint or a running job of it, ``writers`` what each of these is at; ``noted`` is the contract that an engine
    last worked by. ``following`` is where the table's own rows end, by partition; ``topic`` None where no broker tells,
    and ``topic_missing`` where it says that there is none. ``refusals`` say why a writer would not start, ``replays``
    whether Spark's would compute anew; ``checkpoint`` is how the contract differs from what its checkpoint was
    made with. ``stopped`` by hand, a job stays so.
    """

    tables: Mapping[str, FoundTable | None]
    progress: frozenset[Engine] = frozenset()
    writers: Mapping[Engine, Writer] = field(default_factory=dict)
    noted: Mapping[Engine, Mapping[str, Any]] = field(default_factory=dict)
    following: Mapping[int, int] = field(default_factory=dict)
    topic: Topic | None = None
    topic_missing: bool = False
    refusals: tuple[str, ...] = ()
    replays: bool = False
    checkpoint: tuple[Changed, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Stack:
    """What runs: whether the stack does at all, and which engines are ready to take a contract."""

    runs: bool
    engines: frozenset[Engine] = frozenset()
