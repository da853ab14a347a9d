"""The sensors that tell people, evaluated as Dagster does. What they tell is read from the log, which gets it all."""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.defs.notify import sensors
from lakehouse.defs.notify.sensors import notifications, notify_checks, notify_run_failures, notify_run_recoveries
from lakehouse.notify.notification import Notification, NotifyError


@dg.asset_check(asset="orders")
def fresh() -> dg.AssetCheckResult:
    """Stands for the checks of this project."""
    return dg.AssetCheckResult(passed=True)


@dg.asset_check(asset="orders")
def whole() -> dg.AssetCheckResult:
    """Another."""
    return dg.AssetCheckResult(passed=True)


def report(instance: dg.DagsterInstance, check: str, passed: bool) -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=dg.AssetKey("orders"), check_name=check, passed=passed)
    )


@dg.op
def dries_up(context: dg.OpExecutionContext) -> None:
    """Fails when told to."""
    if "fail" in context.run.tags:
        raise ValueError("the lake is dry")


@dg.job
def job() -> None:
    """Stands for the jobs of this project."""
    dries_up()


DEFINITIONS = dg.Definitions(assets=[dg.AssetSpec("orders")], asset_checks=[fresh, whole], jobs=[job])


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(Path(__file__).parents[3]))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The titles, since this was last asked."""
    titles = [r.getMessage().splitlines()[0] for r in caplog.records if r.name.startswith("lakehouse.notify")]
    caplog.clear()
    return titles


def test_a_check_is_told_once_and_its_recovery_too(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    heard = []
    for passed in (True, False, False, True):
        report(instance, "fresh", passed)
        notify_checks(dg.build_sensor_context(instance=instance, definitions=DEFINITIONS))
        heard.append(told(caplog))
    assert heard == [[], ["Failing: check fresh of orders"], [], ["Recovered: check fresh of orders"]]


class Way:
    """A way to reach people, which at times is broken. Real ones are in tests/unit/notify."""

    def __init__(self, name: str, *, broken: bool = False) -> None:
        self.name, self.broken = name, broken
        self.heard: list[str] = []

    def send(self, notification: Notification) -> None:
        if self.broken:
            raise NotifyError(f"{notification.title!r} was not told: {self.name} is away")
        self.heard.append(notification.title)


def test_a_way_that_is_broken_hears_later_what_the_others_hear_once(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    pager, mail = Way("pager", broken=True), Way("mail")
    monkeypatch.setattr(sensors, "configured_sinks", lambda _: [pager, mail])

    def tick() -> None:
        notify_checks(dg.build_sensor_context(instance=instance, definitions=DEFINITIONS))

    report(instance, "fresh", False)
    report(instance, "whole", False)
    both = ["Failing: check fresh of orders", "Failing: check whole of orders"]
    for _ in range(2):
        with pytest.raises(NotifyError) as raised:
            tick()
        assert all(f"{title!r} was not told: pager is away" in str(raised.value) for title in both)
        assert sorted(mail.heard) == both

    report(instance, "whole", True)
    pager.broken = False
    tick()
    assert pager.heard == both[:1], "what passes again by then was never a failure to it"
    assert mail.heard[2:] == ["Recovered: check whole of orders"]
    tick()
    assert len(pager.heard) == 1


def test_a_failed_run_is_told_with_the_error_of_its_step_and_its_recovery_too(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    failed = job.execute_in_process(instance=instance, raise_on_error=False, tags={"fail": "yes"})
    context = dg.build_run_status_sensor_context(
        "notify_run_failures", failed.get_run_failure_event(), instance, failed.dagster_run
    ).for_run_failure()
    notify_run_failures(context)
    assert "the lake is dry" in caplog.text
    assert told(caplog) == ["Failing: run of job"]
    mended = job.execute_in_process(instance=instance)
    notify_run_recoveries(
        dg.build_run_status_sensor_context(
            "notify_run_recoveries", mended.get_run_success_event(), instance, mended.dagster_run
        )
    )
    assert told(caplog) == ["Recovered: run of job"]


def test_the_sensors_are_on_from_the_start() -> None:
    found = notifications().sensors or []
    assert [sensor.name for sensor in found] == ["notify_run_failures", "notify_run_recoveries", "notify_checks"]
    assert {sensor.default_status for sensor in found} == {dg.DefaultSensorStatus.RUNNING}
