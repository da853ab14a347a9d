"""The contract of one streaming table: the single source of truth that everything else derives from."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lakehouse.contracts.checks import Checks
from lakehouse.contracts.columns import (
    COORDINATES,
    IDENTIFIER,
    REJECTED,
    RESERVED,
    Column,
    StoredColumn,
    check_columns,
    check_reference,
    check_time_column,
    stored,
)
from lakehouse.contracts.duration import Duration
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.fit import decision_of
from lakehouse.contracts.maintenance import Maintenance
from lakehouse.contracts.output import check_output
from lakehouse.contracts.part import Location, MisplacedError, Part
from lakehouse.contracts.source import TABLE, KafkaSource, Topic
from lakehouse.contracts.transform import Transform
from lakehouse.contracts.workload import Circumstances

#: For the choice of an engine, for checks, for maintenance and for the catalogue.
_NOT_THE_WRITERS: dict[str, Any] = {
    **dict.fromkeys(("workload", "tolerance", "cluster_by", "maintenance", "checks", "replay_tolerance"), True),
    "columns": {"__all__": {"derived_from"}},
    "source": {"losses_acknowledged_until": True, "columns": {"__all__": {"derived_from"}}},
}


class OnInvalid(StrEnum):
    """What becomes of a row that the contract's columns cannot hold."""

    QUARANTINE = "quarantine"
    DROP = "drop"
    FAIL = "fail"


class EventTime(Part):
    """The column that says when an event happened, and how long a transform waits for events that come late."""

    column: Annotated[str, Field(pattern=IDENTIFIER, description="A required timestamp column of the table")]
    watermark: Duration | None = Field(
        default=None, description="How far events may be out of order. Flink job: 30 seconds by default"
    )
    allowed_lateness: Duration | None = Field(
        default=None,
        description="How long behind the watermark an event still corrects its window. Flink job: 1 minute by default",
    )
    idleness: Duration | None = Field(
        default=None,
        description="After how long without events a partition is not waited for. Flink job: 1 minute by default",
    )


class AlsoTo(Part):
    """Where the rows of a transform go besides the table."""

    topic: Topic


