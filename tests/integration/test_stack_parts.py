"""The real `lakehouse up --only …` and `down`: parts alone, and what stands in their way."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.local.processes import stale_processes
from lakehouse.settings import load_settings
from tests.integration.command_line import LAKEHOUSE, CommandLine, project, stop


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """One project for all: its broker's storage is formatted once."""
    return project(tmp_path_factory.mktemp("parts"))


@pytest.fixture
def stopped(shared: CommandLine) -> Iterator[CommandLine]:
    """Nothing of the project runs, before and after."""
    yield shared
    stop(shared)


def test_down_leaves_no_process_and_up_again_keeps_the_topic(stopped: CommandLine) -> None:
    stopped.succeed("up", "--detach", "--only", "kafka")
    stopped.succeed("down")
    assert stale_processes(stopped.settings, None) == []
    assert stopped.parts()["kafka"]["state"] == "STOPPED"
    assert "created" not in stopped.succeed("up", "--detach", "--only", "kafka")


def test_in_the_foreground_an_interrupt_stops_everything(stopped: CommandLine) -> None:
    command = [LAKEHOUSE, "up", "--only", "kafka"]
    foreground = subprocess.Popen(command, env=stopped.environment, stdout=subprocess.PIPE, text=True)
    assert foreground.stdout is not None
    try:
        for line in foreground.stdout:
            if "Ctrl-C stops everything" in line:
                break
        assert stopped.parts()["kafka"]["state"] == "RUNNING"
        foreground.send_signal(signal.SIGINT)
        rest = foreground.stdout.read()
        assert foreground.wait(timeout=60) == 0
    finally:
        foreground.kill()
        foreground.wait()
    assert "Stop kafka" in rest
    assert stale_processes(stopped.settings, None) == []


def test_leftovers_of_a_crash_are_named_and_down_mends_it(stopped: CommandLine) -> None:
    stopped.succeed("up", "--detach", "--only", "kafka")
    kafka = stopped.parts()["kafka"]["pid"]
    psutil.Process(int((stopped.settings.run_dir / "supervisord.pid").read_text())).kill()
    refused = stopped.run("up", "--detach", "--only", "kafka")
    assert refused.returncode == 1
    assert f"kafka: pid {kafka}" in refused.stderr
    assert "lakehouse down" in refused.stderr
    stopped.succeed("down")
    assert not psutil.pid_exists(kafka)
    stopped.succeed("up", "--detach", "--only", "kafka")


def test_a_busy_port_is_refused_with_its_holder_and_setting(stopped: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", stopped.settings.kafka_port)):
        refused = stopped.run("up", "--detach", "--only", "kafka")
    assert refused.returncode == 1
    for expected in (f"port {stopped.settings.kafka_port}", f"pid {os.getpid()}", "LAKEHOUSE_KAFKA_PORT="):
        assert expected in refused.stderr


def test_a_part_without_what_it_needs_is_refused_before_anything_starts(stopped: CommandLine) -> None:
    refused = stopped.run("up", "--detach", "--only", "spark,dagster-code", timeout=60)
    assert refused.returncode == 1
    assert "spark needs kafka" in refused.stderr
    assert "lakehouse up --only kafka,spark,dagster-code" in refused.stderr
    assert {part["state"] for part in stopped.parts().values()} == {"STOPPED"}


def test_the_daemon_gets_ready_without_the_webserver(stopped: CommandLine) -> None:
    stopped.succeed("up", "--detach", "--only", "dagster-code,dagster-daemon")
    states = {name: part["state"] for name, part in stopped.parts().items()}
    assert (states["dagster-daemon"], states["dagster-webserver"]) == ("RUNNING", "STOPPED")
    assert list((stopped.settings.state_dir / "dagster").rglob("runs.db"))


def test_a_query_that_fails_at_every_start_is_told_with_its_error_and_its_failures(stopped: CommandLine) -> None:
    write_deltalake(f"{stopped.settings.root}/raw/orders", pa.table({"other": [1]}))
    # The query compares its table before it asks the broker anything: whatever listens is broker enough.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        elsewhere = f"127.0.0.1:{listening.getsockname()[1]}"
        settings = load_settings({**stopped.settings.model_dump(), "kafka_bootstrap_servers": elsewhere})
        refused = CommandLine(settings).run("up", "--detach", "--only", "spark")
        assert refused.returncode == 1
        assert "Spark queries is not ready: the query of raw.orders failed 3 times" in refused.stderr
        assert "lakehouse contracts apply raw.orders` sets it" in refused.stderr
        status = stopped.status()
        shown = stopped.succeed("status")
    shutil.rmtree(f"{stopped.settings.root}/raw")
    query = next(query for query in status["queries"] if query["table"] == "raw.orders")
    spark = next(part for part in status["parts"] if part["name"] == "spark")
    assert query["state"] in ("restarting", "failed")
    assert "does not match its contract" in query["error"]
    assert query["failures"] >= 3
    # The application goes on for its other queries.
    assert (spark["state"], spark["restarts"]) == ("RUNNING", 0)
    assert "does not match its contract" in shown


def test_a_part_that_does_not_start_shows_the_end_of_its_log(stopped: CommandLine) -> None:
    broken = load_settings({**stopped.settings.model_dump(), "kafka_heap": "nonsense"})
    refused = CommandLine(broken).run("up", "--detach", "--only", "kafka")
    assert refused.returncode == 1
    assert "Kafka broker is not ready: its process has ended" in refused.stderr
    assert "Invalid maximum heap size: -Xmxnonsense" in refused.stderr
