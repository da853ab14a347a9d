"""The checks `writer_alive` and `checkpoint_age`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.components.checks.conftest import tolerating

from lakehouse.components.checks.check import Present
from lakehouse.components.checks.checkpoint import CHECKPOINT_AGE
from lakehouse.components.checks.writer import WRITER_ALIVE
from lakehouse.contracts import Contract
from lakehouse.flink.status import JobState, JobStatus
from lakehouse_spark.status import QueryState, QueryStatus

METRICS = "streaming.order_metrics_5min"


def ago(**duration: float) -> datetime:
    return datetime.now(UTC) - timedelta(**duration)


@pytest.mark.parametrize(
    ("state", "failures", "passed"),
    [
        (JobState.RUNNING, 0, True),
        (JobState.RUNNING, 2, True),
        (JobState.RUNNING, 3, False),
        (JobState.RESTARTING, 1, False),
        (JobState.STOPPED, 0, False),
        (JobState.UNREACHABLE, 0, False),
    ],
)
def test_a_flink_job_has_to_run_and_not_to_fail_again_and_again(
    present: Callable[..., Present], metrics: Contract, state: JobState, failures: int, passed: bool
) -> None:
    job = JobStatus(METRICS, state, restarts=40, recent_failures=failures)
    verdict = WRITER_ALIVE.judge(metrics, present(jobs={METRICS: job}))
    assert verdict is not None
    assert verdict.passed is passed
    assert verdict.numbers["restarts"] == 40


def test_a_job_that_is_being_started_is_not_judged_until_it_could_not_be(
    present: Callable[..., Present], metrics: Contract
) -> None:
    assert WRITER_ALIVE.judge(metrics, present(jobs={METRICS: JobStatus(METRICS, JobState.STARTING)})) is None
    refused = JobStatus(METRICS, JobState.STARTING, error="no slot is free")
    verdict = WRITER_ALIVE.judge(metrics, present(jobs={METRICS: refused}))
    assert verdict is not None
    assert not verdict.passed
    assert "Its last error: no slot is free. See: " in verdict.text


@pytest.mark.parametrize(("minutes", "judged"), [(4, False), (6, True)])
def test_a_job_that_starts_for_long_has_failed(
    present: Callable[..., Present], metrics: Contract, minutes: int, judged: bool
) -> None:
    since = ago(minutes=minutes)
    # The JobManager was killed, which forgets its jobs, and so was the keeper, which would submit them again.
    job = JobStatus(METRICS, JobState.STARTING, starting_since=since)
    verdict = WRITER_ALIVE.judge(metrics, present(jobs={METRICS: job}))
    assert (verdict is not None) is judged
    if verdict is not None:
        assert not verdict.passed
        assert f"starting since {since:%Y-%m-%d %H:%M} UTC, expected 5 minutes at most" in verdict.text


def test_a_stopped_job_names_the_command_that_starts_it(present: Callable[..., Present], metrics: Contract) -> None:
    verdict = WRITER_ALIVE.judge(metrics, present(jobs={METRICS: JobStatus(METRICS, JobState.STOPPED)}))
    assert verdict is not None
    assert verdict.text.endswith(f"lakehouse jobs start {METRICS}")


def test_another_number_of_failures_is_no_other_reason(present: Callable[..., Present], orders: Contract) -> None:
    query = QueryStatus("raw.orders", QueryState.FAILED, error="disk full", failed_at=ago(seconds=1).isoformat())
    reasons = set()
    for failures in (1, 7):
        failed = {"raw.orders": QueryStatus(**{**vars(query), "failures": failures})}
        verdict = WRITER_ALIVE.judge(orders, present(queries=failed))
        assert verdict is not None
        reasons.add(verdict.reason)
    assert reasons == {"failed: disk full"}


@pytest.mark.parametrize(("age", "passed"), [(30, True), (299, True), (301, False)])
def test_a_flink_job_has_to_have_made_a_checkpoint(
    present: Callable[..., Present], metrics: Contract, age: int, passed: bool
) -> None:
    job = JobStatus(METRICS, JobState.RUNNING, checkpoint=5, checkpoint_at=ago(seconds=age))
    verdict = CHECKPOINT_AGE.judge(metrics, present(jobs={METRICS: job}))
    assert verdict is not None
    assert verdict.passed is passed
    assert verdict.numbers["checkpoint_age_seconds"] == pytest.approx(age, abs=5)


@pytest.mark.parametrize(("age", "passed"), [(299, True), (301, False)])
def test_a_flink_job_that_never_completes_a_checkpoint_is_judged_from_its_submission(
    present: Callable[..., Present], metrics: Contract, age: int, passed: bool
) -> None:
    job = JobStatus(METRICS, JobState.RUNNING, submitted_at=ago(seconds=age), failed_checkpoints=500)
    verdict = CHECKPOINT_AGE.judge(metrics, present(jobs={METRICS: job}))
    assert verdict is not None
    assert verdict.passed is passed
    assert "no checkpoint was completed since the job was submitted, which is" in verdict.text


def test_a_spark_query_owes_a_checkpoint_only_while_there_is_something_to_read(
    present: Callable[..., Present], orders: Contract
) -> None:
    strict = tolerating(orders, checkpoint_age="2 minutes")
    query = {"raw.orders": QueryStatus("raw.orders", QueryState.RUNNING, batch_at=ago(hours=1).isoformat())}
    idle = CHECKPOINT_AGE.judge(strict, present(queries=query, lags={"raw.orders": 0}))
    stuck = CHECKPOINT_AGE.judge(strict, present(queries=query, lags={"raw.orders": 1}))
    assert idle is not None
    assert idle.passed
    assert stuck is not None
    assert not stuck.passed
    assert "the last checkpoint is 3,600 s old, expected at most 2 minutes (`checks.checkpoint_age`)" in stuck.text