class Contract(Part):
    """One streaming table. Tables are named `schema.table`."""

    table: Annotated[str, Field(pattern=TABLE, description="schema.table, in lower case")]
    description: Annotated[str, Field(min_length=1, description="What one row is")]
    owner: Annotated[str, Field(min_length=1, description="Team or address that answers for the table")]
    freshness: Duration = Field(description="How soon after an event was produced a reader must see it")
    tolerance: Duration | None = Field(
        default=None,
        description="How long the freshness may be missed before the check `freshness` fails; absent: three times the "
        "freshness, at least a minute",
    )
    consumers: tuple[str, ...] = Field(default=(), description="Who reads the table")
    engine: Literal["auto", "spark", "flink"] = Field(default="auto", description="auto: chosen by the rules")
    workload: Circumstances | None = Field(
        default=None, description="What the rules for the engine also go by, besides freshness, source and consumers"
    )
    parallelism: int = Field(
        default=1,
        ge=1,
        description="Under Flink: subtasks of the job; more than the topic has partitions are of no use",
    )
    group: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] = Field(
        default="default", description="Spark application that runs the query; locally one runs all"
    )
    source: KafkaSource = Field(description="Where the events come from")
    transform: Transform | None = Field(
        default=None, description="What makes the rows; without one the table holds the events as they came"
    )
    columns: Annotated[tuple[Column, ...], Field(min_length=1, description="Fields of an event, or what is made of it")]
    event_time: EventTime = Field(description="When an event happened")
    keys: tuple[str, ...] = Field(default=(), description="Columns that identify the entity an event is about")
    partition_by: tuple[str, ...] = Field(default=(), description="Columns the table is partitioned by")
    cluster_by: tuple[str, ...] = Field(
        default=(),
        description="Columns by which maintenance sorts rows of files that it puts together; files have their bounds",
    )
    maintenance: Maintenance = Field(default=Maintenance(), description="How maintenance lays out the files")
    checks: Checks = Field(default=Checks(), description="From which values on Dagster's checks fail")
    on_invalid: OnInvalid = Field(default=OnInvalid.QUARANTINE, description="What becomes of invalid rows")
    late: Annotated[str, Field(pattern=TABLE)] | None = Field(
        default=None, description="Table of the events that come too late for a Flink job's windows"
    )
    also_to: AlsoTo | None = Field(default=None, description="Where the rows go besides, for a Flink transform")
    retention: Duration = Field(description="How long the table's history can be read back")
    replay_tolerance: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the rows that a replay may change and still be swapped in without being told to",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Contract":
        check_columns(self.columns, ("columns",))
        check_time_column(self.columns, self.event_time.column, ("event_time", "column"))
        listed_columns = {"keys": self.keys, "partition_by": self.partition_by, "cluster_by": self.cluster_by}
        for field, listed in listed_columns.items():
            for position, name in enumerate(listed):
                check_reference(self.columns, name, (field, position))
                if name in listed[:position]:
                    raise MisplacedError((field, position), f"column {name!r} is listed twice")
        for position, name in enumerate(self.cluster_by):
            if name in self.partition_by:
                raise MisplacedError(("cluster_by", position), f"column {name!r} is one of `partition_by` already")
        if self.transform is None:
            self._check_plain()
        else:
            self._check_transform(self.transform)
        return self

    def _check_plain(self) -> None:
        for position, column in enumerate(self.columns):
            if column.name in RESERVED:
                text = f"column {column.name!r} is added by the platform: choose another name"
                raise MisplacedError(("columns", position, "name"), text)
            if column.derived_from:
                text = "goes with a transform: a field of the events is what it is"
                raise MisplacedError(("columns", position, "derived_from"), text)
        if not self.source.fail_on_data_loss and self.on_invalid is not OnInvalid.QUARANTINE:
            raise MisplacedError(
                ("source", "fail_on_data_loss"),
                "false needs on_invalid: quarantine, where lost offsets are recorded",
            )
        if not self.source.fail_on_data_loss and self.resolved_engine is Engine.FLINK:
            raise MisplacedError(
                ("source", "fail_on_data_loss"),
                "has to be true under Flink, which records no lost offsets: set it, or `engine: spark`",
            )
        given: dict[Location, object] = {
            ("source", "table"): self.source.table,
            ("source", "columns_of"): self.source.columns_of,
            ("source", "columns"): self.source.columns,
            ("event_time", "watermark"): self.event_time.watermark,
            ("event_time", "allowed_lateness"): self.event_time.allowed_lateness,
            ("event_time", "idleness"): self.event_time.idleness,
            ("late",): self.late,
            ("also_to",): self.also_to,
        }
        for location, value in given.items():
            if value:
                raise MisplacedError(location, "goes with a transform: give one, or drop this")

    def _check_transform(self, transform: Transform) -> None:
        if self.source.table is not None and transform.function is None:
            raise MisplacedError(("source", "table"), "goes with a PySpark function: give a topic")
        if self.source.table is None and self.source.columns_of is None and not self.source.columns:
            raise MisplacedError(
                ("source", "columns_of"), "is missing: a transform has to know the fields of the events it reads"
            )
        if self.on_invalid is not OnInvalid.DROP:
            raise MisplacedError(
                ("on_invalid",),
                "has to be `drop` with a transform: the table that ingests the events keeps invalid ones",
            )
        if not self.source.fail_on_data_loss:
            raise MisplacedError(("source", "fail_on_data_loss"), "has to be true with a transform")
        if self.resolved_engine is not transform.engine:
            raise MisplacedError(
                ("engine",),
                f"{self.resolved_engine.value} cannot run this transform: set `engine: {transform.engine.value}`"
                + (", or make it a dbt model" if self.resolved_engine is Engine.DBT else ""),
            )
        for field, value in (("late", self.late), ("event_time.allowed_lateness", self.event_time.allowed_lateness)):
            if value is not None and transform.job is None:
                raise MisplacedError(
                    tuple(field.split(".")),
                    "needs a transform with a job: SQL and Spark drop what comes behind the watermark",
                )
        if transform.function is not None:
            check_output(self, transform)

    def column(self, name: str) -> Column:
        """The declared column ``name``; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def resolved_engine(self) -> Engine:
        """The engine that writes this table."""
        return decision_of(self).engine if self.engine == "auto" else Engine(self.engine)

    def writer_fields(self) -> dict[str, Any]:
        """What its writer goes by, as plain values: a change of anything else restarts nothing."""
        return self.model_dump(mode="json", exclude=_NOT_THE_WRITERS, exclude_none=True)

    @property
    def event_columns(self) -> tuple[Column, ...]:
        """The fields of an event, as it is read: those of the table, or those that a transform makes rows of."""
        return self.columns if self.transform is None else self.source.columns

    @property
    def rejected_table(self) -> str:
        """The quarantine table, `<table>_rejected`."""
        return f"{self.table}_rejected"

    @property
    def generation(self) -> int:
        """Which computation of the table the contract asks for; 1 where it asks for none."""
        return self.transform.generation if self.transform else 1

    def spark_checkpoint(self, generation: int) -> str:
        """The directory of a generation's Spark checkpoint, below the checkpoint root."""
        return self.table if generation == 1 else f"{self.table}.g{generation}"

    def stored_columns(self) -> tuple[StoredColumn, ...]:
        """Columns of the Delta table, in order: the declared ones, and the coordinates of a row that is an event."""
        return tuple(map(stored, self.columns)) + (COORDINATES if self.transform is None else ())

    def late_columns(self) -> tuple[StoredColumn, ...]:
        """Columns of the table of late events, in order: those of the events, then their coordinates."""
        return tuple(map(stored, self.source.columns)) + COORDINATES

    def rejected_columns(self) -> tuple[StoredColumn, ...]:
        """Columns of the quarantine table, in order."""
        return COORDINATES + REJECTED
