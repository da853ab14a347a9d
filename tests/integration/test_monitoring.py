"""Prometheus and Alertmanager as the stack starts them, over metrics made up here: who is called for what."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lakehouse.contracts import Engine, load_contracts
from lakehouse.local.monitoring import find_tool, prepare_monitoring, ready, server_command
from lakehouse.local.programs import MONITORING
from lakehouse.settings import Settings, load_settings
from tests.monitoring import Alertmanager, Called, Prometheus, being_called
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(
    not all(find_tool(name) for name in MONITORING),
    reason="Prometheus is missing: apt-get install prometheus prometheus-alertmanager",
)
#: Five minutes are a second, and so is every shorter time.
HASTE = 300.0
DATA, RISK = "team:data-platform", "team:risk"


@dataclass
class Page:
    """What one process tells Prometheus."""

    port: int = 0
    series: dict[str, Callable[[], float]] = field(default_factory=dict)

    def set(self, name: str, value: float) -> None:
        self.series[name] = lambda: value

    def text(self) -> str:
        return "".join(f"{name} {value()}\n" for name, value in self.series.items())


@contextmanager
def serving(page: Page) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page.text().encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (overridden)
            """A scrape each second is no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    page.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Monitored:
    """A stack that is well, but for what a test puts on its ``pages``."""

    exporter: Page
    spark: Page
    flink: Page
    prometheus: Prometheus
    alertmanager: Alertmanager
    called: Called


@contextmanager
def running(settings: Settings, role: str) -> Iterator[None]:
    log = settings.state_dir / f"{role}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(server_command(settings, role), stdout=output, stderr=subprocess.STDOUT)
    port = settings.prometheus_port if role == "prometheus" else settings.alertmanager_port
    try:
        wait_for(lambda: ready(port) is None, role, 60, lambda: (ready(port), log.read_text()[-2000:]))
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def monitored(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    directory = tmp_path_factory.mktemp("monitored")
    receivers = directory / "receivers.yaml"
    exporter, spark, flink = Page(), Page(), Page()
    settings = make_settings(directory / "state", alert_haste=HASTE, alert_receivers=str(receivers))
    for contract in load_contracts(settings.contracts_dir):
        if contract.resolved_engine is Engine.SPARK:
            spark.set(running_query(contract.table), 1)
        else:
            job = contract.table.replace(".", "_")
            flink.set(f'flink_jobmanager_job_runningTime{{job_name="{job}"}}', 5)
    with serving(exporter), serving(spark), serving(flink), being_called() as called:
        teams = (DATA, RISK, "lakehouse")
        destinations = {f"{team}/{severity}" for team in teams for severity in ("critical", "error", "warning")}
        receivers.write_text(json.dumps({name: called.destination(name) for name in destinations}))
        ports = {
            "exporter_port": exporter.port,
            "spark_status_port": spark.port,
            "flink_metrics_ports": f"{flink.port}-{flink.port}",
        }
        settings = load_settings({**settings.model_dump(), **ports})
        prepare_monitoring(settings)
        with running(settings, "alertmanager"), running(settings, "prometheus"):
            servers = Prometheus(settings.prometheus_port), Alertmanager(settings.alertmanager_port)
            wait_for(lambda: len(servers[0].ask("up == 1")) == 3, "three pages", 60, lambda: servers[0].ask("up"))
            yield Monitored(exporter, spark, flink, *servers, called)


def running_query(table: str) -> str:
    return f'lakehouse_spark_query_running{{table="{table}"}}'


def failing_check(asset: str) -> str:
    return f'lakehouse_dagster_asset_check_passed{{asset="{asset}",check="freshness",severity="error"}}'


def test_a_table_is_known_by_whichever_label_names_it_and_its_team_is_called(monitored: Monitored) -> None:
    backpressure = "flink_taskmanager_job_task_backPressuredTimeMsPerSecond"
    lag = 'kafka_consumergroup_lag{consumergroup="lakehouse.streaming.orders_enriched",topic="t",partition="0"}'
    began = time.monotonic()
    trouble = {
        f'{backpressure}{{job_name="streaming_fraud_alerts",task_name="a"}}': (monitored.flink, lambda: 900.0),
        failing_check("streaming/order_metrics"): (monitored.exporter, lambda: 0.0),
        lag: (monitored.exporter, lambda: (time.monotonic() - began) * 1000),
        failing_check("marts/fct_orders_daily"): (monitored.exporter, lambda: 0.0),
    }
    calls = [
        (f"{RISK}/warning", "FlinkBackpressure", "streaming.fraud_alerts"),
        (f"{DATA}/error", "AssetCheckFailing", "streaming.order_metrics"),
        (f"{DATA}/critical", "KafkaConsumerLagGrowing", "streaming.orders_enriched"),
        # A table of dbt is in no contract.
        ("lakehouse/error", "AssetCheckFailing", "marts.fct_orders_daily"),
    ]
    for series, (page, value) in trouble.items():
        page.series[series] = value
    heard = monitored.called
    wait_for(lambda: all(heard.for_alert(*call) == ["firing"] for call in calls), "the calls", 60, heard.heard)
    for series, (page, _) in trouble.items():
        del page.series[series]
    # The others look back on five minutes.
    over = [call for call in calls if call[1] == "AssetCheckFailing"]
    resolved = ["firing", "resolved"]
    wait_for(lambda: all(heard.for_alert(*call) == resolved for call in over), "the good news", 90, heard.heard)
    assert {call[:3] for call in heard.heard()} == set(calls)


def test_of_a_writer_that_is_down_nobody_is_told_what_follows_from_it(monitored: Monitored) -> None:
    monitored.spark.set(running_query("raw.orders"), 0)
    cause, consequence = ("WriterDown", "raw.orders"), ("AssetCheckFailing", "raw.orders")
    heard = monitored.called
    wait_for(lambda: heard.for_alert(f"{DATA}/critical", *cause) == ["firing"], "the cause", 60, heard.heard)
    monitored.exporter.set(failing_check("raw/orders"), 0)
    wait_for(
        lambda: monitored.alertmanager.state(*consequence) == "suppressed",
        "silence about it",
        60,
        lambda: monitored.alertmanager.state(*consequence),
    )
    assert heard.for_alert(f"{DATA}/error", *consequence) == []
    monitored.spark.set(running_query("raw.orders"), 1)
    # With its cause gone it is told.
    wait_for(lambda: heard.for_alert(f"{DATA}/error", *consequence) == ["firing"], "a call", 90, heard.heard)


def test_an_exporter_that_is_down_concerns_those_who_run_the_lakehouse(monitored: Monitored) -> None:
    monitored.exporter.series = {"not a metric {": lambda: 1.0}
    call = ("lakehouse/critical", "ExporterDown", "")
    heard = monitored.called
    wait_for(lambda: heard.for_alert(*call) == ["firing"], "the call", 60, heard.heard)
    monitored.exporter.series = {}
    wait_for(lambda: heard.for_alert(*call) == ["firing", "resolved"], "the good news", 90, heard.heard)
