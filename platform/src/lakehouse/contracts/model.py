"""The contract of one streaming table: the single source of truth that everything else derives from."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lakehouse.contracts.columns import COORDINATES, IDENTIFIER, REJECTED, RESERVED, Column, StoredColumn
from lakehouse.contracts.duration import Duration
from lakehouse.contracts.engine import Engine, choose_engine

_TABLE = r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"


class OnInvalid(StrEnum):
    """What becomes of a row that the contract's columns cannot hold."""

    QUARANTINE = "quarantine"
    DROP = "drop"
    FAIL = "fail"


class MisplacedError(ValueError):
    """Two parts of a contract disagree; ``location`` says where to mend it, as pydantic's own locations do."""

    def __init__(self, location: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.location = location


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSource(_Part):
    """The topic a table is fed from."""

    topic: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$", description="Kafka topic")]
    format: Literal["json"] = Field(default="json", description="One JSON object a message")
    starting_offsets: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where a table without a checkpoint starts"
    )
    max_offsets_per_trigger: int = Field(default=100_000, ge=1, description="Most events in one micro-batch")
    fail_on_data_loss: bool = Field(
        default=True,
        description="Stop when events are gone before they were read, expired or with a topic that was created again; "
        "false: go on, and record what is gone in quarantine",
    )


class EventTime(_Part):
    """The column that says when an event happened."""

    column: Annotated[str, Field(pattern=IDENTIFIER, description="A required timestamp column")]


class Contract(_Part):
    """One streaming table. Tables are named `schema.table`."""

    table: Annotated[str, Field(pattern=_TABLE, description="schema.table, in lower case")]
    description: Annotated[str, Field(min_length=1, description="What one row is")]
    owner: Annotated[str, Field(min_length=1, description="Team or address that answers for the table")]
    freshness: Duration = Field(description="How soon after an event was produced a reader must see it")
    consumers: tuple[str, ...] = Field(default=(), description="Who reads the table")
    engine: Literal["auto", "spark", "flink"] = Field(default="auto", description="auto: chosen from the freshness")
    source: KafkaSource = Field(description="Where the events come from")
    columns: Annotated[tuple[Column, ...], Field(min_length=1, description="Fields of an event")]
    event_time: EventTime = Field(description="When an event happened")
    keys: tuple[str, ...] = Field(default=(), description="Columns that identify the entity an event is about")
    partition_by: tuple[str, ...] = Field(default=(), description="Columns the table is partitioned by")
    on_invalid: OnInvalid = Field(default=OnInvalid.QUARANTINE, description="What becomes of invalid rows")
    retention: Duration = Field(description="How long the table's history can be read back")

    @model_validator(mode="after")
    def _consistent(self) -> "Contract":
        names = [column.name for column in self.columns]
        for position, name in enumerate(names):
            if name in names[:position]:
                raise MisplacedError(("columns", position, "name"), f"column {name!r} is declared twice")
            if name in RESERVED:
                raise MisplacedError(
                    ("columns", position, "name"), f"column {name!r} is added by the platform: choose another name"
                )
        if not self.source.fail_on_data_loss and self.on_invalid is not OnInvalid.QUARANTINE:
            raise MisplacedError(
                ("source", "fail_on_data_loss"),
                "false needs on_invalid: quarantine, where lost offsets are recorded",
            )
        references: list[tuple[tuple[str | int, ...], str]] = [
            *((("keys", position), name) for position, name in enumerate(self.keys)),
            *((("partition_by", position), name) for position, name in enumerate(self.partition_by)),
            (("event_time", "column"), self.event_time.column),
            *((("columns", i, "default_from"), c.default_from) for i, c in enumerate(self.columns) if c.default_from),
        ]
        for location, name in references:
            if name not in names:
                raise MisplacedError(location, f"{name!r} is no column. Columns: {', '.join(names)}")
        for field, listed in (("keys", self.keys), ("partition_by", self.partition_by)):
            for position, name in enumerate(listed):
                if name in listed[:position]:
                    raise MisplacedError((field, position), f"column {name!r} is listed twice")
        event_time = self.column(self.event_time.column)
        if event_time.type != "timestamp" or not event_time.required:
            raise MisplacedError(
                ("event_time", "column"), f"{event_time.name!r} has to be a required column of type timestamp"
            )
        for position, column in enumerate(self.columns):
            self._check_default_from(position, column)
        return self

    def _check_default_from(self, position: int, column: Column) -> None:
        location = ("columns", position, "default_from")
        passed, following = [column.name], column.default_from
        while following is not None:
            if following in passed:
                chain = " → ".join([*passed, following])
                raise MisplacedError(location, f"column {column.name!r} would be copied from itself: {chain}")
            passed.append(following)
            following = self.column(following).default_from
        if column.default_from and self.column(column.default_from).type != column.type:
            raise MisplacedError(location, f"column {column.name!r} and {column.default_from!r} differ in type")

    def column(self, name: str) -> Column:
        """The declared column ``name``; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def resolved_engine(self) -> Engine:
        """The engine that writes this table."""
        return choose_engine(self.freshness) if self.engine == "auto" else Engine(self.engine)

    @property
    def rejected_table(self) -> str:
        """The quarantine table, `<table>_rejected`."""
        return f"{self.table}_rejected"

    def stored_columns(self) -> tuple[StoredColumn, ...]:
        """Columns of the Delta table, in order: the declared ones, then the Kafka coordinates."""
        declared = tuple(
            StoredColumn(name=c.name, type=c.type, nullable=not c.required, description=c.description, pii=c.pii)
            for c in self.columns
        )
        return declared + COORDINATES

    def rejected_columns(self) -> tuple[StoredColumn, ...]:
        """Columns of the quarantine table, in order."""
        return COORDINATES + REJECTED
