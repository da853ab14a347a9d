"""What Dagster tells people: runs that failed and jobs that work again, checks that fail and pass again."""

import time
from collections.abc import Iterable, Mapping

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    WILL_RETRY_TAG,
)

from lakehouse.components.daily import INCREMENT_TAG
from lakehouse.notify.notification import Kind, Notification, NotifyError, Sink
from lakehouse.settings import Settings

_DAYS = (PARTITION_NAME_TAG, ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
#: Metadata of checks of dbt's and ours that say what is wrong and what to do, when there is no description.
_SHOWN_VALUES = 6
#: A sensor's tick has a minute, and one try over a way that does not answer may take half of it.
_BEGUN_WITHIN_SECONDS = 10.0


def failed_run(settings: Settings, run: dg.DagsterRun, error: str) -> Notification | None:
    """What is told of a run that failed; None where Dagster tries it again by itself."""
    if _is_retried(run):
        return None
    return Notification(Kind.FAILING, f"run of {_job(run)}", error.strip(), _run_link(settings, run))


def recovered_job(settings: Settings, instance: dg.DagsterInstance, run: dg.DagsterRun) -> Notification | None:
    """What is told of a run that succeeded: something where the last before it that was to do the same failed."""
    ended = instance.get_runs(dg.RunsFilter(job_name=run.job_name, statuses=_ENDED), limit=50)
    same = [other for other in ended if _work(other) == _work(run) and not _is_retried(other)]
    ids = [other.run_id for other in same]
    before = same[ids.index(run.run_id) + 1 :] if run.run_id in ids else []
    if not before or before[0].status is dg.DagsterRunStatus.SUCCESS:
        return None
    return Notification(
        Kind.RECOVERED, f"run of {_job(run)}", f"It had failed in run {before[0].run_id}.", _run_link(settings, run)
    )


def changed_checks(
    settings: Settings, latest: Iterable[AssetCheckExecutionRecord], failing: set[str]
) -> dict[str, Notification]:
    """What is to be told of checks, by their names, whose ``latest`` result is another than ``failing`` says."""
    changed = {}
    for record in latest:
        if record.status is AssetCheckExecutionRecordStatus.PLANNED:
            continue  # Its run has still to say, or has failed, which is told of the run.
        evaluation = record.event and record.event.asset_check_evaluation
        if not evaluation:
            continue
        name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
        ignored = evaluation.severity is dg.AssetCheckSeverity.WARN and settings.notify_severity == "error"
        fails = not evaluation.passed and not ignored
        if fails == (name in failing):
            continue
        changed[name] = Notification(
            Kind.FAILING if fails else Kind.RECOVERED,
            f"check {evaluation.check_name} of {evaluation.asset_key.to_user_string()}",
            _reason(evaluation) if fails else "",
            f"{settings.dagster_url}/assets/{'/'.join(evaluation.asset_key.path)}?view=checks"
            f"&checkDetail={evaluation.check_name}",
        )
    return changed


def tell_changes(sink: Sink, changed: Mapping[str, Notification], failing: set[str]) -> list[str]:
    """Sends each of ``changed`` over one way, and brings ``failing`` up to date with what got through.

    Returns why others did not: those are still changed when this is asked the next time.
    """
    begun, problems = time.monotonic(), list[str]()
    for done, (name, notification) in enumerate(changed.items()):
        if problems and time.monotonic() - begun > _BEGUN_WITHIN_SECONDS:
            problems.append(f"{len(changed) - done} more wait for {sink.name} to answer")
            break
        try:
            sink.send(notification)
        except NotifyError as error:
            problems.append(str(error))
        else:
            failing ^= {name}
    return problems


def _reason(evaluation: dg.AssetCheckEvaluation) -> str:
    values: Mapping[str, dg.MetadataValue] = evaluation.metadata
    shown = [
        f"{name}: {value.value}" for name, value in list(values.items())[:_SHOWN_VALUES] if value.value is not None
    ]
    return "\n".join([*([evaluation.description] if evaluation.description else []), *shown])


def _work(run: dg.DagsterRun) -> object:
    """What the run was to do, besides its job: another day's success mends nothing, nor does a start a failed stop."""
    days = tuple(run.tags.get(tag) for tag in _DAYS)
    # An increment takes in what changed on any day, and its tags say only when it was.
    return run.asset_selection, run.asset_check_selection, run.run_config, None if INCREMENT_TAG in run.tags else days


def _is_retried(run: dg.DagsterRun) -> bool:
    return run.tags.get(WILL_RETRY_TAG) == "true"


def _job(run: dg.DagsterRun) -> str:
    if not run.asset_selection:
        return str(run.job_name)
    return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))


def _run_link(settings: Settings, run: dg.DagsterRun) -> str:
    return f"{settings.dagster_url}/runs/{run.run_id}"
