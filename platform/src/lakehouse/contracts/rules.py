"""The rules that choose an engine by the latency contract, and the red flags against each engine. All of it is data.

The first rule of `RULES` that holds decides. Their order is a promise: with everything else the same, a looser
freshness never moves a table to a faster engine. So rules that ask for no freshness stand where every rule before them
has an engine at least as fast, and every rule behind them one at most as fast.
"""

from dataclasses import dataclass
from datetime import timedelta

from lakehouse.contracts.conditions import (
    AtLeast,
    Condition,
    FresherThan,
    FreshWithin,
    Has,
    Lacks,
    More,
    Only,
    TriggerBelow,
)
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.workload import Budget, Consumer, Infrastructure, Need, Skill, SourceKind

_SECONDS, _HALF_MINUTE, _QUARTER_HOUR = timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=15)
_MANY_ROWS, _MANY_EVENTS = 100_000_000, 1_000_000

_DESIGN = "Rule of thumb"
_FLINK = "Flink documentation"
_SPARK = "Structured Streaming guide"
_DBT = "dbt documentation"


@dataclass(frozen=True)
class Rule:
    """``engine``, where all of ``when`` holds and no rule before did.

    ``example`` is a table it is made for, ``source`` where it comes from. Where no rule of thumb speaks, ``firm`` is
    False: another engine in a contract is then an opinion, not a misfit.
    """

    name: str
    engine: Engine
    when: tuple[Condition, ...]
    text: str
    example: str
    source: str
    firm: bool = True

    def __str__(self) -> str:
        return f"{self.name} → {self.engine}: {self.text}"


@dataclass(frozen=True)
class RedFlag:
    """Something that speaks against each of ``engines``, whatever rule chose it."""

    name: str
    engines: tuple[Engine, ...]
    when: Condition
    text: str
    source: str


