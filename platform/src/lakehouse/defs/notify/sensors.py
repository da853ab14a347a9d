"""The sensors that tell people of failures and recoveries, over the ways of LAKEHOUSE_NOTIFY_*."""

import dagster as dg

from lakehouse.components.memory import remember, remembered
from lakehouse.components.notifications import changed_checks, failed_run, recovered_job, tell_changes
from lakehouse.notify.notification import NotifyError
from lakehouse.notify.sinks import configured_sinks, notify
from lakehouse.settings import load_settings

_ON = dg.DefaultSensorStatus.RUNNING
_EVERY_SECONDS = 30
_CHECKS = "notify_checks"


@dg.run_failure_sensor(
    default_status=_ON,
    minimum_interval_seconds=_EVERY_SECONDS,
    description="Tells of each run that failed and is not tried again.",
)
def notify_run_failures(context: dg.RunFailureSensorContext) -> None:
    """The reason is that of the first step that failed, else that of the run."""
    settings = load_settings()
    steps = [event.event_specific_data for event in context.get_step_failure_events()]
    errors = [error.to_string() for step in steps if (error := getattr(step, "error", None))]
    told = failed_run(settings, context.dagster_run, (errors or [context.failure_event.message or ""])[0])
    if told:
        notify(configured_sinks(settings), told)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=_ON,
    minimum_interval_seconds=_EVERY_SECONDS,
    description="Tells when a job that had failed succeeds.",
)
def notify_run_recoveries(context: dg.RunStatusSensorContext) -> None:
    """Nothing of a job that had not."""
    settings = load_settings()
    if told := recovered_job(settings, context.instance, context.dagster_run):
        notify(configured_sinks(settings), told)


@dg.sensor(
    default_status=_ON,
    minimum_interval_seconds=_EVERY_SECONDS,
    description="Tells when an asset check begins to fail, and when it passes again.",
)
def notify_checks(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """It remembers of each way the checks that were told to fail. What one cannot tell now is told at a later tick."""
    settings = load_settings()
    keys = list(context.repository_def.asset_graph.asset_check_keys) if context.repository_def else []
    latest = context.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    before = remembered(context.instance, _CHECKS) or {}
    now, problems = {}, []
    for sink in configured_sinks(settings):
        failing = set(before.get(sink.name, []))
        problems += tell_changes(sink, changed_checks(settings, latest.values(), failing), failing)
        now[sink.name] = sorted(failing)
    remember(context.instance, _CHECKS, now)
    if problems:
        raise NotifyError("\n".join(problems))
    return dg.SkipReason("; ".join(f"{way}: {len(failing)} told to fail" for way, failing in now.items()))


@dg.definitions
def notifications() -> dg.Definitions:
    """The three."""
    return dg.Definitions(sensors=[notify_run_failures, notify_run_recoveries, notify_checks])
