"""The local Kafka broker: one node, KRaft, everything below the state directory."""

import base64
import subprocess
import uuid
from collections.abc import Iterable
from pathlib import Path

from lakehouse.contracts import Contract
from lakehouse.errors import LakehouseError
from lakehouse.local.java import Java, frugal_heap
from lakehouse.local.kafka_security import prepare_certificate, security_properties
from lakehouse.logging_format import log4j_properties
from lakehouse.settings import Settings

#: Enough for two Spark tasks and for Flink's parallelism of two, each with a partition to spare.
PARTITIONS = 4
_HOST = "127.0.0.1"


class KafkaError(LakehouseError):
    """The broker cannot be prepared or does not answer."""


def data_dir(settings: Settings) -> Path:
    """Where the broker keeps its log segments."""
    return settings.state_dir / "kafka"


def broker_command(settings: Settings, java: Java) -> tuple[str, ...]:
    """The broker's process."""
    return (*_java(settings, java, settings.kafka_heap), "kafka.Kafka", str(_properties_file(settings)))


def prepare_broker(settings: Settings, java: Java) -> None:
    """Writes the broker's configuration, and formats its storage the first time. Raises KafkaError."""
    directory = _properties_file(settings).parent
    directory.mkdir(parents=True, exist_ok=True)
    prepare_certificate(settings, java)
    _properties_file(settings).write_text(server_properties(settings), encoding="utf-8")
    _log4j_file(settings).write_text(log4j_properties(), encoding="utf-8")
    if (data_dir(settings) / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [
        *_java(settings, java, "256m"), "kafka.tools.StorageTool", "format", "--standalone",
        f"--cluster-id={cluster}", "--config", str(_properties_file(settings)),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise KafkaError(f"Kafka could not format {data_dir(settings)}:\n{(done.stdout + done.stderr).strip()}")


def server_properties(settings: Settings) -> str:
    """The broker's ``server.properties``: broker and controller in one, on the loopback interface only."""
    protocol = settings.kafka.protocol
    listeners = f"{protocol}://{_HOST}:{settings.kafka_port},CONTROLLER://{_HOST}:{settings.kafka_controller_port}"
    properties: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": listeners,
        "advertised.listeners": listeners,
        **security_properties(settings),
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{_HOST}:{settings.kafka_controller_port}",
        "log.dirs": data_dir(settings),
        # A mistyped topic should be an error; `lakehouse up` creates those of the contracts.
        "auto.create.topics.enable": "false",
        "num.partitions": PARTITIONS,
        # One node: its internal topics have no second replica, and fewer partitions than the default 50 start faster.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": PARTITIONS,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": PARTITIONS,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": PARTITIONS,
        "group.initial.rebalance.delay.ms": 0,
        # Flink uses a transactional id a checkpoint, a second apart, and never again; for a week each would be kept.
        "transactional.id.expiration.ms": 3_600_000,
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def broker_answers(settings: Settings) -> str | None:
    """None when the broker answers a client; else what is missing."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError as ClientError

    try:
        admin = KafkaAdminClient(**settings.kafka.for_python(), bootstrap_timeout_ms=2000)
        try:
            admin.list_topics()
        finally:
            admin.close()
    except (ClientError, OSError) as error:
        return f"no answer from {settings.kafka_bootstrap_servers}: {error}"
    return None


def ensure_topics(settings: Settings, contracts: Iterable[Contract]) -> list[str]:
    """Creates the topics that ``contracts`` read or write and that do not exist yet; returns those it created."""
    from kafka import KafkaAdminClient

    contracts = list(contracts)
    wanted = {contract.source.topic for contract in contracts}
    wanted |= {contract.also_to.topic for contract in contracts if contract.also_to}
    admin = KafkaAdminClient(**settings.kafka.for_python())
    try:
        missing = sorted(wanted - set(admin.list_topics()))
        options = {topic: {"num_partitions": PARTITIONS, "replication_factor": 1} for topic in missing}
        if options:
            admin.create_topics(options, wait_for_metadata=True)
    finally:
        admin.close()
    return missing


def _java(settings: Settings, java: Java, heap: str) -> tuple[str, ...]:
    jars = settings.jars_dir / "kafka" / "*"
    log4j = f"-Dlog4j2.configurationFile={_log4j_file(settings)}"
    return (str(java.executable), *frugal_heap(heap), "-Djava.awt.headless=true", log4j, "-cp", str(jars))


def _properties_file(settings: Settings) -> Path:
    return settings.run_dir / "kafka" / "server.properties"


def _log4j_file(settings: Settings) -> Path:
    return settings.run_dir / "kafka" / "log4j2.properties"
