"""supervisord's configuration, and a real supervisord over small programs."""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from supervisor.options import ServerOptions

from lakehouse.local.crashes import crashes
from lakehouse.local.processes import stale_processes, stop_processes
from lakehouse.local.programs import MARKER, Program
from lakehouse.local.supervisor import Supervisor, SupervisorError, render_config, socket_path
from lakehouse.settings import Settings, load_settings

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def program(settings: Settings, name: str = "sleeper", **environment: str) -> Program:
    marked = {MARKER: name, "LAKEHOUSE_STATE_DIR": str(settings.state_dir), **environment}
    return Program(name=name, title=name, command=SLEEP, environment=marked, stop_seconds=5)


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[Supervisor]:
    supervisor = Supervisor(settings)
    yield supervisor
    supervisor.shutdown()
    stop_processes(process.pid for process in stale_processes(settings, None))


def eventually(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def parsed(settings: Settings, text: str) -> ServerOptions:
    file = settings.home / "supervisord.conf"
    file.write_text(text)
    settings.logs_dir.mkdir(parents=True)
    settings.run_dir.mkdir(parents=True)
    options = ServerOptions()
    options.realize(["-c", str(file)])
    return options


def test_the_configuration_gives_values_back_untouched(settings: Settings) -> None:
    odd = program(settings, RATE="100%", QUOTED='say "hi", all', PLAIN="a,b=c")
    config = parsed(settings, render_config(settings, [odd])).process_group_configs[0].process_configs[0]
    assert {key: config.environment[key] for key in ("RATE", "QUOTED", "PLAIN")} == {
        "RATE": "100%",
        "QUOTED": 'say "hi", all',
        "PLAIN": "a,b=c",
    }


@pytest.mark.parametrize("value", ["two\nlines", "a ;b", "a #b", "both ' and \""])
def test_a_value_that_cannot_be_carried_is_refused(settings: Settings, value: str) -> None:
    with pytest.raises(SupervisorError, match="cannot be used"):
        render_config(settings, [program(settings, VALUE=value)])


def test_a_long_path_gets_a_socket_elsewhere(settings: Settings) -> None:
    short = load_settings({"home": settings.home, "state_dir": "/srv/lakehouse"})
    deep = load_settings({"home": settings.home, "state_dir": settings.home / ("d" * 120)})
    assert socket_path(short).parent == short.run_dir
    assert len(str(socket_path(deep))) <= 100
    assert socket_path(deep) != socket_path(load_settings({"home": settings.home, "state_dir": "e" * 120}))


def test_nothing_runs_before_it_is_asked_for(supervisor: Supervisor) -> None:
    assert (supervisor.is_running, supervisor.pid, supervisor.states()) == (False, None, {})


def test_programs_start_only_when_told_and_stop(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.ensure([program(settings)])
    assert supervisor.states()["sleeper"].state == "STOPPED"
    supervisor.start("sleeper")
    pid = supervisor.states()["sleeper"].pid
    assert psutil.pid_exists(pid)
    supervisor.stop("sleeper")
    assert not psutil.pid_exists(pid)


def test_an_unchanged_program_is_kept_and_a_changed_one_stopped(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.ensure([program(settings, "kept"), program(settings, "changed")])
    supervisor.start("kept")
    supervisor.start("changed")
    kept = supervisor.states()["kept"].pid
    supervisor.ensure([program(settings, "kept"), program(settings, "changed", NEW="1")])
    states = supervisor.states()
    assert states["kept"].pid == kept
    assert states["changed"].state == "STOPPED"


def test_a_killed_program_is_started_again(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.ensure([program(settings)])
    supervisor.start("sleeper")
    first = supervisor.states()["sleeper"].pid
    psutil.Process(first).kill()
    eventually(lambda: supervisor.states()["sleeper"].pid not in (0, first), "another process")


def test_restarts_are_counted_until_the_program_is_stopped(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.ensure([program(settings), program(settings, "other")])
    supervisor.start("sleeper")
    supervisor.start("other")
    for count in (1, 2):
        pid = supervisor.states()["sleeper"].pid
        psutil.Process(pid).kill()
        eventually(lambda: supervisor.states()["sleeper"].pid not in (0, pid), "another process")  # noqa: B023
        eventually(lambda: "sleeper" in crashes(settings), "a line in the log")
        assert crashes(settings)["sleeper"].count == count
    found = crashes(settings)
    assert found.keys() == {"sleeper"}
    assert found["sleeper"].how == "terminated by SIGKILL"
    assert abs(datetime.now(UTC) - found["sleeper"].last_at) < timedelta(minutes=1)
    supervisor.stop("sleeper")
    eventually(lambda: crashes(settings) == {}, "the count to be forgotten")


def test_restarts_told_in_a_rotated_log_count_and_those_of_an_earlier_supervisor_do_not(settings: Settings) -> None:
    settings.logs_dir.mkdir(parents=True)
    exited = "2026-01-02 03:04:05,678 WARN exited: spark (exit status 1; not expected)\n"
    (settings.logs_dir / "supervisord.log.1").write_text(
        exited * 5 + "2026-01-02 03:04:05,678 INFO supervisord started with pid 7\n" + exited * 2
    )
    (settings.logs_dir / "supervisord.log").write_text(exited)
    found = crashes(settings)["spark"]
    assert (found.count, found.how) == (3, "exit status 1")


def test_children_of_a_killed_supervisor_are_found_and_stopped(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.ensure([program(settings)])
    supervisor.start("sleeper")
    orphan = supervisor.states()["sleeper"].pid
    eventually(lambda: bool(psutil.Process(orphan).environ().get(MARKER)), "the program's own environment")
    assert supervisor.pid is not None
    assert stale_processes(settings, supervisor.pid) == []
    owner = psutil.Process(supervisor.pid)
    owner.kill()
    eventually(lambda: not supervisor.is_running, "the supervisor's end")
    (stale,) = stale_processes(settings, supervisor.pid)
    assert (stale.pid, stale.program) == (orphan, "sleeper")
    stop_processes([stale.pid])
    assert stale_processes(settings, None) == []


def test_processes_of_another_state_directory_are_left_alone(
    settings: Settings, supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.ensure([program(settings)])
    supervisor.start("sleeper")
    other = load_settings({"home": settings.home, "state_dir": tmp_path / "other"})
    assert stale_processes(other, None) == []
