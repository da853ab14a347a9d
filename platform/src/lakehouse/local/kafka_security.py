"""The local broker under another security protocol than PLAINTEXT: what a cluster asks of clients can be tried here."""

import os
import subprocess
import tempfile
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.kafka import PASSWORD_VARIABLE, USERNAME_VARIABLE
from lakehouse.local.java import Java
from lakehouse.settings import Settings

_STORE = "broker.p12"
#: Java insists on one; what protects the key is the mode of its file.
_STORE_PASSWORD = "lakehouse"  # noqa: S105
_TEN_YEARS_DAYS = "3650"


class KafkaSecurityError(LakehouseError):
    """The local broker cannot do what its clients are told to ask for."""


def security_properties(settings: Settings) -> dict[str, object]:
    """What the broker's configuration says of its clients' listener, beside that listener's address. Holds no password.

    Raises KafkaSecurityError for a mechanism that it does not offer.
    """
    kafka = settings.kafka
    properties: dict[str, object] = {
        "listener.security.protocol.map": f"{kafka.protocol}:{kafka.protocol},CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": kafka.protocol,
    }
    if kafka.authenticates:
        if kafka.mechanism != "PLAIN":
            raise KafkaSecurityError(
                f"LAKEHOUSE_KAFKA_SASL_MECHANISM={kafka.mechanism}: the local broker offers PLAIN alone. Set that, or "
                "name another broker: LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS=host:port"
            )
        password = f'"${{env:{PASSWORD_VARIABLE}}}"'
        properties |= {
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            # The broker is a client of its own, when it writes the markers of transactions.
            f"listener.name.{kafka.protocol.lower()}.plain.sasl.jaas.config": (
                "org.apache.kafka.common.security.plain.PlainLoginModule required "
                f'username="${{env:{USERNAME_VARIABLE}}}" password={password} user_{kafka.username}={password};'
            ),
            "config.providers": "env",
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        }
    if kafka.encrypts:
        properties |= {
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": _directory(settings) / _STORE,
            "ssl.keystore.password": _STORE_PASSWORD,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": settings.kafka_local_ca,
        }
    return properties


def prepare_certificate(settings: Settings, java: Java) -> None:
    """Makes the broker a key and a certificate, once, where its protocol needs them. Raises KafkaSecurityError."""
    directory = _directory(settings)
    if not settings.kafka.encrypts or directory.exists():
        return
    with tempfile.TemporaryDirectory(dir=settings.state_dir, prefix=".kafka-tls-") as temporary:
        new = Path(temporary) / "new"
        new.mkdir(mode=0o700)
        _keytool(
            java, new, "-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=lakehouse local broker",
            # Known by itself: the certificate is the authority, too.
            "-ext", "bc:c=ca:true", "-ext", "san=ip:127.0.0.1,dns:localhost", "-validity", _TEN_YEARS_DAYS,
        )  # fmt: skip
        _keytool(java, new, "-exportcert", "-rfc", "-file", str(new / settings.kafka_local_ca.name))
        os.rename(new, directory)


def _keytool(java: Java, directory: Path, *arguments: str) -> None:
    command = [
        str(java.home / "bin" / "keytool"), *arguments, "-alias", "broker", "-storetype", "PKCS12",
        "-keystore", str(directory / _STORE), "-storepass", _STORE_PASSWORD,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise KafkaSecurityError(f"keytool made no certificate for the broker:\n{(done.stdout + done.stderr).strip()}")


def _directory(settings: Settings) -> Path:
    return settings.kafka_local_ca.parent
