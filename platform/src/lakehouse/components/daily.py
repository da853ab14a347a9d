"""Models by the day: which of dbt's models they are, and which days a run of Dagster asks for.

A model is daily when dbt is told its `event_time`, with a `batch_size` of a day and a `begin`: dbt's own words for
microbatch models. A run of a day, or of a range of days, is a backfill: dbt gets `--event-time-start` and
`--event-time-end`. Every other run is an increment, which takes in what changed, on whichever day.
See docs/decisions/0017-backfills-and-increments.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, cast

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG, PARTITION_NAME_TAG

#: Of runs that take in what changed. Dagster knows no run of a partitioned asset without a partition, so they go by the
#: day on which they were asked for.
INCREMENT_TAG = "lakehouse/increment"
#: An increment takes a minute. One that hangs would keep the others from the pool for as long as Dagster lets it.
INCREMENT_TAGS = {INCREMENT_TAG: "true", MAX_RUNTIME_SECONDS_TAG: "3600"}


@dataclass(frozen=True)
class Days:
    """From ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def arguments(self) -> list[str]:
        """What dbt is told of them."""
        after = self.last + timedelta(days=1)
        return ["--event-time-start", self.first.isoformat(), "--event-time-end", after.isoformat()]


def daily_partitions(node: Mapping[str, Any]) -> dg.DailyPartitionsDefinition | None:
    """The days of dbt's ``node``, from its `begin` to today, UTC; None for a model that is not daily."""
    config = node["config"]
    if not config.get("event_time") or config.get("batch_size") != "day" or not config.get("begin"):
        return None
    return _days_from(date.fromisoformat(str(config["begin"])[:10]))


@cache
def _days_from(begin: date) -> dg.DailyPartitionsDefinition:
    # A day is there from its first moment, and not only when it is over.
    return dg.DailyPartitionsDefinition(start_date=begin.isoformat(), end_offset=1)


def increment_tags(now: datetime) -> dict[str, str]:
    """The tags of an increment that is asked for ``now``."""
    return {PARTITION_NAME_TAG: now.astimezone(UTC).date().isoformat(), **INCREMENT_TAGS}


def ensure_day(context: dg.AssetExecutionContext) -> None:
    """Makes a run that was launched without a day an increment of today, which Dagster then shows it as.

    Without a partition Dagster would look in vain for that of what is upstream, and fail the run after dbt's.
    """
    if not context.has_partition_key and not context.has_partition_key_range:
        # A limit that the run was given stays.
        tags = {**increment_tags(datetime.now(UTC)), **context.run.tags}
        context.instance.add_run_tags(context.run_id, tags)
        # The copy that this process goes by.
        cast(dict[str, str], context.run.tags).update(tags)


def asked_days(context: dg.AssetExecutionContext) -> Days | None:
    """The days that a run is to compute anew; None for an increment."""
    if INCREMENT_TAG in context.run.tags:
        return None
    asked = context.partition_key_range
    return Days(date.fromisoformat(asked.start), date.fromisoformat(asked.end))
