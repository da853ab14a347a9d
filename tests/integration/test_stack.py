"""The whole stack, as `lakehouse up` starts it."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from tests.integration.command_line import CommandLine, project, stop
from tests.waiting import wait_for

GIBIBYTE = 1024**3
PARTS = {"kafka", "postgres", "spark", "dagster-webserver", "dagster-daemon", "generator"}


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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    command_line = project(tmp_path_factory.mktemp("running"))
    try:
        command_line.succeed("up", "--detach", "--rate", "200")
        yield command_line
    finally:
        stop(command_line)


def test_every_part_runs(running: CommandLine) -> None:
    assert {name: part["state"] for name, part in running.parts().items()} == dict.fromkeys(PARTS, "RUNNING")


def test_every_query_runs_and_nothing_was_started_twice(running: CommandLine) -> None:
    status = running.status()
    assert {query["table"]: query["state"] for query in status["queries"]} == {"raw.orders": "running"}
    assert {part["restarts"] for part in status["parts"]} == {0}
    shown = running.succeed("status")
    assert "raw.orders" in shown
    assert "restarts" in shown


def test_up_has_waited_for_the_generators_first_event(running: CommandLine) -> None:
    ready = running.settings.run_dir / "generator.ready"
    assert int(ready.read_text()) == running.parts()["generator"]["pid"]


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


def test_the_buttons_of_the_ui_work(running: CommandLine) -> None:
    """Observe on a source and Materialize on a model, pressed one after the other."""
    launched = {asset: launch(running, asset) for asset in (("raw", "orders"), ("marts", "fct_orders_daily"))}
    for asset, run_id in launched.items():
        wait_for(lambda: run_status(running, run_id) in ("SUCCESS", "FAILURE"), f"the run of {asset}", 300)  # noqa: B023
        assert run_status(running, run_id) == "SUCCESS", asset


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
