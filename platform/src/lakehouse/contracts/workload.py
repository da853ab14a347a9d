"""What the choice of an engine goes by. All but the freshness may be unknown: of that no rule is then reminded."""

from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import Field, PlainSerializer

from lakehouse.contracts.duration import Duration
from lakehouse.contracts.part import Part


class SourceKind(StrEnum):
    """Where the rows come from."""

    DATABASE = "database"
    WAREHOUSE = "warehouse"
    KAFKA = "kafka"
    KINESIS = "kinesis"
    TABLE_CHANGES = "table-changes"
    CDC = "cdc"


class Consumer(StrEnum):
    """Who reads the table."""

    BI = "bi"
    ANALYSTS = "analysts"
    DASHBOARDS = "dashboards"
    ALERTING = "alerting"
    REACTIONS = "reactions"
    OTHER = "other"


class Skill(StrEnum):
    """What the team has run in production."""

    SQL = "sql"
    PYSPARK = "pyspark"
    JVM = "jvm"


class Infrastructure(StrEnum):
    """What runs already; ``none`` is another answer than no answer."""

    NONE = "none"
    DBT = "dbt"
    SPARK = "spark"
    FLINK = "flink"


class Need(StrEnum):
    """What has to be computed, or promised."""

    WINDOWS = "windows"
    EVENT_TIME = "event-time"
    EVENT_PATTERNS = "event-patterns"
    STREAM_JOIN = "stream-join"
    TEMPORAL_JOIN = "temporal-join"
    ITERATION = "iteration"
    EXACTLY_ONCE = "exactly-once"
    EXACTLY_ONCE_END_TO_END = "exactly-once-end-to-end"
    REPROCESSING = "reprocessing"


class Budget(StrEnum):
    """What running it may cost, people included."""

    TIGHT = "tight"
    NORMAL = "normal"
    AMPLE = "ample"


#: The inputs of a `Workload` that take answers of a list.
ANSWERS: dict[str, type[StrEnum]] = {
    "source": SourceKind,
    "consumers": Consumer,
    "needs": Need,
    "team": Skill,
    "infrastructure": Infrastructure,
    "budget": Budget,
}

#: What each answer means, for questions and reference; one entry a member of the enums above.
MEANINGS: dict[StrEnum, str] = {
    SourceKind.DATABASE: "a relational database, read by queries",
    SourceKind.WAREHOUSE: "tables of a warehouse or of this lakehouse, read by queries",
    SourceKind.KAFKA: "a Kafka topic",
    SourceKind.KINESIS: "a Kinesis stream",
    SourceKind.TABLE_CHANGES: "the change feed of a Delta or Iceberg table",
    SourceKind.CDC: "the change log of a database, row by row",
    Consumer.BI: "BI tools, dashboards of the day",
    Consumer.ANALYSTS: "people with SQL",
    Consumer.DASHBOARDS: "screens that are watched while things happen",
    Consumer.ALERTING: "alerts on what the table says",
    Consumer.REACTIONS: "something that acts on each single event",
    Consumer.OTHER: "readers that no rule speaks of, as other tables",
    Skill.SQL: "SQL and dbt",
    Skill.PYSPARK: "PySpark",
    Skill.JVM: "a JVM streaming system, as Flink or Kafka Streams",
    Infrastructure.NONE: "nothing of these",
    Infrastructure.DBT: "scheduled dbt",
    Infrastructure.SPARK: "Spark",
    Infrastructure.FLINK: "Flink",
    Need.WINDOWS: "windowed aggregation that tolerates micro-batches",
    Need.EVENT_TIME: "true event time with precise control of the watermark",
    Need.EVENT_PATTERNS: "complex event patterns (CEP)",
    Need.STREAM_JOIN: "joins of one stream with another",
    Need.TEMPORAL_JOIN: "lookups of how something was when the event happened",
    Need.ITERATION: "graphs, iterative computation",
    Need.EXACTLY_ONCE: "each event exactly once in the table",
    Need.EXACTLY_ONCE_END_TO_END: "exactly once, topics that others read included, as a hard requirement",
    Need.REPROCESSING: "all of history computed again, with a schema that evolves",
    Budget.TIGHT: "as little as can be",
    Budget.NORMAL: "what it is worth",
    Budget.AMPLE: "the result matters more than its cost",
}


_Answer = TypeVar("_Answer", bound=StrEnum)
#: Written in the order of the alphabet, or one contract would be told in many ways.
_Set = Annotated[frozenset[_Answer], PlainSerializer(sorted, return_type=list[str])]


class Circumstances(Part):
    """What a contract cannot tell by its other fields."""

    team: _Set[Skill] = Field(default=frozenset(), description="What the team has run in production")
    infrastructure: _Set[Infrastructure] = Field(default=frozenset(), description="What runs already")
    needs: _Set[Need] = Field(default=frozenset(), description="What has to be computed, or promised")
    rows_per_run: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Rows that a scheduled run would go through"
    )
    events_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Events a second, of one job"
    )
    budget: Budget = Field(default=Budget.NORMAL, description="What running it may cost, people included")


class Workload(Circumstances):
    """Everything that the rules ask about a table."""

    freshness: Duration = Field(description="How soon after an event was produced a reader must see it")
    source: SourceKind | None = Field(default=None, description="Where the rows come from")
    consumers: _Set[Consumer] = Field(default=frozenset(), description="Who reads the table")
    trigger: Duration | None = Field(default=None, description="How long events wait for a micro-batch, where set")
