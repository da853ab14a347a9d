"""The job that keeps Dagster's event log short, each night."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from lakehouse.settings import load_settings
from lakehouse.storage.catalog import Catalog


class PruningConfig(dg.Config):
    """``days``: so long events are kept; those of LAKEHOUSE_EVENT_RETENTION_DAYS where none are given."""

    days: int | None = None


@dg.op(pool="maintenance", description="Deletes what sensors told of tables longer ago than it is kept.")
def prune_event_log(context: dg.OpExecutionContext, config: PruningConfig) -> None:
    """Of each table and check the newest event stays. Events of runs are left alone."""
    # Brings SQLAlchemy and Alembic, which no other definition needs: a quarter of a second of each start.
    from lakehouse.components.pruning import prune_events

    settings = load_settings()
    days = config.days or settings.event_retention_days
    tables = [dg.AssetKey(name.split(".")) for name in Catalog.from_settings(settings).names()]
    pruned = prune_events(context.instance, tables, datetime.now(UTC) - timedelta(days=days))
    context.log.info("Deleted %d events and %d checks that are older than %d days", pruned.events, pruned.checks, days)
    context.add_output_metadata({"deleted_events": pruned.events, "deleted_checks": pruned.checks, "days": days})


@dg.job(
    name="event_log_pruning",
    executor_def=dg.in_process_executor,
    description="Keeps Dagster's event log from growing without end: sensors tell every version of every table.",
)
def event_log_pruning_job() -> None:
    """See ``prune_event_log``."""
    prune_event_log()


@dg.definitions
def event_log() -> dg.Definitions:
    """The job and its nightly schedule."""
    nightly = dg.ScheduleDefinition(
        name="event_log_pruning_nightly",
        job=event_log_pruning_job,
        cron_schedule="30 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(jobs=[event_log_pruning_job], schedules=[nightly])
