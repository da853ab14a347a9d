"""Two groups of queries, each an application of its own on one machine; and what Prometheus scrapes of them."""

import http.client
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lakehouse.contracts import load_contracts
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.producer import produce
from lakehouse.local.kafka import ensure_topics
from lakehouse.settings import Settings
from lakehouse_spark import status
from lakehouse_spark.status import QueryState, read_queries, read_status, status_file
from tests.conftest import free_port
from tests.integration.conftest import REPOSITORY, Broker
from tests.integration.spark_job import SparkJob
from tests.waiting import wait_for

EVENTS = 200
INGESTION, METRICS = "raw.orders", "streaming.order_metrics"


class Groups:
    """The applications of the groups `ingestion` and `metrics`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ports = {"ingestion": settings.spark_status_port, "metrics": free_port()}
        # Another address of this machine, as that of a pod would be.
        self.hosts = {"ingestion": settings.spark_status_host, "metrics": "127.0.0.2"}
        self.jobs = {group: self.job(group, port) for group, port in self.ports.items()}

    def job(self, group: str, port: int) -> SparkJob:
        own = {"spark_status_port": port, "spark_status_host": self.hosts[group]}
        return SparkJob(self.settings.model_copy(update=own), group)

    def states(self) -> dict[str, QueryState]:
        return {table: query.state for table, query in read_queries(self.settings.run_dir).items()}

    def samples(self, group: str) -> dict[tuple[str, str], float]:
        """What is served at `/metrics`: name and table of each sample, with its value."""
        connection = http.client.HTTPConnection(self.hosts[group], self.ports[group], timeout=30)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert answer.status == http.client.OK
            families = text_string_to_metric_families(answer.read().decode())
        finally:
            connection.close()
        return {(s.name, s.labels.get("table", "")): s.value for family in families for s in family.samples}


@pytest.fixture(scope="module")
def groups(
    broker: Broker, make_state: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Groups]:
    directory = tmp_path_factory.mktemp("groups")
    (directory / "contracts").mkdir()
    for name, group in (("orders.yaml", "ingestion"), ("order_metrics.yaml", "metrics")):
        text = (REPOSITORY / "streaming" / "contracts" / name).read_text()
        text = text.replace("topic: orders.events", "topic: groups.orders").replace("trigger: 30", "trigger: 1")
        (directory / "contracts" / name).write_text(f"{text}group: {group}\n")
    settings = make_state(
        directory / "state",
        contracts_dir=directory / "contracts",
        kafka_bootstrap_servers=broker.bootstrap_servers,
        spark_driver_memory="512m",
    )
    ensure_topics(settings, load_contracts(settings.contracts_dir))
    produce(settings, GeneratorConfig(events=EVENTS, malformed=0.0, topic="groups.orders"))
    groups = Groups(settings)
    try:
        for job in groups.jobs.values():
            job.start()
        wait_for(
            lambda: groups.states() == {INGESTION: QueryState.RUNNING, METRICS: QueryState.RUNNING},
            "both queries to run",
            600,
            lambda: [job.tail() for job in groups.jobs.values()],
        )
        yield groups
    finally:
        for job in groups.jobs.values():
            job.clean_up()


def test_each_tells_its_own_queries_in_a_file_and_at_a_port_of_its_own(groups: Groups) -> None:
    for group, table in (("ingestion", INGESTION), ("metrics", METRICS)):
        assert list(read_status(status_file(groups.settings, group)).queries) == [table]
        assert groups.samples(group)["lakehouse_spark_query_running", table] == 1
        assert {found for _, found in groups.samples(group)} == {table}


def test_prometheus_finds_the_progress_of_a_running_query(groups: Groups) -> None:
    wait_for(lambda: groups.samples("metrics").get(("lakehouse_spark_lag_messages", METRICS)) == 0, "no lag", 120)
    # The watermark moves with the trigger behind the one that read the events.
    watermark = ("lakehouse_spark_watermark_timestamp_seconds", METRICS)
    wait_for(lambda: groups.samples("metrics").get(watermark, 0) > 0, "the watermark", 120)
    samples = groups.samples("metrics")
    for name in ("state_rows", "state_bytes"):
        assert samples[f"lakehouse_spark_{name}", METRICS] > 0
    assert samples["lakehouse_spark_query_failures_total", METRICS] == 0
    # Of ingestion, which has no state, nothing is told of one.
    assert ("lakehouse_spark_state_rows", INGESTION) not in groups.samples("ingestion")


def test_a_port_that_another_application_has_is_refused_with_the_setting(groups: Groups) -> None:
    third = groups.job("ingestion", groups.ports["ingestion"])
    log = third.log.stat().st_size
    try:
        third.start()
        wait_for(lambda: not third.running(), "the application to end", 120, third.tail)
    finally:
        third.clean_up()
    told = third.log.read_text()[log:]
    assert f"127.0.0.1:{groups.ports['ingestion']}, where the Spark application tells its status, is in use" in told
    assert "LAKEHOUSE_SPARK_STATUS_PORT=" in told


def test_one_that_ends_leaves_the_other_running(groups: Groups) -> None:
    assert groups.jobs["ingestion"].terminate(90) == 0
    assert groups.states() == {INGESTION: QueryState.STOPPED, METRICS: QueryState.RUNNING}


def test_one_that_is_killed_is_silent_after_a_while(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    groups.jobs["metrics"].kill_everything()
    assert groups.states()[METRICS] is QueryState.RUNNING
    monkeypatch.setattr(status, "SILENT_AFTER", timedelta(seconds=1))
    wait_for(lambda: groups.states()[METRICS] is QueryState.SILENT, "the silence", 30, groups.states)
    # What was stopped in good order is not.
    assert groups.states()[INGESTION] is QueryState.STOPPED
