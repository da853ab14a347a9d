"""Runs of one backfill between whose steps those of other runs come in: of each step a day is computed once."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG
from dagster._core.test_utils import create_run_for_test

from lakehouse.components.backfill import built_by, built_by_tag, joined, note_built, waiting_beside
from lakehouse.components.daily import asked_days

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
BACKFILL = {BACKFILL_ID_TAG: "abc"}


def queue(instance: dg.DagsterInstance, day: str, **tags: str) -> dg.DagsterRun:
    """A run of the backfill that waits."""
    return create_run_for_test(instance, job_name="backfill", tags={**BACKFILL, PARTITION_NAME_TAG: day, **tags})


def compute(context: dg.AssetExecutionContext) -> str:
    """What a step does of it: the days that it computes, or the run that has computed that of this one."""
    if built := built_by(context):
        return built
    days = asked_days(context)
    assert days
    waiting = waiting_beside(context)
    days = joined(days, waiting)
    note_built(context, days, waiting)
    return f"{days.first:%d}-{days.last:%d}"


@dg.asset(partitions_def=DAYS)
def first(context: dg.AssetExecutionContext) -> str:
    """Another run is queued while this one is between its steps."""
    done = compute(context)
    queue(context.instance, "2026-01-04")
    return done


@dg.asset(partitions_def=DAYS, deps=[first])
def second(context: dg.AssetExecutionContext) -> str:
    """Follows."""
    return compute(context)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: dg.DagsterInstance, tags: dict[str, str]) -> list[object]:
    """What both steps of a run have done."""
    job = dg.Definitions([first, second], jobs=[dg.define_asset_job("backfill", [first, second])])
    done = job.resolve_job_def("backfill").execute_in_process(instance=instance, tags=tags)
    return [done.output_for_node("first"), done.output_for_node("second")]


def tags_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str]:
    return dict(instance.get_runs(dg.RunsFilter([run.run_id]))[0].tags)


def test_each_step_takes_the_days_of_those_who_wait_for_it(instance: dg.DagsterInstance) -> None:
    waiting = queue(instance, "2026-01-03")
    # The fourth was queued after the first step: its own first step has still to compute that day for the second.
    assert run(instance, {**BACKFILL, PARTITION_NAME_TAG: "2026-01-02"}) == ["02-03", "02-03"]
    assert {built_by_tag("first"), built_by_tag("second")} <= tags_of(instance, waiting).keys()


def test_a_run_whose_first_step_another_has_done_is_left_its_second(instance: dg.DagsterInstance) -> None:
    other = "of another run"
    tags = {**BACKFILL, PARTITION_NAME_TAG: "2026-01-02", built_by_tag("first"): other}
    also = queue(instance, "2026-01-03", **{built_by_tag("first"): other})
    done = queue(instance, "2026-01-01", **{built_by_tag("first"): other, built_by_tag("second"): other})
    assert run(instance, tags) == [other, "02-03"]
    assert tags_of(instance, also)[built_by_tag("second")]
    assert tags_of(instance, done)[built_by_tag("second")] == other