RULES = (
    Rule(
        "seconds", Engine.FLINK, (FresherThan(_SECONDS),),
        "below 10 seconds micro-batches come too late: Flink takes events as they arrive, and commits each second",
        "order metrics on a screen, 5 seconds after the order",
        f"{_DESIGN}: Flink below 10 s",
    ),
    Rule(
        "event-patterns", Engine.FLINK, (Has("needs", (Need.EVENT_PATTERNS,)),),
        "patterns over the events of one entity need state that each event moves, and timers",
        "three small payments of one card, directly followed by a large one",
        f"{_DESIGN}: CEP; {_FLINK}: MATCH_RECOGNIZE",
    ),
    Rule(
        "event-time", Engine.FLINK, (Has("needs", (Need.EVENT_TIME,)),),
        "precise event time needs a watermark for each partition, idleness, and late events that correct a window",
        "billing by the hour, of devices that send late",
        f"{_DESIGN}: true event time with precise watermark control; {_FLINK}: Generating Watermarks",
    ),
    Rule(
        "joins", Engine.FLINK, (Has("needs", (Need.STREAM_JOIN, Need.TEMPORAL_JOIN)),),
        "streams joined with streams, or with how a table was at the time, keep state for every event on both sides",
        "an order with its customer, as they were when it was placed",
        f"{_DESIGN}: stream-stream joins, temporal lookups; {_FLINK}: Joins",
    ),
    Rule(
        "iteration", Engine.FLINK, (Has("needs", (Need.ITERATION,)),),
        "graphs and iteration feed results back as they come",
        "accounts connected by payments, kept up to date",
        f"{_DESIGN}: iterative graph work",
    ),
    Rule(
        "exactly-once-end-to-end", Engine.FLINK, (Has("needs", (Need.EXACTLY_ONCE_END_TO_END,)),),
        "exactly once into topics that others read takes transactions: Flink's Kafka sink has them, Spark's has not",
        "payments that another system takes from a topic",
        f"{_DESIGN}: exactly-once end to end a hard requirement; {_FLINK}: Kafka sink, exactly once",
    ),
    Rule(
        "million-events", Engine.FLINK, (More("events_per_second", _MANY_EVENTS),),
        "above a million events a second of one job, what an event costs decides",
        "clicks of a large site",
        f"{_DESIGN}: above 1 M events/s a job",
    ),
    Rule(
        "between-reactions", Engine.FLINK,
        (FresherThan(_HALF_MINUTE), Has("consumers", (Consumer.ALERTING, Consumer.REACTIONS))),
        "between 10 and 30 seconds no rule of thumb speaks; whoever acts on an event gains by each second",
        "an alert on a failing payment provider, within 20 seconds",
        "The needs decide",
        firm=False,
    ),
    Rule(
        "between-flink-runs", Engine.FLINK,
        (
            FresherThan(_HALF_MINUTE),
            Has("infrastructure", (Infrastructure.FLINK,)),
            Lacks("infrastructure", (Infrastructure.SPARK,)),
        ),
        "between 10 and 30 seconds no rule of thumb speaks; Flink runs already and Spark does not",
        "one more table of a team on Flink",
        "The needs decide",
        firm=False,
    ),
    Rule(
        "between", Engine.SPARK, (FresherThan(_HALF_MINUTE),),
        "between 10 and 30 seconds no rule of thumb speaks; nothing here asks for more than short micro-batches",
        "a screen in a warehouse, 20 seconds behind",
        "The needs decide",
        firm=False,
    ),
    Rule(
        "windows", Engine.SPARK, (FreshWithin(_QUARTER_HOUR), Has("needs", (Need.WINDOWS,))),
        "from 30 seconds to 15 minutes windows with a watermark fit micro-batches",
        "orders by status in windows of 5 minutes, a minute old",
        f"{_DESIGN}: windowed aggregation that tolerates micro-batches; {_SPARK}: Window Operations on Event Time",
    ),
    Rule(
        "exactly-once", Engine.SPARK, (FreshWithin(_QUARTER_HOUR), Has("needs", (Need.EXACTLY_ONCE,))),
        "from 30 seconds to 15 minutes micro-batches write a table exactly once, with the batch id in the commit",
        "payments in a table, once each, a minute old",
        f"{_DESIGN}: exactly-once without sub-second latency; {_SPARK}: Fault Tolerance Semantics",
    ),
    Rule(
        "micro-batches", Engine.SPARK, (FreshWithin(_QUARTER_HOUR),),
        "from 30 seconds to 15 minutes micro-batches are fresh enough, and easier to operate than Flink",
        "order events as rows, a minute old",
        f"{_DESIGN}: Spark from 30 s to 15 min",
    ),
    Rule(
        "change-log", Engine.SPARK, (Has("source", (SourceKind.CDC,)),),
        "a change log has to be followed in order and without a gap, by a stream, however old its readers let it be",
        "the shop's orders from Debezium, each morning",
        f"{_DESIGN}: a CDC source goes Debezium → Kafka → streaming",
    ),
    Rule(
        "topics", Engine.SPARK, (Has("source", (SourceKind.KAFKA, SourceKind.KINESIS)),),
        "dbt reads tables and no topics: rare, large micro-batches land the topic, and dbt models follow that table",
        "a topic that is looked at once a day",
        f"{_DESIGN}: dbt's source is a database or a warehouse",
    ),
    Rule(
        "single-events", Engine.SPARK, (Has("consumers", (Consumer.REACTIONS,)),),
        "a reaction to single events needs each of them once, as a stream gives it; a model shows what is left of them",
        "a letter to whoever cancels an order",
        f"{_DESIGN}: red flag for dbt: reaction to individual events",
    ),
    Rule(
        "large-runs", Engine.SPARK, (AtLeast("rows_per_run", _MANY_ROWS),),
        "from 100 M rows a run on one machine with DuckDB is too small",
        "a year of clicks, counted anew every night",
        f"{_DESIGN}: dbt below 100 M rows a run",
    ),
    Rule(
        "databases", Engine.DBT, (Has("source", (SourceKind.DATABASE, SourceKind.WAREHOUSE)),),
        "above 15 minutes tables that queries can read need no stream: a scheduled model is enough",
        "customers from the shop's Postgres, every half hour",
        f"{_DESIGN}: dbt above 15 minutes, from a database or warehouse",
    ),
    Rule(
        "reprocessing", Engine.DBT, (Has("needs", (Need.REPROCESSING,)),),
        "above 15 minutes all of history with an evolving schema is a full refresh of a model",
        "revenue by a definition that changes each quarter",
        f"{_DESIGN}: full historical reprocessing with schema evolution; {_DBT}: on_schema_change",
    ),
    Rule(
        "reporting", Engine.DBT, (Only("consumers", (Consumer.BI, Consumer.ANALYSTS)),),
        "above 15 minutes reports and analysts are served by a scheduled model",
        "the daily revenue",
        f"{_DESIGN}: dbt for BI tools, dashboards of the day, analysts",
    ),
    Rule(
        "scheduled", Engine.DBT, (),
        "above 15 minutes a scheduled model is enough",
        "stock at the end of each hour",
        f"{_DESIGN}: dbt above 15 minutes",
    ),
)  # fmt: skip

