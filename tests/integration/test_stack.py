"""The real `lakehouse up`, `status`, `query` and `down`, in a copy of the project, on free ports."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.waiting import wait_for

from lakehouse.local.jars import JAR_SETS, fetch_jars
from lakehouse.local.processes import stale_processes, stop_processes
from lakehouse.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[2]
LAKEHOUSE = Path(sys.executable).parent / "lakehouse"
GIBIBYTE = 1024**3
PARTS = {"kafka", "postgres", "spark", "dagster-webserver", "dagster-daemon", "generator"}


@dataclass
class CommandLine:
    """`lakehouse` with the settings of one project."""

    settings: Settings

    def run(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LAKEHOUSE, *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def succeed(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.succeed("status", "--json"))
        return answer

    def parts(self) -> dict[str, dict[str, Any]]:
        return {part["name"]: part for part in self.status()["parts"]}

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.settings.as_environment()}


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [server.getsockname()[1] for server in servers]
    finally:
        for server in servers:
            server.close()


_LAUNCH = """
mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }
"""
_RUN = "query Run($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def launch(running: CommandLine, asset: tuple[str, str]) -> str:
    """What the UI sends for Observe and for Materialize; returns the run."""
    selector = {
        "repositoryLocationName": "lakehouse",
        "repositoryName": "__repository__",
        "pipelineName": "__ASSET_JOB",
        "assetSelection": [{"path": asset}],
        "assetCheckSelection": [],
    }
    answer = graphql(running, _LAUNCH, {"params": {"mode": "default", "selector": selector}})["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return str(answer["run"]["id"])


def run_status(running: CommandLine, run_id: str) -> str:
    return str(graphql(running, _RUN, {"id": run_id})["runOrError"]["status"])


def graphql(running: CommandLine, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", running.settings.dagster_port, timeout=60)
    body = json.dumps({"query": query, "variables": variables})
    connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


def project(directory: Path) -> CommandLine:
    """A copy of what the stack reads, so that Dagster's and dbt's files do not land in the repository."""
    for name in ("dbt", "streaming", "deploy"):
        shutil.copytree(REPOSITORY / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "target"))
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, directory / name)
    shared = load_settings({"home": REPOSITORY})
    (directory / ".lakehouse").mkdir()
    for jar_set in JAR_SETS:
        fetch_jars(shared, jar_set)
    (directory / ".lakehouse" / "jars").symlink_to(shared.jars_dir)
    names = [name for name in Settings.model_fields if name.endswith("_port")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    derived = {
        "state_dir": directory / ".lakehouse",
        "root": str(directory / ".lakehouse" / "tables"),
        "checkpoint_root": str(directory / ".lakehouse" / "checkpoints"),
        "kafka_bootstrap_servers": f"127.0.0.1:{ports['kafka_port']}",
    }
    return CommandLine(load_settings({"home": directory, **derived, **ports}))


def stop(command_line: CommandLine) -> None:
    done = command_line.run("down")
    stop_processes(process.pid for process in stale_processes(command_line.settings, None))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    command_line = project(tmp_path_factory.mktemp("running"))
    try:
        command_line.succeed("up", "--detach", "--rate", "200")
        yield command_line
    finally:
        stop(command_line)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[CommandLine]:
    command_line = project(tmp_path)
    try:
        yield command_line
    finally:
        stop(command_line)


def test_every_part_runs(running: CommandLine) -> None:
    assert {name: part["state"] for name, part in running.parts().items()} == dict.fromkeys(PARTS, "RUNNING")


def test_events_become_rows(running: CommandLine) -> None:
    wait_for(lambda: bool(running.status()["tables"][0]["rows"]), "rows", 120, lambda: running.succeed("logs", "spark"))
    (counted,) = json.loads(running.succeed("query", "--format", "json", "SELECT count(*) AS n FROM raw.orders"))
    assert counted["n"] > 0


@pytest.mark.parametrize("table", ["marts.fct_orders_daily", "marts.dim_customers", "marts.rpt_orders"])
def test_dbt_models_follow_their_sources_by_themselves(running: CommandLine, table: str) -> None:
    def rows() -> int:
        done = running.run("query", f"SELECT count(*) AS n FROM {table}", "--format", "json")
        return int(json.loads(done.stdout)[0]["n"]) if done.returncode == 0 else 0

    wait_for(lambda: rows() > 0, f"rows in {table}", 420, lambda: running.run("status").stdout)


def test_almost_every_order_has_a_customer(running: CommandLine) -> None:
    sql = (
        "SELECT count(*) AS orders, count(name) AS known FROM marts.fct_orders_daily "
        "LEFT JOIN marts.dim_customers USING (customer_id)"
    )
    (counted,) = json.loads(running.succeed("query", sql, "--format", "json"))
    assert 0.9 * counted["orders"] < counted["known"] <= counted["orders"]


@pytest.mark.parametrize("asset", [("raw", "orders"), ("marts", "fct_orders_daily")], ids=["observe", "materialize"])
def test_the_buttons_of_the_ui_work(running: CommandLine, asset: tuple[str, str]) -> None:
    run_id = launch(running, asset)
    wait_for(lambda: run_status(running, run_id) in ("SUCCESS", "FAILURE"), f"the run of {asset}", 300)
    assert run_status(running, run_id) == "SUCCESS"


def test_a_second_up_keeps_what_runs(running: CommandLine) -> None:
    before = {name: part["pid"] for name, part in running.parts().items()}
    running.succeed("up", "--detach", "--rate", "200")
    assert {name: part["pid"] for name, part in running.parts().items()} == before


def test_another_rate_restarts_the_generator_alone(running: CommandLine) -> None:
    before = {name: part["pid"] for name, part in running.parts().items()}
    running.succeed("up", "--detach", "--rate", "100")
    after = {name: part["pid"] for name, part in running.parts().items()}
    assert {name for name in PARTS if before[name] != after[name]} == {"generator"}


def test_it_needs_less_than_five_gibibytes(running: CommandLine) -> None:
    assert sum(part["memory_bytes"] for part in running.parts().values()) < 5 * GIBIBYTE


def test_the_declared_ports_listen_on_loopback_only(running: CommandLine) -> None:
    declared = {port for part in running.parts().values() for port in part["ports"].values()}
    listening = {
        connection.laddr.port: connection.laddr.ip
        for part in running.parts().values()
        for process in (psutil.Process(part["pid"]), *psutil.Process(part["pid"]).children(recursive=True))
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert declared <= listening.keys()
    assert set(listening.values()) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_the_doctor_finds_nothing_wrong(running: CommandLine) -> None:
    assert "✗" not in running.succeed("doctor")


def test_down_leaves_no_process_and_up_again_keeps_the_topic(stopped: CommandLine) -> None:
    first = stopped.succeed("up", "--detach", "--only", "kafka")
    assert "created orders.events" in first
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


def test_a_part_that_does_not_start_shows_the_end_of_its_log(stopped: CommandLine) -> None:
    broken = load_settings({**stopped.settings.model_dump(), "kafka_heap": "nonsense"})
    refused = CommandLine(broken).run("up", "--detach", "--only", "kafka")
    assert refused.returncode == 1
    assert "Kafka broker is not ready: its process has ended" in refused.stderr
    assert "Invalid maximum heap size: -Xmxnonsense" in refused.stderr
