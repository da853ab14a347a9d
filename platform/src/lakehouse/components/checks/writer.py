"""Whether the writer of a table runs, and does not fail again and again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from lakehouse.components.checks.check import Present, StreamCheck, Verdict, every
from lakehouse.contracts.duration import format_duration
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.model import Contract
from lakehouse.flink.status import JobState, JobStatus
from lakehouse.invocation import command
from lakehouse_spark.status import QueryState, QueryStatus

#: `lakehouse jobs start` waits three minutes; a busy machine may take a little longer.
_START_WITHIN = timedelta(minutes=5)


def log_of(contract: Contract) -> str:
    """The command that shows what the writer of the table says."""
    return command(f"logs {'flink-jobs' if contract.resolved_engine is Engine.FLINK else 'spark'}")


def _judge(contract: Contract, present: Present) -> Verdict | None:
    if contract.resolved_engine is Engine.FLINK:
        job = present.jobs.get(contract.table)
        # A job that is being started has done no wrong yet; why it could not be is an error.
        if job is None or (job.state is JobState.STARTING and job.error is None and not _starts_for_long(job)):
            return None
        return _of_job(contract, job)
    query = present.queries.get(contract.table)
    return None if query is None else _of_query(contract, query)


def _starts_for_long(job: JobStatus) -> bool:
    return job.starting_since is not None and datetime.now(UTC) - job.starting_since > _START_WITHIN


def _of_query(contract: Contract, query: QueryStatus) -> Verdict:
    down = query.failing or query.state is QueryState.STOPPED
    told = {"state": query.state.value, "last_error": query.error, "failed_at": query.failed_at}
    numbers = {"failures": query.failures, "late_rows": query.late_rows, "rows_per_second": query.rows_per_second}
    return _verdict(contract, "Spark query", down, query.failures, "in a row", told, numbers)


def _of_job(contract: Contract, job: JobStatus) -> Verdict:
    down = job.failing or job.state is JobState.STOPPED
    error = job.error
    if error is None and job.starting_since is not None:
        error = (
            f"it has been starting since {job.starting_since:%Y-%m-%d %H:%M} UTC, expected "
            f"{format_duration(_START_WITHIN)} at most: no slots are free, or nothing submits it"
        )
    told = {
        "state": job.state.value,
        "last_error": error,
        "failed_at": job.failed_at.isoformat() if job.failed_at else None,
    }
    numbers = {
        "failures": job.recent_failures,
        "restarts": job.restarts,
        "failed_checkpoints": job.failed_checkpoints,
    }
    return _verdict(contract, "Flink job", down, job.recent_failures, "within 15 minutes", told, numbers)


def _verdict(
    contract: Contract,
    writer: str,
    down: bool,
    failures: int,
    when: str,
    told: dict[str, str | None],
    numbers: Mapping[str, float | None],
) -> Verdict:
    limit = contract.checks.failures
    passed = not down and failures < limit
    text = (
        f"the {writer} is {told['state']}, and failed {failures} times {when}, expected running and fewer than {limit}"
    )
    if not passed:
        restart = command(f"jobs start {contract.table}") if writer == "Flink job" else command("up")
        next_step = f"Start it: {restart}" if told["state"] == "stopped" else f"See: {log_of(contract)}"
        error = f" Its last error: {told['last_error']}." if told["last_error"] else ""
        text += f" (`checks.failures`).{error} {next_step}"
    return Verdict(
        passed,
        text,
        {name: value for name, value in numbers.items() if value is not None},
        {name: dg.MetadataValue.text(value) for name, value in told.items() if value is not None},
        reason=f"{told['state']}: {told['last_error']}",
    )


WRITER_ALIVE = StreamCheck(
    "writer_alive",
    "The Spark query or Flink job runs: it was not stopped, and does not fail again and again.",
    every,
    _judge,
)
