"""Evaluations of checks as Dagster takes them: those that are worth an event, and those that a run asked for.

An event costs 3 KB, and a sensor looks every few seconds.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence

import dagster as dg

#: Numbers are plotted by the hour; what is decided by them is told at once.
_AT_LEAST_EVERY_SECONDS = 3600.0


def news(
    evaluated: Iterable[tuple[dg.AssetCheckEvaluation, str]], cursor: str | None
) -> tuple[Sequence[dg.AssetCheckEvaluation], str]:
    """Those evaluations whose outcome or reason ``cursor`` does not hold, or holds for an hour; and the next cursor.

    What could not be evaluated this time stays in the cursor: it is no news when it is the same afterwards.
    """
    told = json.loads(cursor) if cursor else {}
    now, events = time.time(), []
    for evaluation, reason in evaluated:
        name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
        outcome = [evaluation.passed, reason]
        before = told.get(name)
        # A cursor of an earlier release holds lists.
        if isinstance(before, dict) and before["outcome"] == outcome and now - before["at"] < _AT_LEAST_EVERY_SECONDS:
            continue
        events.append(evaluation)
        told[name] = {"outcome": outcome, "at": now}
    return events, json.dumps(told)


def news_sensor(
    name: str,
    description: str,
    every_seconds: int,
    evaluate: Callable[[], Iterable[tuple[dg.AssetCheckEvaluation, str]]],
    without: str,
) -> dg.SensorDefinition:
    """Reports what of ``evaluate`` is news, or says ``without``; the cursor holds what was told when."""

    @dg.sensor(
        name=name,
        description=description,
        minimum_interval_seconds=every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        events, cursor = news(evaluate(), context.cursor)
        if not events:
            return dg.SkipReason(without)
        return dg.SensorResult(asset_events=events, cursor=cursor)

    return sensor


def as_result(evaluation: dg.AssetCheckEvaluation) -> dg.AssetCheckResult:
    """``evaluation``, which a sensor could report, as what a run yields."""
    return dg.AssetCheckResult(
        asset_key=evaluation.asset_key,
        check_name=evaluation.check_name,
        passed=evaluation.passed,
        severity=evaluation.severity,
        description=evaluation.description,
        metadata=evaluation.metadata,
    )
