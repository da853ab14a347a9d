"""A backfill of many runs becomes one run of dbt.

`dagster job backfill` queues a run for each day, though each of them could compute all. The first to begin takes the
days of all that wait beside its own, and notes on their runs that it did; these then only report their day.
The pool of dbt's steps lets one of them in after the other. Where Spark computes some of the models a run has several
such steps, between which those of another run come in: so each step is noted by itself.
"""

from datetime import date, timedelta
from typing import cast

import dagster as dg
from dagster._core.execution.plan.step import ExecutionStep
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG

from lakehouse.components.daily import Days


def built_by_tag(step: str) -> str:
    """Of a run for whose ``step`` another run of its backfill has computed the day; its value is that run."""
    return f"lakehouse/built_by.{step}"


def built_by(context: dg.AssetExecutionContext) -> str | None:
    """The run of the same backfill that has computed the day of this one in this step; None when none has."""
    if context.run.parent_run_id:
        return None  # Somebody wants it made once more. The tag is a copy.
    # The tag came after the run was started.
    run = context.instance.get_run_by_id(context.run_id)
    return run.tags.get(built_by_tag(_step(context).key)) if run else None


def waiting_beside(context: dg.AssetExecutionContext) -> dict[date, dg.DagsterRun]:
    """The runs of the same backfill that wait for this step alone, by their day; none where this is no run of one.

    For the steps before it another run has computed their day. One that still has to do so itself is left to itself.
    """
    backfill = context.run.tags.get(BACKFILL_ID_TAG)
    if backfill is None or not context.has_partition_key:
        return {}
    runs = context.instance.get_runs(
        dg.RunsFilter(
            job_name=context.run.job_name, tags={BACKFILL_ID_TAG: backfill}, statuses=list(NOT_FINISHED_STATUSES)
        )
    )
    step = _step(context)
    wanted = {PARTITION_NAME_TAG, *map(built_by_tag, step.get_execution_dependency_keys())}
    return {
        date.fromisoformat(run.tags[PARTITION_NAME_TAG]): run
        for run in runs
        if run.run_id != context.run_id and wanted <= run.tags.keys() and built_by_tag(step.key) not in run.tags
    }


def joined(days: Days, waiting: dict[date, dg.DagsterRun]) -> Days:
    """``days`` and those before and after it that are ``waiting``, without a gap."""
    first, last = days.first, days.last
    while first - timedelta(days=1) in waiting:
        first -= timedelta(days=1)
    while last + timedelta(days=1) in waiting:
        last += timedelta(days=1)
    return Days(first, last)


def note_built(context: dg.AssetExecutionContext, days: Days, waiting: dict[date, dg.DagsterRun]) -> None:
    """Tells the runs ``waiting`` for one of ``days`` that this step of this one has computed it."""
    tags = {built_by_tag(_step(context).key): context.run_id}
    for day, run in waiting.items():
        if days.first <= day <= days.last:
            context.instance.add_run_tags(run.run_id, tags)


def _step(context: dg.AssetExecutionContext) -> ExecutionStep:
    return cast(ExecutionStep, context.get_step_execution_context().step)
