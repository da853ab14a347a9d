"""Programs that the supervisor has given up, under a real supervisor."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from tests.waiting import wait_for

from lakehouse.components.dead_programs import Revived, revive
from lakehouse.components.memory import remember, remembered
from lakehouse.defs.streaming_jobs.jobs import DeadProgramError, dead_streaming_programs
from lakehouse.local.processes import stale_processes, stop_processes
from lakehouse.local.programs import MARKER, Program
from lakehouse.local.supervisor import Supervisor
from lakehouse.settings import Settings, load_settings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "streaming" / "contracts").mkdir(parents=True)
    return load_settings({"home": tmp_path})


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[Supervisor]:
    """Over two programs of engines, which end at once while `broken` is there, and `generator`, which always does.

    All of them have been given up.
    """
    broken = settings.home / "broken"
    broken.touch()
    script = f"import pathlib, time; pathlib.Path({str(broken)!r}).exists() or time.sleep(600)"
    names = ("spark", "flink-jobmanager", "generator")
    supervisor = Supervisor(settings)
    supervisor.ensure(
        Program(
            name,
            name,
            (sys.executable, "-c", "" if name == "generator" else script),
            {MARKER: name, "LAKEHOUSE_STATE_DIR": str(settings.state_dir)},
            stop_seconds=5,
        )
        for name in names
    )
    assert revive(supervisor, {}, NOON) == Revived({}), "what was never started is not dead"
    for name in names:
        supervisor.start(name)
    for name in names:
        wait_for(lambda: supervisor.states()[name].state == "FATAL", f"{name} to be given up", 60)  # noqa: B023
    yield supervisor
    supervisor.shutdown()
    stop_processes(process.pid for process in stale_processes(settings, None))


def test_what_was_given_up_is_started_unless_that_is_hopeless_or_it_was_stopped(
    settings: Settings, supervisor: Supervisor
) -> None:
    supervisor.stop("flink-jobmanager")
    assert supervisor.states()["flink-jobmanager"].state == "STOPPED"
    tried = {"spark": [NOON - timedelta(minutes=minutes) for minutes in (3, 2, 1)]}
    found = revive(supervisor, tried, NOON)
    assert (found.revivals, found.started, found.hopeless.keys()) == (tried, (), {"spark"})

    (settings.home / "broken").unlink()
    later = NOON + timedelta(hours=1)
    assert revive(supervisor, tried, later) == Revived({"spark": [later]}, ("spark",)), "no engine's: the generator"
    wait_for(lambda: supervisor.states()["spark"].state == "RUNNING", "spark to run", 60)
    assert revive(supervisor, {"spark": [later]}, later) == Revived({"spark": [later]})
    supervisor.start("flink-jobmanager")
    wait_for(lambda: supervisor.states()["flink-jobmanager"].state == "RUNNING", "what was started by hand to run", 60)


def test_the_sensor_counts_what_it_started_beside_what_is_hopeless(
    settings: Settings, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    now = datetime.now(UTC).isoformat()
    with dg.DagsterInstance.ephemeral() as instance:
        remember(instance, "dead_streaming_programs", {"spark": [now] * 3})
        with pytest.raises(
            DeadProgramError, match=r"started 3 times within an hour and dead again: spark \(.*logs spark.*up"
        ):
            dead_streaming_programs(dg.build_sensor_context(instance=instance))
        counted = remembered(instance, "dead_streaming_programs")
    assert {name: len(moments) for name, moments in counted.items()} == {"spark": 3, "flink-jobmanager": 1}
    assert supervisor.states()["flink-jobmanager"].alive


def test_without_a_supervisor_there_is_nothing_to_do(settings: Settings) -> None:
    assert revive(Supervisor(settings), {}, NOON) == Revived({})
