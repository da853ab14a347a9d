"""From which values on Dagster's checks of a table fail."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from lakehouse.contracts.duration import Duration, format_duration
from lakehouse.contracts.part import Part

#: A row waits for a commit: so many of them, at least so long, may be missed before that is a failure.
_COMMITS_MISSED, _SHORTEST_SILENCE = 10, timedelta(minutes=5)
#: Commits within the freshness that was promised, see lakehouse.flink.spec; Spark's default trigger is the same.
_COMMITS_PER_FRESHNESS = 6


class Checks(Part):
    """What is tolerated of a table besides its `tolerance`."""

    consumer_lag: int = Field(
        default=100_000, ge=1, description="`consumer_lag`: so many events that the writer has still to read"
    )
    quarantine_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.01, description="`quarantine_ratio`: this share of the last hour's events is invalid"
    )
    late_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.01, description="`late_ratio`: this share of the last hour's events came too late for its window"
    )
    checkpoint_age: Duration | None = Field(
        default=None,
        description="`checkpoint_age`: so long since the writer's last checkpoint; absent: "
        f"{_COMMITS_MISSED} sixths of the freshness or triggers, at least {format_duration(_SHORTEST_SILENCE)}",
    )
    failures: int = Field(
        default=3,
        ge=1,
        description="`writer_alive`: the writer failed so often, a Flink job within 15 minutes, a Spark query in a row",
    )


def oldest_checkpoint(checks: Checks, freshness: timedelta, trigger: timedelta | None) -> timedelta:
    """How old the writer's last checkpoint may be, of a table of that ``freshness`` and ``trigger``."""
    interval = trigger or freshness / _COMMITS_PER_FRESHNESS
    return checks.checkpoint_age or max(_COMMITS_MISSED * interval, _SHORTEST_SILENCE)
