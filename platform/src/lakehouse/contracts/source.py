"""Where the events of a table come from."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from lakehouse.contracts.columns import IDENTIFIER, Column, check_columns, check_time_column
from lakehouse.contracts.part import MisplacedError, Part

TABLE = r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"
Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$", description="Kafka topic")]

#: A batch costs seconds whatever is in it: of five times the events, the backlog's reader sees two thirds of that less.
_CATCH_UP = 5


class KafkaSource(Part):
    """The topic a table is fed from, by itself or through another table."""

    topic: Topic = ""
    table: Annotated[str, Field(pattern=TABLE)] | None = Field(
        default=None,
        description="For a PySpark transform, in place of a topic: an append-only table, whose rows are the "
        "events. Its change feed is read",
    )
    format: Literal["json"] = Field(default="json", description="One JSON object a message")
    columns_of: Annotated[str, Field(pattern=TABLE)] | None = Field(
        default=None,
        description="For a transform: the table whose contract declares the fields of the events, and their time",
    )
    columns: tuple[Column, ...] = Field(
        default=(), description="For a transform: the fields of the events, where no other contract declares them"
    )
    event_time: Annotated[str, Field(pattern=IDENTIFIER)] | None = Field(
        default=None, description="Of these columns the one that says when an event happened"
    )
    starting_offsets: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where a table without a checkpoint starts"
    )
    max_offsets_per_trigger: int = Field(
        default=100_000,
        ge=1,
        description="Of a topic: so many events start a micro-batch at once; fewer wait a while for more",
    )
    catch_up_offsets_per_trigger: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Most events in one micro-batch, which is what a backlog is read by; absent: five times as many as "
        "start one. A batch is held in memory and on the local disk. Of a table, about so many are read each "
        "`transform.trigger`, in whole commits",
    )
    fail_on_data_loss: bool = Field(
        default=True,
        description="Stop when events are gone before they were read, expired or with a topic that was created again; "
        "false: go on, and record what is gone in quarantine",
    )
    losses_acknowledged_until: AwareDatetime | None = Field(
        default=None,
        description="Losses that quarantine recorded up to this moment are known and dealt with: Dagster's check "
        "`no_events_lost` passes over them, and fails at the next. As `2026-11-20T10:00:00Z`",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "KafkaSource":
        check_columns(self.columns, ("columns",))
        if not self.topic and self.table is None:
            raise MisplacedError(("topic",), "is missing: give the topic that the events come from")
        if self.largest_batch < self.max_offsets_per_trigger:
            raise MisplacedError(
                ("catch_up_offsets_per_trigger",),
                f"is below max_offsets_per_trigger, {self.max_offsets_per_trigger}: a full batch would not fit",
            )
        if self.table is not None and self.columns_of is not None:
            raise MisplacedError(("columns_of",), "goes with a topic: a table has columns of its own")
        if self.columns_of is None and bool(self.columns) != (self.event_time is not None):
            raise MisplacedError(
                ("event_time" if self.event_time else "columns",),
                "columns and event_time go together: give both, or name a contract that has them in columns_of",
            )
        if self.columns and self.event_time is not None:
            check_time_column(self.columns, self.event_time, ("event_time",))
        return self

    @property
    def largest_batch(self) -> int:
        """Most events in one micro-batch."""
        return self.catch_up_offsets_per_trigger or self.max_offsets_per_trigger * _CATCH_UP

    @property
    def origin(self) -> str:
        """The table or the topic that the events are read from."""
        return self.table or self.topic
