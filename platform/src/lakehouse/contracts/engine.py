"""Which engine serves a latency contract."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Engine(StrEnum):
    """What writes a table."""

    DBT = "dbt"
    SPARK = "spark"
    FLINK = "flink"


@dataclass(frozen=True)
class Rule:
    """The ``engine`` for a freshness of at least ``slowest_from``, because of ``reason``."""

    slowest_from: timedelta
    engine: Engine
    reason: str


#: Ordered; the first rule whose bound the freshness reaches decides.
RULES = (
    Rule(timedelta(minutes=15, microseconds=1), Engine.DBT, "above 15 minutes a scheduled dbt model is enough"),
    Rule(timedelta(seconds=30), Engine.SPARK, "30 seconds to 15 minutes fit Spark's micro-batches"),
    Rule(timedelta(0), Engine.FLINK, "below 30 seconds a micro-batch comes too late"),
)


def deciding_rule(freshness: timedelta) -> Rule:
    """The rule that decides for ``freshness``."""
    return next(rule for rule in RULES if freshness >= rule.slowest_from)


def choose_engine(freshness: timedelta) -> Engine:
    """The engine that keeps ``freshness`` at the least cost."""
    return deciding_rule(freshness).engine
