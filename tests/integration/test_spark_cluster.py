"""Models, and the job `cluster`, on the executors of a Spark cluster: a master and a worker on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest
import requests

from lakehouse.local.java import find_java
from lakehouse.settings import Settings
from tests.conftest import free_ports
from tests.lakehouse_dbt import PROJECT, Event, Lakehouse
from tests.waiting import wait_for

SPARK_HOME = Path(pyspark.__path__[0])
PROGRAMS = Path(sys.executable).parent


class Cluster:
    """One worker with a core. ``conf`` is the directory that `SPARK_CONF_DIR` names where an application runs."""

    def __init__(self, port: int, page: int, conf: Path) -> None:
        self.master = f"spark://127.0.0.1:{port}"
        self.conf = conf
        self._page = page
        self._http = requests.Session()
        self._http.trust_env = False

    def state(self) -> dict[str, Any] | None:
        """What the master tells; None while it does not."""
        try:
            told: dict[str, Any] = self._http.get(f"http://127.0.0.1:{self._page}/json/", timeout=60).json()
        except requests.RequestException:  # Its server answers before it serves that page.
            return None
        return told

    def ready(self) -> bool:
        told = self.state()
        return told is not None and told["aliveworkers"] == 1

    def cores_of(self, name: str) -> int:
        """How many the application had that has ended; its driver is gone before the master knows that."""

        def ended() -> list[int]:
            told = self.state() or {"completedapps": []}
            return [application["cores"] for application in told["completedapps"] if application["name"] == name]

        wait_for(lambda: bool(ended()), f"the end of {name} in Spark's master", 120, self.state)
        return ended()[0]


@pytest.fixture(scope="module")
def cluster(jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("cluster")
    port, page, workers_page = free_ports(3)
    # As docs/how-to/dbt-on-spark.md says; nothing here is on S3.
    sets = ":".join(str(jars / name / "*") for name in ("spark", "events", "log-store"))
    options = {
        "spark.executor.extraClassPath": sets,
        "spark.executor.memory": "512m",
        "spark.driver.host": "127.0.0.1",
    }
    (directory / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    cluster = Cluster(port, page, directory)
    environment = {**os.environ, "SPARK_HOME": str(SPARK_HOME), "JAVA_HOME": str(find_java().home)}
    environment |= {"SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_IP": "127.0.0.1"}
    master = ["master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)]
    worker = ["worker.Worker", "--host", "127.0.0.1", "--webui-port", str(workers_page), "--cores", "1"]
    worker += ["--memory", "1g", "--work-dir", str(directory / "work"), cluster.master]
    log, started = directory / "cluster.log", []
    try:
        with log.open("wb") as output:
            for program, *arguments in (master, worker):
                command = [SPARK_HOME / "bin" / "spark-class", f"org.apache.spark.deploy.{program}", *arguments]
                started.append(subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT))
        wait_for(cluster.ready, "a worker of Spark's master", 180, lambda: log.read_text()[-4000:])
        yield cluster
    finally:
        # The worker first, and asked: it ends the executors that it has started.
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture
def environment(make_state: Callable[..., Settings], cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    settings = make_state(tmp_path / "state", root=str(tmp_path / "tables"), spark_master=cluster.master)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    own = {"SPARK_CONF_DIR": str(cluster.conf), "SPARK_LOCAL_IP": "127.0.0.1", "DAGSTER_HOME": str(tmp_path)}
    written = {"DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path / "target")}
    return {**os.environ, **settings.as_environment(), **own, **written}


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path)
    lakehouse.create_source()
    for number in range(3):
        lakehouse.produce(Event(f"o{number}", currency="EUR"), Event("o0").later(number, status="paid"))
    return lakehouse


def run(program: str, *arguments: str, environment: dict[str, str], cwd: Path = PROJECT) -> None:
    done = subprocess.run(
        [PROGRAMS / program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


def test_executors_compute_models_and_write_what_duckdb_would(
    cluster: Cluster, environment: dict[str, str], lakehouse: Lakehouse
) -> None:
    models = ("dim_fx_rates", "stg_orders", "fct_orders_daily")
    run(
        *("dbt", "build", "--target", "spark", "--profiles-dir", ".", "--exclude-resource-type", "test"),
        *("--select", *models),
        environment=environment,
    )
    assert cluster.cores_of("dbt") == 1
    held = "SELECT order_id, status, amount_usd_cents FROM marts.fct_orders_daily ORDER BY ALL"
    by_spark = lakehouse.rows(held)
    assert len(by_spark) == 3
    lakehouse.run("--full-refresh", "--select", *models)
    assert lakehouse.rows(held) == by_spark


def test_executors_sort_a_table(
    cluster: Cluster, environment: dict[str, str], lakehouse: Lakehouse, tmp_path: Path
) -> None:
    before = lakehouse.rows("SELECT * FROM raw.orders ORDER BY ALL")
    config = {"ops": {"cluster_table": {"config": {"table": "raw.orders", "by": ["event_time"]}}}}
    (tmp_path / "run.yaml").write_text(json.dumps(config))
    job = ("job", "execute", "-m", "lakehouse.definitions", "-j", "cluster", "-c", str(tmp_path / "run.yaml"))
    run("dagster", *job, environment=environment, cwd=tmp_path)
    assert cluster.cores_of("dagster") == 1
    assert lakehouse.table("raw.orders").history(limit=1)[0]["operation"] == "OPTIMIZE"
    assert lakehouse.rows("SELECT * FROM raw.orders ORDER BY ALL") == before
