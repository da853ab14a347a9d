"""Real parts, started once on free ports, shared by the tests that can share, and always stopped."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.local.jars import JAR_SETS, fetch_jars
from lakehouse.local.java import find_java
from lakehouse.local.kafka import broker_answers, broker_command, prepare_broker
from lakehouse.local.postgres import prepare_server, server_answers, server_command
from lakehouse.settings import Settings, load_settings
from lakehouse_spark.session import spark_session
from tests.conftest import free_port
from tests.waiting import wait_for

REPOSITORY = Path(__file__).parents[2]
#: Settings of Kafka with TLS and SASL; the local broker makes its certificates, and where they lie is known.
SASL = {
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "PLAIN",
    "kafka_sasl_username": "lakehouse",
    "kafka_sasl_password": "kafkas-test-password",
}


class Broker:
    """A running broker. ``settings`` are those it was started with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bootstrap_servers = settings.kafka_bootstrap_servers


@pytest.fixture(scope="session")
def jars() -> Path:
    """The jars of the project, fetched where they are missing."""
    settings = load_settings({"home": REPOSITORY})
    for jar_set in JAR_SETS:
        fetch_jars(settings, jar_set)
    return settings.jars_dir


@pytest.fixture(scope="session")
def make_state(jars: Path, make_settings: Callable[..., Settings]) -> Callable[..., Settings]:
    """Settings over a state directory that already has its jars."""

    def make(state_dir: Path, **overrides: object) -> Settings:
        state_dir.mkdir(parents=True, exist_ok=True)
        (state_dir / "jars").symlink_to(jars)
        return make_settings(state_dir, **overrides)

    return make


@pytest.fixture(scope="session")
def broker(make_state: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One Kafka broker for the session; each test takes topics of its own."""
    with _running_broker(make_state(tmp_path_factory.mktemp("broker") / "state")) as running:
        yield running


@pytest.fixture(scope="session")
def secured_broker(make_state: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One that asks for TLS and SASL; its settings have what opens it."""
    with _running_broker(make_state(tmp_path_factory.mktemp("secured") / "state", **SASL)) as running:
        yield running


@contextmanager
def _running_broker(settings: Settings) -> Iterator[Broker]:
    java = find_java()
    prepare_broker(settings, java)
    log, environment = settings.state_dir / "broker.log", {**os.environ, **settings.as_environment()}
    command = broker_command(settings, java)
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: broker_answers(settings) is None, "the broker to answer", 180, lambda: log.read_text()[-2000:])
        yield Broker(settings)
    finally:
        # Nobody needs its good order any more, which a busy machine takes its time for.
        process.kill()
        process.wait(timeout=60)


@pytest.fixture(scope="session")
def postgres(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running Postgres without tables; its settings."""
    settings = make_settings(tmp_path_factory.mktemp("postgres") / "state")
    settings.state_dir.mkdir()
    prepare_server(settings)
    log = settings.state_dir / "postgres.log"
    with log.open("wb") as output:
        process = subprocess.Popen(server_command(settings), stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: server_answers(settings) is None, "Postgres to answer", 180, lambda: log.read_text()[-2000:])
        yield settings
    finally:
        # At once: its files are nobody's any more.
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=60)


@pytest.fixture(scope="session")
def s3_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An S3-compatible server with the bucket `lake`: the variables by which AWS clients find it."""
    directory, port = tmp_path_factory.mktemp("s3"), free_port()
    jars = fetch_jars(load_settings({"home": REPOSITORY}), "s3proxy")
    properties = {
        "s3proxy.endpoint": f"http://127.0.0.1:{port}",
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": "test-key",
        "s3proxy.credential": "test-secret",
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": directory / "buckets",
    }
    (directory / "buckets" / "lake").mkdir(parents=True)
    (directory / "s3proxy.conf").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    (directory / "logback.xml").write_text('<configuration><root level="OFF"/></configuration>')
    command = [
        *(str(find_java().executable), "-Xmx256m", f"-Dlogback.configurationFile={directory / 'logback.xml'}"),
        *("-cp", f"{jars}/*", "org.gaul.s3proxy.Main", "--properties", str(directory / "s3proxy.conf")),
    ]
    log = directory / "s3proxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: _listens(port), "the S3 server to listen", 180, lambda: log.read_text()[-2000:])
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
        }
    finally:
        # Nobody needs its good order any more, which a busy machine takes its time for.
        process.kill()
        process.wait(timeout=60)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def spark(make_state: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One Spark session for the tests that transform frames in this process."""
    settings = make_state(tmp_path_factory.mktemp("spark") / "state")
    session = spark_session(settings, "tests", {"spark.ui.enabled": "false"})
    yield session
    session.stop()


@pytest.fixture
def own_settings(broker: Broker, make_state: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Tables and checkpoints of the test's own, and the broker that all share."""
    return make_state(tmp_path / "state", kafka_bootstrap_servers=broker.bootstrap_servers)
