"""How clients reach Kafka, said once, and told to each client library in its own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

#: Where the JVMs of Spark and Flink find user and password, in the environment of each process that connects.
USERNAME_VARIABLE = "LAKEHOUSE_KAFKA_SASL_USERNAME"
PASSWORD_VARIABLE = "LAKEHOUSE_KAFKA_SASL_PASSWORD"  # noqa: S105 - a name
_LOGIN_MODULES: Mapping[SaslMechanism, str] = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


@dataclass(frozen=True)
class Kafka:
    """A cluster as a client needs to know it: `Settings.kafka`.

    ``ca_file`` holds the certificates (PEM) by which brokers are known; empty for those that the machine trusts anyway.
    """

    bootstrap_servers: str
    protocol: SecurityProtocol = "PLAINTEXT"
    mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""

    def __str__(self) -> str:
        return self.bootstrap_servers

    @property
    def encrypts(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def authenticates(self) -> bool:
        return self.protocol.startswith("SASL")

    def for_confluent(self) -> dict[str, Any]:
        """Configuration of a client of confluent-kafka (librdkafka)."""
        options: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.protocol.lower(),
        }
        if self.authenticates:
            options |= {"sasl.mechanism": self.mechanism}
            options |= {"sasl.username": self.username, "sasl.password": self.password}
        if self.encrypts and self.ca_file:
            options["ssl.ca.location"] = self.ca_file
        return options

    def for_python(self) -> dict[str, Any]:
        """Arguments of a client of kafka-python."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.protocol,
        }
        if self.authenticates:
            options |= {"sasl_mechanism": self.mechanism}
            options |= {"sasl_plain_username": self.username, "sasl_plain_password": self.password}
        if self.encrypts and self.ca_file:
            options["ssl_cafile"] = self.ca_file
        return options

    def for_spark(self) -> dict[str, str]:
        """Options of Spark's Kafka source. They hold no secret, see ``for_java``."""
        options = {"bootstrap.servers": self.bootstrap_servers, **self.for_java()}
        return {f"kafka.{name}": value for name, value in options.items()}

    def for_java(self) -> dict[str, str]:
        """What a Java client needs beside ``bootstrap.servers``. It holds no secret.

        Such options end up in query plans, job graphs and web interfaces. So they only refer to the environment of the
        process, which Kafka's own config provider looks into as it connects.
        """
        if self.protocol == "PLAINTEXT":
            return {}
        options: dict[str, str] = {"security.protocol": self.protocol}
        if self.authenticates:
            options |= {
                "sasl.mechanism": self.mechanism,
                "sasl.jaas.config": (
                    f'{_LOGIN_MODULES[self.mechanism]} required username="${{env:{USERNAME_VARIABLE}}}" '
                    f'password="${{env:{PASSWORD_VARIABLE}}}";'
                ),
                "config.providers": "env",
                "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            }
        if self.encrypts and self.ca_file:
            options |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": self.ca_file}
        return options
