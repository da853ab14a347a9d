"""The whole stack, as `lakehouse up` starts it."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Producer

from lakehouse.agreement import Agreement, compare, trials
from lakehouse.components.backfill import built_by_tag
from lakehouse.contracts import Engine, load_contracts
from lakehouse.local.kafka import PARTITIONS
from lakehouse.local.monitoring import find_tool
from lakehouse.local.programs import MONITORING, PROGRAM_NAMES
from lakehouse.local.supervisor import Supervisor
from lakehouse.observability.dashboards import DASHBOARDS
from lakehouse.storage import Catalog
from lakehouse.storage.duck import connect
from tests.conftest import free_ports_in_a_row
from tests.integration.command_line import CommandLine, project, stop
from tests.integration.flink.stack import order
from tests.monitoring import Called, Prometheus, being_called
from tests.scraping import scrape
from tests.waiting import wait_for

GIBIBYTE = 1024**3
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
MONITORED = all(find_tool(name) for name in MONITORING)
PARTS = set(PROGRAM_NAMES) - (set() if MONITORED else set(MONITORING))
NEEDS_MONITORING = pytest.mark.skipif(
    not MONITORED, reason="Prometheus is missing: apt-get install prometheus prometheus-alertmanager"
)
#: Alerts wait so many times less: five minutes are half a one, and what is scraped each 15 seconds is each 2.
HASTE = 10.0
RISK, DATA = "team:risk", "team:data-platform"
#: What cannot show anything here, and why. Everything else has to.
EMPTY_PANELS = {
    ("lakehouse-dagster", "Checks that fail"): "no check fails in a stack that is well",
}
SOURCES = ("kafka", "tables", "latency", "freshness", "dagster")


_LAUNCH = """
mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }
"""
_RUNS = """query Runs($filter: RunsFilter!) { runsOrError(filter: $filter) {
  ... on Runs { results { status tags { key value } } } } }"""
_RUN = "query Run($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def launch(running: CommandLine, asset: tuple[str, str], tags: Mapping[str, str]) -> str:
    """What the UI sends for Observe and for Materialize, with ``tags`` that say of which days; returns the run."""
    selector = {
        "repositoryLocationName": "lakehouse",
        "repositoryName": "__repository__",
        "pipelineName": "__ASSET_JOB",
        "assetSelection": [{"path": asset}],
        "assetCheckSelection": [],
    }
    given = [{"key": key, "value": value} for key, value in tags.items()]
    answer = graphql(
        running, _LAUNCH, {"params": {"mode": "default", "selector": selector, "executionMetadata": {"tags": given}}}
    )["launchPipelineExecution"]
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
def called() -> Iterator[Called]:
    """Whom Alertmanager calls."""
    with being_called() as called:
        yield called


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, called: Called) -> Iterator[CommandLine]:
    # Other stacks of this machine have the ports by default.
    first, *_, last = free_ports_in_a_row(4)
    overrides = {"alert_haste": HASTE, "alert_receivers": "receivers.yaml", "flink_metrics_ports": f"{first}-{last}"}
    command_line = project(tmp_path_factory.mktemp("running"), **overrides)
    receivers = {receiver: called.destination(receiver) for receiver in (f"{RISK}/critical", DATA)}
    (command_line.settings.home / "receivers.yaml").write_text(json.dumps(receivers))
    try:
        command_line.succeed("up", "--detach", "--rate", "200", *(["--monitoring"] if MONITORED else []))
        yield command_line
    finally:
        stop(command_line)


@pytest.fixture
def prometheus(running: CommandLine) -> Prometheus:
    return Prometheus(running.settings.prometheus_port)


def test_every_part_runs(running: CommandLine) -> None:
    stopped = dict.fromkeys(set(PROGRAM_NAMES) - PARTS, "STOPPED")
    expected = {**dict.fromkeys(PARTS, "RUNNING"), **stopped}
    assert {name: part["state"] for name, part in running.parts().items()} == expected


def test_every_query_runs_and_nothing_was_started_twice(running: CommandLine) -> None:
    status = running.status()
    contracts = load_contracts(running.settings.contracts_dir)
    tables = [contract.table for contract in contracts if contract.resolved_engine is Engine.SPARK]
    assert {query["table"]: query["state"] for query in status["queries"]} == dict.fromkeys(tables, "running")
    assert {part["restarts"] for part in status["parts"]} == {0}
    shown = running.succeed("status")
    assert "raw.orders" in shown
    served = {c.table for c in load_contracts(running.settings.contracts_dir) if c.resolved_engine is Engine.FLINK}
    assert {job["table"]: job["state"] for job in status["jobs"]} == dict.fromkeys(served, "running")
    assert "restarts" in shown


def test_up_has_waited_for_the_generators_first_event(running: CommandLine) -> None:
    ready = running.settings.run_dir / "generator.ready"
    assert int(ready.read_text()) == running.parts()["generator"]["pid"]


def test_events_become_rows(running: CommandLine) -> None:
    wait_for(lambda: bool(running.status()["tables"][0]["rows"]), "rows", 120, lambda: running.succeed("logs", "spark"))
    (counted,) = json.loads(running.succeed("query", "--format", "json", "SELECT count(*) AS n FROM raw.orders"))
    assert counted["n"] > 0


def test_prometheus_is_told_of_lag_freshness_and_dagster(running: CommandLine) -> None:
    """Every source is up, and tells of a Spark query, a Flink job and a run as they are."""
    up = {("lakehouse_exporter_source_up", source): 1.0 for source in SOURCES}
    told = {
        ("kafka_consumergroup_lag", "lakehouse.raw.orders", "0", "orders.events"),
        ("kafka_consumergroup_lag", "lakehouse.streaming.order_metrics_5min", "0", "orders.events"),
        ("lakehouse_table_freshness_seconds", "raw.orders"),
        ("lakehouse_table_freshness_seconds", "marts.fct_orders_daily"),
        ("lakehouse_dagster_asset_check_passed", "raw/orders", "freshness", "error"),
    }

    found: dict[tuple[str, ...], float] = {}

    def complete() -> bool:
        found.clear()
        found.update(scrape(running.settings))
        return up.items() <= found.items() and told <= found.keys()

    wait_for(complete, "all metrics", 600, lambda: (told - found.keys(), running.run("status").stdout))
    rows = found["lakehouse_table_latency_seconds_count", "raw.orders"]
    assert rows > 0
    # Latency and size are looked at by two loops, each at its own time.
    size = ("lakehouse_table_rows", "raw.orders")
    wait_for(
        lambda: scrape(running.settings).get(size, 0) >= rows, "a look at the table that has the measured rows", 120
    )
    assert found["lakehouse_table_duplicate_events_total", "raw.orders"] == 0
    assert any(name == "lakehouse_dagster_runs_total" for name, *_ in found)


@pytest.mark.parametrize("table", ["marts.fct_orders_daily", "marts.dim_customers", "marts.rpt_orders"])
def test_dbt_models_follow_their_sources_by_themselves(running: CommandLine, table: str) -> None:
    def rows() -> int:
        done = running.run("query", f"SELECT count(*) AS n FROM {table}", "--format", "json")
        return int(json.loads(done.stdout)[0]["n"]) if done.returncode == 0 else 0

    wait_for(lambda: rows() > 0, f"rows in {table}", 600, lambda: running.run("status").stdout)


def test_almost_every_order_has_a_customer(running: CommandLine) -> None:
    sql = (
        "SELECT count(*) AS orders, count(name) AS known FROM marts.fct_orders_daily "
        "LEFT JOIN marts.dim_customers USING (customer_id)"
    )
    (counted,) = json.loads(running.succeed("query", sql, "--format", "json"))
    assert 0.9 * counted["orders"] < counted["known"] <= counted["orders"]


def test_the_buttons_of_the_ui_work(running: CommandLine) -> None:
    """Observe on a source and Materialize on a model, pressed one after the other."""
    today = {"dagster/partition": datetime.now(UTC).date().isoformat()}
    buttons = {("raw", "orders"): {}, ("marts", "fct_orders_daily"): today}
    launched = {asset: launch(running, asset, tags) for asset, tags in buttons.items()}
    for asset, run_id in launched.items():
        wait_for(lambda: run_status(running, run_id) in ("SUCCESS", "FAILURE"), f"the run of {asset}", 600)  # noqa: B023
        assert run_status(running, run_id) == "SUCCESS", asset


def dagster(running: CommandLine, *arguments: str) -> str:
    """`dagster job …` as a user types it."""
    command = [str(Path(sys.executable).with_name("dagster")), "job", *arguments, "-w", "workspace.yaml"]
    home = running.settings.home
    environment = {**running.environment, "DAGSTER_HOME": str(home)}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def runs_of(running: CommandLine, **wanted: Any) -> list[dict[str, Any]]:
    """Status and tags of the runs that a filter of Dagster's lets through."""
    runs = graphql(running, _RUNS, {"filter": wanted})["runsOrError"]["results"]
    return [{"status": run["status"], **{tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]


def test_a_backfill_of_three_days_from_the_command_line_is_one_run_of_dbt(running: CommandLine) -> None:
    today = datetime.now(UTC).date()
    dagster(running, "backfill", "-j", "dbt_backfill", "--from", str(today - timedelta(days=2)), "--noprompt")

    def ended() -> list[dict[str, Any]]:
        runs = [run for run in runs_of(running, pipelineName="dbt_backfill") if "dagster/backfill" in run]
        return runs if {run["status"] for run in runs} <= {"SUCCESS", "FAILURE", "CANCELED"} else []

    wait_for(lambda: len(ended()) == 3, "three runs", 600, lambda: running.run("logs", "dagster-code").stdout)
    assert {run["status"] for run in ended()} == {"SUCCESS"}
    assert sum(built_by_tag("dbt_models") not in run for run in ended()) == 1


def test_a_range_is_launched_from_the_command_line(running: CommandLine) -> None:
    today = datetime.now(UTC).date()
    days = {"start": str(today - timedelta(days=1)), "end": str(today)}
    tags = {f"dagster/asset_partition_range_{name}": day for name, day in days.items()}
    dagster(running, "launch", "-j", "dbt_backfill", "--tags", json.dumps(tags))
    wanted = [{"key": key, "value": value} for key, value in tags.items()]
    wait_for(lambda: [run["status"] for run in runs_of(running, tags=wanted)] == ["SUCCESS"], "the run", 600)


def test_dagster_restarts_a_flink_job_and_its_own_restart_touches_no_stream(running: CommandLine) -> None:
    table = "streaming.order_metrics_5min"

    def job() -> dict[str, Any]:
        return next(job for job in running.status()["jobs"] if job["table"] == table)

    before = job()["job_id"]
    config = {"ops": {"control_streaming_jobs": {"config": {"action": "restart", "tables": [table]}}}}
    dagster(running, "launch", "-j", "streaming_jobs", "--config-json", json.dumps(config))
    ended = ("SUCCESS", "FAILURE")
    wait_for(
        lambda: [run["status"] in ended for run in runs_of(running, pipelineName="streaming_jobs")] == [True],
        "the job to be restarted",
        600,
    )
    assert [run["status"] for run in runs_of(running, pipelineName="streaming_jobs")] == ["SUCCESS"]
    wait_for(lambda: job()["state"] == "running", "the job to run", 300, job)
    restarted = job()
    assert restarted["job_id"] != before

    streams = {name: part["pid"] for name, part in running.parts().items() if name.startswith(("spark", "flink"))}
    supervisor = Supervisor(running.settings)
    for name in ("dagster-daemon", "dagster-webserver", "dagster-code"):
        supervisor.stop(name)
    running.succeed("up", "--detach", "--rate", "200")
    assert {name: running.parts()[name]["pid"] for name in streams} == streams
    assert job()["job_id"] == restarted["job_id"]


def test_a_second_up_keeps_what_runs(running: CommandLine) -> None:
    before = {name: part["pid"] for name, part in running.parts().items()}
    running.succeed("up", "--detach", "--rate", "200")
    assert {name: part["pid"] for name, part in running.parts().items()} == before


def test_another_rate_restarts_the_generator_alone(running: CommandLine) -> None:
    before = {name: part["pid"] for name, part in running.parts().items()}
    running.succeed("up", "--detach", "--rate", "100")
    after = {name: part["pid"] for name, part in running.parts().items()}
    assert {name for name in PARTS if before[name] != after[name]} == {"generator"}


def alive(running: CommandLine) -> dict[str, dict[str, Any]]:
    """The parts that were asked for."""
    return {name: part for name, part in running.parts().items() if name in PARTS}


def test_it_needs_less_than_six_gibibytes(running: CommandLine) -> None:
    """With dbt at work below the Dagster daemon, as it mostly is here."""
    assert sum(part["memory_bytes"] for part in alive(running).values()) < 6 * GIBIBYTE


def connections(process: psutil.Process) -> list[Any]:
    """None of one that has ended meanwhile, as a run of Dagster does."""
    with suppress(psutil.NoSuchProcess):
        return process.net_connections(kind="tcp")
    return []


def test_the_declared_ports_listen_on_loopback_only(running: CommandLine) -> None:
    parts = alive(running).values()
    declared = {port for part in parts for port in part["ports"].values()}
    listening = {
        connection.laddr.port: connection.laddr.ip
        for part in parts
        for process in (psutil.Process(part["pid"]), *psutil.Process(part["pid"]).children(recursive=True))
        for connection in connections(process)
        if connection.status == psutil.CONN_LISTEN
    }
    assert declared <= listening.keys()
    open_to_all = {port for port, address in listening.items() if address not in LOOPBACK}
    # Flink's Prometheus reporter takes a port, and no address.
    first, last = running.settings.flink_metrics_ports.split("-")
    assert open_to_all <= set(range(int(first), int(last) + 1))


def test_the_doctor_finds_nothing_wrong(running: CommandLine) -> None:
    assert "✗" not in running.succeed("doctor")


@NEEDS_MONITORING
def test_prometheus_reaches_every_process_and_works_out_every_rule(
    running: CommandLine, prometheus: Prometheus
) -> None:
    # A JobManager and a TaskManager.
    processes = {"lakehouse": [1.0], "spark": [1.0], "flink": [2.0]}

    def reached() -> dict[str, list[float]]:
        return {job: [value for _, value in prometheus.ask(f'sum(up{{job="{job}"}})')] for job in processes}

    # One of many scrapes may find a process too busy to answer in time.
    wait_for(lambda: reached() == processes, "all to be reached", 120, reached)
    assert {rule["name"]: rule["lastError"] for rule in prometheus.rules() if rule["health"] != "ok"} == {}


@NEEDS_MONITORING
def test_every_panel_of_the_dashboards_shows_something(running: CommandLine, prometheus: Prometheus) -> None:
    running.succeed("produce", "--events", "2000", "--malformed", "0.2", "--late", "0.2")
    panels = {(board.uid, panel.title): panel.expr for board in DASHBOARDS for panel in board.panels}
    assert panels.keys() >= EMPTY_PANELS.keys()

    def empty() -> set[tuple[str, str]]:
        return {panel for panel, expr in panels.items() if not prometheus.ask(expr)} - EMPTY_PANELS.keys()

    wait_for(lambda: not empty(), "something in every panel", 480, empty)


@NEEDS_MONITORING
def test_a_stopped_job_and_a_paused_consumer_raise_their_alerts_which_are_resolved(
    running: CommandLine, prometheus: Prometheus, called: Called
) -> None:
    """From what goes wrong to whoever is called, and back. The job is one of Flink's, the consumer Spark's JVM."""
    no_writer, lag = ("WriterDown", "streaming.fraud_alerts"), ("KafkaConsumerLagHigh", "raw.orders")
    of_job = (f"{RISK}/critical", *no_writer)
    # A consumer that is paused for long is taken for one that is down, of which the lag is a consequence.
    of_consumer = [(DATA, name, "raw.orders") for name in ("KafkaConsumerLagHigh", "WriterDown")]

    def well() -> bool:
        # While the stack came up there was no writer: whoever was called then has been told that there is.
        last = {called.last(*call) for call in (of_job, *of_consumer)}
        return not {no_writer, lag} & prometheus.firing() and "firing" not in last

    def all_called() -> bool:
        return called.last(*of_job) == "firing" and "firing" in {called.last(*call) for call in of_consumer}

    wait_for(well, "a stack that is well", 120, lambda: (prometheus.firing(), called.calls))
    (consumer,) = (
        process
        for process in psutil.Process(running.parts()["spark"]["pid"]).children(recursive=True)
        if process.name() == "java"
    )
    consumer.suspend()
    try:
        running.succeed("jobs", "stop", "streaming.fraud_alerts")
        wait_for(lambda: {no_writer, lag} <= prometheus.firing(), "both alerts", 240, prometheus.firing)
        # Flink's others go on.
        assert ("WriterDown", "streaming.order_metrics_5min") not in prometheus.firing()
        wait_for(all_called, "the calls", 60, called.heard)
    finally:
        consumer.resume()
        running.succeed("jobs", "start", "streaming.fraud_alerts")
    wait_for(well, "both to be resolved, and the good news", 300, lambda: (prometheus.firing(), called.calls))
    assert called.last(*of_job) == "resolved"


def test_what_the_engines_count_is_what_the_events_make(running: CommandLine) -> None:
    """The last test: orders of the future close the windows of all engines, and what comes now comes too late."""
    settings = running.settings
    contracts, catalog = load_contracts(settings.contracts_dir), Catalog.from_settings(settings)
    parties = {"streaming.order_metrics", "streaming.order_metrics_5min", "streaming.order_metrics_5min_sql"}
    (trial,) = trials(contracts)
    assert {party.table for party in trial.parties} == parties
    # The first window is half; the next one ends within two. Behind the future order nothing comes that settles more.
    enough = 2 * max(party.window for party in trial.parties) + trial.settling + timedelta(minutes=1)
    begun = connect(catalog, ["raw.orders"]).execute("SELECT min(kafka_timestamp) FROM raw.orders").fetchall()[0][0]
    wait_for(lambda: datetime.now(UTC) - begun > enough, f"{enough} of events", enough.total_seconds())
    producer = Producer(settings.kafka.for_confluent())
    future = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
    for partition in range(PARTITIONS):
        producer.produce("orders.events", order(partition, at=future), partition=partition)
    assert producer.flush(60) == 0
    found: dict[str, Agreement] = {}

    def compared() -> bool:
        found.update({one.table: one for one in compare(catalog, trial)})
        return found.keys() == parties

    wait_for(compared, f"windows of {parties}", 480, lambda: (found, running.run("status").stdout))
    for table, agreement in found.items():
        assert agreement.unexplained == (), table
        # Each window may lack some that came too late, and none lacks most of what came in time.
        assert 0 <= agreement.late < agreement.events / 2, table
