"""How old the writer's last checkpoint is: rows become visible with one, and a restart repeats all work since."""

from datetime import UTC, datetime

from lakehouse.components.checks.check import Present, StreamCheck, Verdict, every
from lakehouse.components.checks.lag import lag_of
from lakehouse.components.checks.writer import log_of
from lakehouse.contracts.checks import oldest_checkpoint
from lakehouse.contracts.duration import format_duration
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.model import Contract
from lakehouse.invocation import command


def _judge(contract: Contract, present: Present) -> Verdict | None:
    made_at, last = _made_at(contract, present)
    if made_at is None:
        return None
    age = max((datetime.now(UTC) - made_at).total_seconds(), 0.0)
    trigger = contract.transform.trigger if contract.transform else None
    allowed = oldest_checkpoint(contract.checks, contract.freshness, trigger)
    passed = age <= allowed.total_seconds()
    text = f"{last} is {age:,.0f} s old, expected at most {format_duration(allowed)}"
    if not passed:
        text += (
            " (`checks.checkpoint_age`): nothing has become visible since. See what the writer does: "
            f"{command('status')}, {log_of(contract)}"
        )
    return Verdict(
        passed, text, {"checkpoint_age_seconds": round(age, 3), "checkpoint_age_limit": allowed.total_seconds()}
    )


def _made_at(contract: Contract, present: Present) -> tuple[datetime | None, str]:
    """When the writer made its last checkpoint, None where nobody knows, and how that moment is called."""
    last = "the last checkpoint"
    if contract.resolved_engine is Engine.FLINK:
        job = present.jobs.get(contract.table)
        if job is not None and job.checkpoint_at is None:
            # It is as far back as it was then, however many of its checkpoints have failed since.
            return job.submitted_at, "no checkpoint was completed since the job was submitted, which"
        return job.checkpoint_at if job else None, last
    query, lag = present.queries.get(contract.table), lag_of(contract, present)
    if query is None or query.batch_at is None or lag is None:
        return None, last
    # Spark makes one with each batch, and no batch where there is nothing to read: the last one is as good as new.
    return datetime.fromisoformat(query.batch_at) if lag else datetime.now(UTC), last


CHECKPOINT_AGE = StreamCheck(
    "checkpoint_age", "The writer's last checkpoint is no older than the contract tolerates.", every, _judge
)
