"""The steps of a plan, as data. What decides on them is `decide`; what shows them, `text`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from lakehouse.contracts import Engine


@dataclass(frozen=True)
class Step:
    """One thing to do for the contract of ``table``. ``kind`` names it for scripts."""

    table: str
    kind: ClassVar[str]

    @property
    def changes(self) -> bool:
        """Whether an apply does anything for it."""
        return True

    @property
    def destructive(self) -> bool:
        """Whether it ends or replaces what somebody may still want: an apply asks first."""
        return False

    @property
    def runs(self) -> Engine | None:
        """The engine that is to be at work for it, if one is."""
        return None


@dataclass(frozen=True)
class Changed:
    """A field of a contract, as the writer runs with it and as it is now. None stands for a field that is not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Position:
    """Where a writer begins: partition of ``topic`` → offset, empty where the contract's `starting_offsets` decide.

    ``waiting`` counts the events behind it that the topic holds already, None where the broker does not tell.
    """

    topic: str
    offsets: Mapping[int, int] = field(default_factory=dict)
    waiting: int | None = None


@dataclass(frozen=True)
class CreateTopic(Step):
    """``topic`` is missing on the broker."""

    kind = "create_topic"
    topic: str


@dataclass(frozen=True)
class CreateTable(Step):
    """The Delta table ``name`` is missing."""

    kind = "create_table"
    name: str
    columns: int


@dataclass(frozen=True)
class AddColumns(Step):
    """Optional columns of the Delta table ``name``, name → type. The rows there are have no value for them."""

    kind = "add_columns"
    name: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class SetProperties(Step):
    """Properties of the Delta table ``name``, with their new values."""

    kind = "set_properties"
    name: str
    properties: Mapping[str, str]


@dataclass(frozen=True)
class Start(Step):
    """Nothing writes the table: ``engine`` begins, or goes on where its checkpoint stands when ``at`` is None."""

    kind = "start"
    engine: Engine
    at: Position | None

    @property
    def runs(self) -> Engine:
        return self.engine


@dataclass(frozen=True)
class Restart(Step):
    """The writer stops and goes on from its checkpoint as the contract is now; no ``fields`` where its code changed."""

    kind = "restart"
    engine: Engine
    fields: tuple[Changed, ...]

    @property
    def runs(self) -> Engine:
        return self.engine


@dataclass(frozen=True)
class Move(Step):
    """``before`` stops after its last commit, and ``after`` begins at the offsets behind it. The table stays."""

    kind = "move"
    before: Engine
    after: Engine
    fields: tuple[Changed, ...]
    at: Position | None

    @property
    def runs(self) -> Engine:
        return self.after


@dataclass(frozen=True)
class Replay(Step):
    """A new checkpoint: rows that the source can still tell are deleted, and computed anew from its beginning.

    ``rows`` are what the table holds, ``newest`` the time of the last; those since ``since`` are replaced, all of them
    where that is None. ``events`` are what is read again. None stands for what the broker does not tell. ``now`` is
    false while nothing runs: then the next start does it.
    """

    kind = "replay"
    generation: int
    rows: int
    since: datetime | None
    newest: datetime | None
    events: int | None
    fields: tuple[Changed, ...]
    now: bool

    @property
    def changes(self) -> bool:
        return self.now

    @property
    def destructive(self) -> bool:
        return self.now

    @property
    def runs(self) -> Engine:
        return Engine.SPARK


@dataclass(frozen=True)
class End(Step):
    """No contract declares the table any more: its writer ends. The table stays, with its ``rows``."""

    kind = "end"
    engine: Engine
    rows: int | None

    @property
    def destructive(self) -> bool:
        return True


@dataclass(frozen=True)
class NextStart(Step):
    """Nothing runs that would have to be changed: ``fields`` count from the writer's next start."""

    kind = "next_start"
    engine: Engine
    fields: tuple[Changed, ...]

    @property
    def changes(self) -> bool:
        return False


@dataclass(frozen=True)
class Refuse(Step):
    """What the contract asks for cannot be had from here. ``reason`` ends with the ways on."""

    kind = "refuse"
    reason: str

    @property
    def changes(self) -> bool:
        return False


@dataclass(frozen=True)
class Plan:
    """All steps, in the order of the tables. ``interrupted`` says that an apply was killed before it was done.

    ``carried`` are tables whose Spark query restarts because another has to: one application runs the queries.
    ``unread`` says that the programs go by other contracts than there are now, in whatever: Dagster shows all of them.
    """

    steps: tuple[Step, ...]
    carried: tuple[str, ...] = ()
    interrupted: bool = False
    unread: bool = False

    @property
    def refused(self) -> tuple[Refuse, ...]:
        return tuple(step for step in self.steps if isinstance(step, Refuse))

    @property
    def changes(self) -> bool:
        """Whether there is anything to be done."""
        return self.interrupted or self.unread or any(step.changes for step in self.steps)

    @property
    def destructive(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.destructive)

    @property
    def engines(self) -> frozenset[Engine]:
        """The engines that are to be at work once it is done."""
        return frozenset(step.runs for step in self.steps if step.runs is not None)
