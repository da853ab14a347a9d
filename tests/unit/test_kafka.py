"""One description of a cluster, in the words of three client libraries."""

from dataclasses import replace

import pytest

from lakehouse.kafka import Kafka

PLAIN_TEXT = Kafka("a:1,b:2")
SECURE = Kafka("a:1,b:2", "SASL_SSL", "SCRAM-SHA-512", "ann", "hunter2", "/ca.pem")


def test_without_security_only_the_servers_are_told() -> None:
    assert PLAIN_TEXT.for_confluent() == {"bootstrap.servers": "a:1,b:2", "security.protocol": "plaintext"}
    assert PLAIN_TEXT.for_python() == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}
    assert PLAIN_TEXT.for_java() == {}


def test_each_library_is_told_user_mechanism_and_authority() -> None:
    assert SECURE.for_confluent() == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ann",
        "sasl.password": "hunter2",
        "ssl.ca.location": "/ca.pem",
    }
    assert SECURE.for_python() == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ann",
        "sasl_plain_password": "hunter2",
        "ssl_cafile": "/ca.pem",
    }


def test_java_clients_find_user_and_password_in_their_environment() -> None:
    options = SECURE.for_java()
    assert options["sasl.jaas.config"] == (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="${env:LAKEHOUSE_KAFKA_SASL_USERNAME}" password="${env:LAKEHOUSE_KAFKA_SASL_PASSWORD}";'
    )
    assert options["config.providers.env.class"].endswith("EnvVarConfigProvider")
    assert options["ssl.truststore.location"] == "/ca.pem"
    assert not {"ann", "hunter2"} & set("\0".join(options.values()).replace('"', "\0").split("\0"))


@pytest.mark.parametrize(
    ("protocol", "authenticates", "encrypts"), [("SSL", False, True), ("SASL_PLAINTEXT", True, False)]
)
def test_a_protocol_asks_for_its_own_half(protocol: str, authenticates: bool, encrypts: bool) -> None:
    kafka = replace(SECURE, protocol=protocol)  # type: ignore[arg-type]
    for options in (kafka.for_confluent(), kafka.for_python(), kafka.for_java()):
        assert any("sasl" in option and "protocol" not in option for option in options) is authenticates
        assert any(option.startswith("ssl") for option in options) is encrypts


def test_brokers_that_the_machine_trusts_need_no_authority() -> None:
    trusted = replace(SECURE, ca_file="")
    for options in (trusted.for_confluent(), trusted.for_python(), trusted.for_java()):
        assert not any(option.startswith("ssl") for option in options)


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(SECURE)
    assert str(SECURE) == "a:1,b:2"
