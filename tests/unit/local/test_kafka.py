"""The broker's configuration."""

import pytest

from lakehouse.local.java import Java
from lakehouse.local.kafka import broker_command, server_properties
from lakehouse.local.kafka_security import KafkaSecurityError
from lakehouse.settings import Settings, load_settings


def properties(settings: Settings) -> dict[str, str]:
    return dict(line.split("=", 1) for line in server_properties(settings).splitlines())


def test_ports_follow_the_settings_and_stay_on_loopback(settings: Settings) -> None:
    moved = load_settings({"home": settings.home, "kafka_port": 1234, "kafka_controller_port": 1235})
    assert properties(moved)["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235"


SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "ann", "kafka_sasl_password": "hunter2"}


def test_clients_are_offered_the_protocol_that_they_are_told_to_use(settings: Settings) -> None:
    secure = load_settings({"home": settings.home, **SASL, "kafka_sasl_mechanism": "PLAIN"})
    found = properties(secure)
    assert found["listeners"].startswith("SASL_SSL://127.0.0.1:")
    assert found["listener.security.protocol.map"] == "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT"
    assert "user_ann=" in found["listener.name.sasl_ssl.plain.sasl.jaas.config"]
    assert "hunter2" not in server_properties(secure)


def test_a_mechanism_that_the_local_broker_lacks_is_refused_with_the_one_it_has(settings: Settings) -> None:
    with pytest.raises(KafkaSecurityError, match=r"LAKEHOUSE_KAFKA_SASL_MECHANISM=SCRAM-SHA-512.* PLAIN alone"):
        server_properties(load_settings({"home": settings.home, **SASL}))


def test_topics_are_never_created_by_mistake(settings: Settings) -> None:
    assert properties(settings)["auto.create.topics.enable"] == "false"


def test_data_lies_in_the_state_directory(settings: Settings) -> None:
    assert properties(settings)["log.dirs"].startswith(str(settings.state_dir))


def test_the_heap_is_a_setting(settings: Settings, java: Java) -> None:
    roomy = load_settings({"home": settings.home, "kafka_heap": "2g"})
    assert broker_command(roomy, java)[:2] == ("/opt/java/bin/java", "-Xmx2g")
