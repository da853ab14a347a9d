"""The job that stops and starts the writers of streaming tables, and the sensor that starts what has died.

Dagster is the parent of none of them: it asks the Flink cluster and the supervisor, which own them.
"""

from datetime import UTC, datetime
from enum import Enum

import dagster as dg
from dagster._core.storage.tags import MAX_RETRIES_TAG
from pydantic import Field

from lakehouse.components.dead_programs import MOST, revive
from lakehouse.components.memory import remember, remembered
from lakehouse.contracts import Engine
from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.local.job_control import (
    start_application,
    start_flink_job,
    stop_application,
    stop_flink_job,
    tables_by_engine,
)
from lakehouse.local.supervisor import Supervisor
from lakehouse.local.upgrade import upgrade
from lakehouse.settings import Settings, load_settings

_DEAD = "dead_streaming_programs"


class DeadProgramError(LakehouseError):
    """A program was started again often enough, and is dead all the same."""


class Action(Enum):
    """What can be done. A Flink job is stopped with a savepoint, and goes on from it; behind an upgrade by its contract
    as that is now.
    """

    # A run's configuration names them as they are named here.
    start = "start"
    stop = "stop"
    restart = "restart"
    upgrade = "upgrade"


class StreamingJobs(dg.Config):
    """``tables``: as `schema.table`, all where none is named. Spark's are named together or not at all."""

    action: Action
    tables: list[str] = Field(default_factory=list)


@dg.op(pool="streaming_jobs", description="Stops with a savepoint, starts, restarts or upgrades the writers of tables.")
def control_streaming_jobs(context: dg.OpExecutionContext, config: StreamingJobs) -> None:
    """Tells in its log what was done. Fails with the first that cannot be done, and names it."""
    settings = load_settings()
    try:
        if config.action is Action.upgrade:
            for told in upgrade(settings, config.tables):
                context.log.info("%s", told)
            return
        tables = tables_by_engine(settings, config.tables)
        if config.action is not Action.start:
            _stop(context, settings, tables)
        if config.action is not Action.stop:
            _start(context, settings, tables)
    except LakehouseError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _stop(context: dg.OpExecutionContext, settings: Settings, tables: dict[Engine, list[str]]) -> None:
    for table in tables.get(Engine.FLINK, []):
        savepoint = stop_flink_job(settings, table)
        context.log.info("%s is stopped%s", table, f" with {savepoint}" if savepoint else "")
    if queries := tables.get(Engine.SPARK):
        stop_application(settings)
        context.log.info("Spark's application is stopped: %s", ", ".join(queries))


def _start(context: dg.OpExecutionContext, settings: Settings, tables: dict[Engine, list[str]]) -> None:
    if queries := tables.get(Engine.SPARK):
        pid = start_application(settings)
        context.log.info("Spark's application runs, process %d: %s", pid, ", ".join(queries))
    for table in tables.get(Engine.FLINK, []):
        context.log.info("%s is running, job %s", table, start_flink_job(settings, table).job_id)


@dg.job(
    name="streaming_jobs",
    executor_def=dg.in_process_executor,
    description="Stops with a savepoint, starts, restarts or upgrades the writers of streaming tables.",
    # Half of it may be done: whoever asked for it looks first.
    tags={MAX_RETRIES_TAG: "0"},
)
def streaming_jobs() -> None:
    """See ``control_streaming_jobs``."""
    control_streaming_jobs()


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
    description="Starts programs of Spark and Flink that the supervisor has given up; fails where that does not help.",
)
def dead_streaming_programs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """It remembers when what was started. Without a local supervisor it has nothing to do."""
    stored = remembered(context.instance, _DEAD) or {}
    before = {name: list(map(datetime.fromisoformat, moments)) for name, moments in stored.items()}
    revived = revive(Supervisor(load_settings()), before, datetime.now(UTC))
    moments = {name: [at.isoformat() for at in starts] for name, starts in revived.revivals.items()}
    remember(context.instance, _DEAD, moments)
    if revived.hopeless:
        told = "; ".join(f"{name} ({why})" for name, why in revived.hopeless.items())
        raise DeadProgramError(
            f"started {MOST} times within an hour and dead again: {told}. Nothing writes their tables. "
            f"See {command(f'logs {next(iter(revived.hopeless))}')}, mend the cause, and start them: {command('up')}"
        )
    return dg.SkipReason(f"started again: {', '.join(revived.started)}" if revived.started else "nothing was given up")


@dg.definitions
def streaming_job_control() -> dg.Definitions:
    """The job and the sensor. Neither on Kubernetes, where the operators own the writers."""
    if load_settings().dagster_steps == "pods":
        return dg.Definitions()
    return dg.Definitions(jobs=[streaming_jobs], sensors=[dead_streaming_programs])