RED_FLAGS = (
    RedFlag(
        "change-log", (Engine.DBT,), Has("source", (SourceKind.CDC,)),
        "a change log is no table: take it through Debezium and Kafka into a stream, and model that table",
        f"{_DESIGN}: CDC source",
    ),
    RedFlag(
        "minutes", (Engine.DBT,), FresherThan(timedelta(minutes=5)),
        "below 5 minutes, and such wishes only fall, runs of a scheduled model overtake one another",
        f"{_DESIGN}: freshness below 5 minutes and falling",
    ),
    RedFlag(
        "single-events", (Engine.DBT,), Has("consumers", (Consumer.REACTIONS,)),
        "a model shows what is left of events when it runs, not each of them",
        f"{_DESIGN}: reaction to individual events",
    ),
    RedFlag(
        "no-sql", (Engine.DBT,), Lacks("team", (Skill.SQL,)),
        "models are SQL, and the team has not run any: they have to be learned first",
        f"{_DESIGN}: dbt where the team is SQL-fluent",
    ),
    RedFlag(
        "no-stream", (Engine.SPARK, Engine.FLINK), Has("source", (SourceKind.DATABASE, SourceKind.WAREHOUSE)),
        "a table that is queried is no stream: capture its changes (Debezium → Kafka), or allow 15 minutes for dbt",
        f"{_DESIGN}: dbt's sources; Debezium for CDC",
    ),
    RedFlag(
        "short-trigger", (Engine.SPARK,), TriggerBelow(_SECONDS),
        "with a batch more often than every 10 seconds, what each costs whatever is in it becomes most of the work",
        f"{_DESIGN}: trigger below 10 s",
    ),
    RedFlag(
        "event-patterns", (Engine.SPARK,), Has("needs", (Need.EVENT_PATTERNS,)),
        "Spark has no pattern matching: it would be state handled by hand",
        f"{_DESIGN}: complex event patterns",
    ),
    RedFlag(
        "no-spark", (Engine.SPARK,), Lacks("infrastructure", (Infrastructure.SPARK,)),
        "Spark does not run here yet: it has to be set up and looked after",
        f"{_DESIGN}: no Spark infrastructure",
    ),
    RedFlag(
        "no-pyspark", (Engine.SPARK,), Lacks("team", (Skill.PYSPARK, Skill.JVM)),
        "the team has run neither PySpark nor another streaming system: batches, state and watermarks are new to it",
        f"{_DESIGN}: Spark where the team knows PySpark",
    ),
    RedFlag(
        "no-jvm", (Engine.FLINK,), Lacks("team", (Skill.JVM,)),
        "the team never ran a JVM streaming system: state, savepoints and upgrades have to be learned first",
        f"{_DESIGN}: team never ran a JVM streaming system",
    ),
    RedFlag(
        "reporting-only", (Engine.FLINK,), Only("consumers", (Consumer.BI, Consumer.ANALYSTS)),
        "nobody but BI and analysts reads it, and they do not act within seconds: ask whether minutes would do",
        f"{_DESIGN}: analytics and reporting only",
    ),
    RedFlag(
        "tight-budget", (Engine.FLINK,), Has("budget", (Budget.TIGHT,)),
        "a cluster that always runs, and the people who know it, do not fit a tight budget",
        f"{_DESIGN}: tight budget",
    ),
)  # fmt: skip
