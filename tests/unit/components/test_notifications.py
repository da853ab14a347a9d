"""When Dagster tells somebody, and when it keeps quiet."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lakehouse.components import notifications
from lakehouse.components.notifications import changed_checks, failed_run, recovered_job, tell_changes
from lakehouse.notify.notification import Kind, LogSink, Notification, NotifyError
from lakehouse.settings import Settings

KEY = dg.AssetKey(["raw", "orders"])
CHECK = dg.AssetCheckKey(KEY, "freshness")


@dg.op
def fails_if_told(context: dg.OpExecutionContext) -> None:
    """Stands for a step of a job."""
    if "fail" in context.run.tags:
        raise ValueError("the lake is dry")


@dg.job
def job() -> None:
    """Stands for the jobs of this project."""
    fails_if_told()


class Daemon:
    """Runs the job, reports checks, and asks what is told."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance = instance
        self.settings = settings
        self.failing: set[str] = set()

    def run(
        self, *, fail: bool, retried: bool = False, config: dict[str, object] | None = None, **tags: str
    ) -> Notification | None:
        """A run, and what is told of it."""
        tags |= {**({"fail": "yes"} if fail else {}), **({"dagster/will_retry": "true"} if retried else {})}
        result = job.execute_in_process(instance=self.instance, raise_on_error=False, tags=tags, run_config=config)
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        if fail:
            return failed_run(self.settings, run, "the lake is dry\n")
        return recovered_job(self.settings, self.instance, run)

    def check(self, passed: bool, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> list[Notification]:
        """A result, and what is told of it."""
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=KEY, check_name="freshness", passed=passed, severity=severity, metadata={"age_seconds": 90.5}
            )
        )
        return self.tick()

    def tick(self) -> list[Notification]:
        latest = self.instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])
        changed = changed_checks(self.settings, latest.values(), self.failing)
        assert tell_changes(LogSink(), changed, self.failing) == []
        return list(changed.values())


@pytest.fixture
def daemon(tmp_path: Path, make_settings: Callable[..., Settings]) -> Iterator[Daemon]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Daemon(instance, make_settings(tmp_path, dagster_port=3000))


def test_a_failed_run_is_told_with_its_error_and_a_link(daemon: Daemon) -> None:
    told = daemon.run(fail=True)
    assert told is not None
    assert (told.title, told.detail) == ("Failing: run of job", "the lake is dry")
    assert told.link == f"http://127.0.0.1:3000/runs/{daemon.instance.get_runs()[0].run_id}"


def test_a_run_that_is_tried_again_is_told_when_that_failed_too(daemon: Daemon) -> None:
    assert daemon.run(fail=True, retried=True) is None
    assert daemon.run(fail=False) is None, "nobody knew that it had failed"


def test_only_the_first_success_after_a_failure_is_a_recovery(daemon: Daemon) -> None:
    assert daemon.run(fail=False) is None
    daemon.run(fail=True)
    daemon.run(fail=True, retried=True)
    told = daemon.run(fail=False)
    assert told is not None
    assert told.title == "Recovered: run of job"
    assert daemon.run(fail=False) is None


@pytest.mark.parametrize(
    ("failed", "succeeded", "recovers"),
    [
        ({"dagster/partition": "2026-11-01"}, {"dagster/partition": "2026-11-02"}, False),
        ({"dagster/partition": "2026-11-01"}, {"dagster/partition": "2026-11-01"}, True),
        (
            {"dagster/asset_partition_range_end": "2026-11-03"},
            {"dagster/asset_partition_range_end": "2026-11-04"},
            False,
        ),
        (
            {"dagster/partition": "2026-11-01", "lakehouse/increment": "true"},
            {"dagster/partition": "2026-11-02", "lakehouse/increment": "true"},
            True,
        ),
        ({"config": {"loggers": {"console": {"config": {"name": "stop"}}}}}, {}, False),
    ],
)
def test_a_run_recovers_only_what_was_to_do_the_same(
    daemon: Daemon, failed: dict[str, Any], succeeded: dict[str, Any], recovers: bool
) -> None:
    daemon.run(fail=True, **failed)
    assert (daemon.run(fail=False, **succeeded) is not None) is recovers


def test_a_check_is_told_once_when_it_begins_to_fail_and_once_when_it_passes(daemon: Daemon) -> None:
    assert daemon.check(passed=True) == []
    (told,) = daemon.check(passed=False)
    assert (told.title, told.detail) == ("Failing: check freshness of raw/orders", "age_seconds: 90.5")
    assert told.link == "http://127.0.0.1:3000/assets/raw/orders?view=checks&checkDetail=freshness"
    assert daemon.tick() == []
    assert daemon.check(passed=False) == []
    (told,) = daemon.check(passed=True)
    assert told.kind is Kind.RECOVERED


def test_a_warning_is_told_only_where_warnings_are_asked_for(daemon: Daemon) -> None:
    assert daemon.check(passed=False, severity=dg.AssetCheckSeverity.WARN) == []
    daemon.settings = daemon.settings.model_copy(update={"notify_severity": "warn"})
    assert [told.kind for told in daemon.tick()] == [Kind.FAILING]


def test_a_way_that_does_not_answer_takes_no_more_than_its_part_of_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(notifications, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    tried = []

    class Silent:
        name = "Slack"

        def send(self, notification: Notification) -> None:
            tried.append(notification.subject)
            clock[0] += 7
            raise NotifyError(f"{notification.subject} was not told")

    changed = {name: Notification(Kind.FAILING, name, "", "") for name in "abcdef"}
    failing: set[str] = set()
    problems = tell_changes(Silent(), changed, failing)
    assert tried == ["a", "b"]
    assert problems[-1] == "4 more wait for Slack to answer"
    assert failing == set()
