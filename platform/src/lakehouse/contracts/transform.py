"""What makes the rows of a table that does not hold events as they came."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from lakehouse.contracts.duration import Duration
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.output import OutputMode
from lakehouse.contracts.part import MisplacedError, Part


class Transform(Part):
    """The code behind a table: one of the kinds below."""

    job: Annotated[str, Field(pattern=r"^[a-z]\w*(\.[a-z]\w*)*\.[A-Z]\w*$")] | None = Field(
        default=None, description="Class of a Flink job, as `io.lakehouse.flink.jobs.OrderMetricsJob`"
    )
    sql: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.sql$")] | None = Field(
        default=None, description="Flink SQL script, a file in streaming/flink/sql"
    )
    function: Annotated[str, Field(pattern=r"^[a-z]\w*(\.[a-z]\w*)*:[a-z]\w*$")] | None = Field(
        default=None, description="PySpark function, as `lakehouse_spark.transforms.order_metrics:order_metrics`"
    )
    window: Duration | None = Field(default=None, description="Length of the windows that a row sums up")
    slide: Duration | None = Field(
        default=None, description="For a function: how far apart the windows start; absent: they do not overlap"
    )
    gap: Duration | None = Field(
        default=None, description="For a function: a session's window ends this long after its last event"
    )
    mode: OutputMode | None = Field(
        default=None, description="For a function: what a batch does to the rows of the table; absent: append"
    )
    max_rows: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="For `mode: complete`: a result of more rows stops the query"
    )
    trigger: Duration | None = Field(
        default=None, description="For a function: how long events wait for a batch; absent: a sixth of the freshness"
    )
    generation: int = Field(
        default=1,
        ge=1,
        description="For a function: raised, the table is computed anew as far as its source reaches back",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Transform":
        given = [kind for kind, value in self.kinds.items() if value is not None]
        if len(given) != 1:
            listed = " and ".join(given) if given else "none"
            raise ValueError(f"expected one of {', '.join(self.kinds)}, got {listed}")
        if self.function is None:
            for field in ("slide", "gap", "mode", "max_rows", "trigger"):
                if getattr(self, field) is not None:
                    raise MisplacedError((field,), "goes with a function: drop it")
        if self.slide is not None and (self.window is None or self.slide > self.window):
            raise MisplacedError((), "slide has to be at most as long as window, or events would fall between windows")
        if self.gap is not None and self.window is not None:
            raise MisplacedError((), "gap and window exclude each other: a session has no fixed length")
        return self

    @property
    def kinds(self) -> dict[str, str | None]:
        """Each kind of code with what the contract gives for it."""
        return {"job": self.job, "sql": self.sql, "function": self.function}

    @property
    def engine(self) -> Engine:
        """The engine that the code is written for."""
        return Engine.FLINK if self.function is None else Engine.SPARK

    @property
    def output_mode(self) -> OutputMode:
        """What a batch does to the rows of the table."""
        return self.mode or OutputMode.APPEND

    @property
    def appends(self) -> bool:
        """Whether a row never changes once it is written. What a Flink job does with its rows is its own affair."""
        return self.function is not None and self.output_mode is OutputMode.APPEND

    @property
    def step(self) -> timedelta | None:
        """How long after one window the next is over; None without windows."""
        return self.slide or self.window or self.gap
