"""Every port, path and address of the platform, each with exactly one setting.

A setting is read from the environment variable ``LAKEHOUSE_<NAME>`` when ``load_settings()`` is called, never
at import. Processes that the local stack starts receive the resolved values through ``as_environment()``, so
that all of them agree.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from lakehouse.errors import LakehouseError
from lakehouse.kafka import Kafka, SaslMechanism, SecurityProtocol
from lakehouse.quantity import Quantity

_PREFIX = "LAKEHOUSE_"
_MARKER = Path("streaming") / "contracts"


class SettingsError(LakehouseError):
    """A ``LAKEHOUSE_*`` variable does not hold what it should."""


def find_home(start: Path) -> Path:
    """The project directory: ``start`` or its nearest parent that holds ``streaming/contracts``.

    Falls back to the checkout this package was installed from, so that the command works from anywhere.
    Raises SettingsError, listing every place searched, when there is none.
    """
    package_parents = Path(__file__).resolve().parents
    candidates = [start.resolve(), *start.resolve().parents, *package_parents]
    for candidate in candidates:
        if (candidate / _MARKER).is_dir():
            return candidate
    searched = "\n  ".join(str(c) for c in candidates)
    raise SettingsError(
        f"no directory with {_MARKER}/ found. Searched:\n  {searched}\n"
        f"Run inside a project, or set {_PREFIX}HOME to its path."
    )


class Settings(BaseSettings):
    """Resolved settings; immutable, safe to pass anywhere."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore")

    home: Path = Field(description="The project: contracts, dbt project, dagster.yaml")
    state_dir: Path = Field(description="Logs, pids, jars, and what the next two say; default: .lakehouse")
    root: str = Field(
        description="Where Delta tables live, a path or s3://bucket/prefix; default: tables in the state directory"
    )
    checkpoint_root: str = Field(
        description="Where checkpoints live, a path or s3a://bucket/prefix; default: in the state directory, or "
        "_checkpoints beside tables on S3"
    )
    contracts_dir: Path = Field(description="One YAML file a streaming table; default: streaming/contracts")

    kafka_port: int = Field(default=9092, ge=1, le=65535, description="Local broker, clients")
    kafka_controller_port: int = Field(default=9093, ge=1, le=65535, description="Local broker, KRaft controller")
    kafka_bootstrap_servers: str = Field(default="", description="host:port[,…]; default: the local broker")
    kafka_security_protocol: SecurityProtocol = Field(default="PLAINTEXT", description="How all clients reach Kafka")
    kafka_sasl_mechanism: SaslMechanism = Field(default="SCRAM-SHA-512", description="Of the SASL protocols")
    kafka_sasl_username: str = Field(default="", validate_default=True, description="User of the SASL protocols")
    kafka_sasl_password: SecretStr = Field(
        default=SecretStr(""), validate_default=True, description="Its password; in the environment of each process"
    )
    kafka_ssl_ca: str = Field(
        default="",
        description="Certificates (PEM) that brokers are known by; default: those that the machine trusts, and of the "
        "local broker its own",
    )
    kafka_heap: str = Field(default="512m", description="-Xmx of the local broker")

    postgres_host: str = Field(default="127.0.0.1", description="Postgres that dbt reads; default: the local one")
    # Not 5432: a Postgres of one's own may well be there.
    postgres_port: int = Field(default=15432, ge=1, le=65535, description="Postgres, the local one included")
    postgres_database: str = Field(default="lakehouse", description="Postgres database")
    postgres_user: str = Field(default="lakehouse", description="Postgres role")
    postgres_password: SecretStr = Field(
        default=SecretStr(""),
        description="Its password; default: one made for the local Postgres, kept beside its data",
    )

    dagster_storage: Literal["sqlite", "postgres"] = Field(
        default="sqlite", description="Where Dagster keeps runs and events; postgres: the Postgres above"
    )
    dagster_host: str = Field(default="127.0.0.1", description="Address the Dagster webserver listens on")
    dagster_port: int = Field(default=3000, ge=1, le=65535, description="Dagster webserver")
    dagster_code_port: int = Field(default=13030, ge=1, le=65535, description="Dagster's code location, on loopback")
    dagster_url: str = Field(
        default="",
        pattern="^(https?://[^\\s/]+.*)?$",
        description="Where others find it, and links of notifications lead; default: host and port",
    )
    dagster_steps: Literal["processes", "pods"] = Field(
        default="processes", description="What a step of a run is; pods: on Kubernetes, as the Helm chart sets it"
    )
    dagster_spark_image: str = Field(
        default="",
        validate_default=True,
        description="On Kubernetes, the image of runs that start Spark themselves, as the Helm chart sets it",
    )
    dagster_spark_cpu: Quantity = Field(default="2", description="Cores that such a run asks for")
    dagster_spark_memory: Quantity = Field(default="4Gi", description="Memory of such a run; its heap follows from it")

    event_retention_days: int = Field(
        default=7,
        ge=1,
        description="Days that Dagster keeps what sensors told of tables: observations, new versions, checks; the "
        "newest of each stays",
    )

    exporter_host: str = Field(default="127.0.0.1", description="Address the exporter listens on")
    exporter_port: int = Field(default=9308, ge=1, le=65535, description="Exporter: /metrics, Prometheus")

    # Neither 9090 nor 9093: Debian's packages start servers of their own there, and the broker has the second.
    prometheus_port: int = Field(default=19090, ge=1, le=65535, description="Local Prometheus, `up --monitoring`")
    alertmanager_port: int = Field(default=19093, ge=1, le=65535, description="Local Alertmanager, `up --monitoring`")
    alert_receivers: str = Field(
        default="",
        description="A YAML file that says how receivers of alerts are reached, see docs/how-to/monitoring.md; "
        "default: alerts are shown, and nobody called",
    )
    alert_haste: float = Field(
        default=1.0, ge=1, description="For tests: what alerts wait, and scrapes, are divided by it"
    )

    spark_ui_port: int = Field(default=4040, ge=1, le=65535, description="Spark UI of the streaming application")
    spark_status_host: str = Field(
        default="127.0.0.1",
        description="Address that the next is listened to on; 0.0.0.0 where Prometheus scrapes from another machine",
    )
    spark_status_port: int = Field(
        default=4041,
        ge=1,
        le=65535,
        description="Spark queries: /status, JSON; /metrics, Prometheus. One each where applications share a host",
    )
    spark_driver_memory: str = Field(default="1g", description="-Xmx of the Spark application")
    spark_fault: str = Field(default="", description="For tests: `point:table:count` at which Spark is killed")
    spark_master: str = Field(default="local[2]", description="Spark master of the streaming application")

    flink_rest_port: int = Field(default=8081, ge=1, le=65535, description="Flink: REST API and web interface")
    flink_rpc_port: int = Field(default=6123, ge=1, le=65535, description="Local Flink, JobManager to TaskManager")
    flink_metrics_ports: str = Field(
        default="9249-9260",
        pattern=r"^\d+(-\d+)?$",
        description="Local Flink, Prometheus metrics: each process takes the first free port, on all interfaces",
    )
    flink_jobmanager_heap: str = Field(default="512m", description="-Xmx of the local JobManager")
    flink_taskmanager_memory: int = Field(
        default=1728, ge=1, description="Memory of the local TaskManager's process, MiB"
    )
    flink_task_slots: int = Field(default=8, ge=1, description="Tasks of the local TaskManager, one or more a job")

    dbt_memory: str = Field(default="1GB", description="Memory limit of DuckDB in a dbt run")

    notify_severity: Literal["error", "warn"] = Field(
        default="error", description="Checks that are notified of: error, or warn for all of them"
    )
    notify_slack_webhook: SecretStr = Field(
        default=SecretStr(""), description="Incoming webhook that failures and recoveries are posted to; default: none"
    )
    notify_email_to: str = Field(default="", description="Addresses that they are sent to, by commas; default: none")
    notify_email_from: str = Field(default="lakehouse@localhost", description="Sender of these e-mails")
    notify_smtp_host: str = Field(default="127.0.0.1", description="Mail server that takes them")
    notify_smtp_port: int = Field(
        default=25, ge=1, le=65535, description="Its port; 587 is usual with starttls, 465 with tls"
    )
    notify_smtp_security: Literal["none", "starttls", "tls"] = Field(
        default="none", description="How the connection to it is encrypted: none, starttls, tls"
    )
    notify_smtp_user: str = Field(
        default="", description="Its user; default: without a login. Only with starttls or tls, or on this machine"
    )
    notify_smtp_password: SecretStr = Field(default=SecretStr(""), description="Password of that user")

    generator_rate: float = Field(default=50.0, gt=0, description="Events per second of the demo generator")

    @model_validator(mode="before")
    @classmethod
    def _derive_paths(cls, values: dict[str, object]) -> dict[str, object]:
        home = Path(str(values.get("home") or find_home(Path.cwd()))).resolve()
        state = home / str(values.get("state_dir") or ".lakehouse")
        values["home"] = home
        values["state_dir"] = state
        # Absolute, or processes with other working directories would each mean another place.
        values["root"] = _location(home, str(values.get("root") or state / "tables"))
        values["checkpoint_root"] = _location(
            home, str(values.get("checkpoint_root") or _beside(str(values["root"])) or state / "checkpoints")
        )
        values["contracts_dir"] = home / str(values.get("contracts_dir") or _MARKER)
        listens = _url(values.get("dagster_host") or "127.0.0.1", values.get("dagster_port") or 3000)
        values["dagster_url"] = str(values.get("dagster_url") or listens).rstrip("/")
        if not values.get("kafka_bootstrap_servers"):
            values["kafka_bootstrap_servers"] = f"127.0.0.1:{values.get('kafka_port') or 9092}"
        return values

    @field_validator("root", "checkpoint_root")
    @classmethod
    def _spelled_alike(cls, value: str, info: ValidationInfo) -> str:
        """Of the two names of S3's scheme, tables have that of everybody and checkpoints that of Hadoop."""
        spelled = "s3" if info.field_name == "root" else "s3a"
        return re.sub(r"^s3a?://", f"{spelled}://", value).rstrip("/")

    @field_validator("root", "checkpoint_root")
    @classmethod
    def _read_alike(cls, value: str) -> str:
        """Each engine reads these as an address, in which one may end the path: another place would be written to."""
        if found := [character for character in "#?%" if character in value]:
            raise ValueError(
                f"holds {' and '.join(found)}, which an address reads otherwise, so that engines would mean different "
                "places: name one without #, ? and %"
            )
        return value

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _needed_by_sasl(cls, value: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        text = _text(value)
        protocol = str(info.data.get("kafka_security_protocol"))
        if protocol.startswith("SASL") and not text:
            raise ValueError(f"LAKEHOUSE_KAFKA_SECURITY_PROTOCOL={protocol} needs it")
        if '"' in text or "\\" in text:
            raise ValueError("may hold neither \" nor \\, which Java's clients read otherwise")
        return value

    @field_validator("dagster_spark_image")
    @classmethod
    def _needed_by_pods(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("dagster_steps") == "pods" and not value:
            raise ValueError("LAKEHOUSE_DAGSTER_STEPS=pods needs it: Dagster's own image holds no Spark")
        return value

    @field_validator("notify_smtp_user")
    @classmethod
    def _sent_encrypted(cls, value: str, info: ValidationInfo) -> str:
        host = str(info.data.get("notify_smtp_host"))
        if value and info.data.get("notify_smtp_security") == "none" and not _is_loopback(host):
            raise ValueError(
                f"its password would go to {host} in clear: set LAKEHOUSE_NOTIFY_SMTP_SECURITY to starttls or tls, or "
                "drop the user"
            )
        return value

    @property
    def kafka(self) -> Kafka:
        """How clients reach Kafka."""
        return Kafka(
            bootstrap_servers=self.kafka_bootstrap_servers,
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=self.kafka_sasl_password.get_secret_value(),
            ca_file=self.kafka_ssl_ca or (str(self.kafka_local_ca) if self.kafka_is_local else ""),
        )

    @property
    def kafka_is_local(self) -> bool:
        """Whether clients are to use the local broker, and not one of somebody else's."""
        return self.kafka_bootstrap_servers == f"127.0.0.1:{self.kafka_port}"

    @property
    def kafka_local_ca(self) -> Path:
        """What the local broker is known by, once it has been prepared for an SSL protocol."""
        return self.state_dir / "kafka-tls" / "ca.pem"

    @property
    def logs_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def run_dir(self) -> Path:
        """Pids, sockets and generated configuration."""
        return self.state_dir / "run"

    @property
    def jars_dir(self) -> Path:
        return self.state_dir / "jars"

    @property
    def postgres_dir(self) -> Path:
        """The local Postgres: its data, and its password."""
        return self.state_dir / "postgres"

    @property
    def postgres_password_file(self) -> Path:
        return self.postgres_dir / "password"

    @property
    def receivers_file(self) -> Path | None:
        """How receivers of alerts are reached; None where nobody is to be called."""
        return self.home / self.alert_receivers if self.alert_receivers else None

    @property
    def postgres_pass_file(self) -> Path:
        """The same, as Postgres's own clients read it (`.pgpass`)."""
        return self.postgres_dir / "pgpass"

    @property
    def webserver_url(self) -> str:
        """Where this machine's own Dagster webserver answers, whatever else it is reached by."""
        return _url(self.dagster_host, self.dagster_port)

    @property
    def catalogue_file(self) -> Path:
        """The DuckDB file that shows every Delta table and dbt view by name."""
        return self.state_dir / "lakehouse.duckdb"

    @property
    def dbt_dir(self) -> Path:
        return self.home / "dbt"

    def as_environment(self) -> dict[str, str]:
        """Every setting as its environment variable, for processes that the stack starts."""
        return {f"{_PREFIX}{name.upper()}": _text(value) for name, value in self.model_dump().items()}


def _shown(problem: ErrorDetails) -> str:
    """The value that was refused, unless it is a secret."""
    return "(hidden)" if str(problem["loc"][0]).endswith("_password") and problem["input"] else repr(problem["input"])


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _is_loopback(host: str) -> bool:
    """Whether what is sent to ``host`` stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _beside(root: str) -> str:
    """Where checkpoints are by default of tables on S3; else nothing.

    A table and what has been read into it belong together: on another machine the one is of no use without the other.
    """
    return f"{root.rstrip('/')}/_checkpoints" if root.startswith(("s3://", "s3a://")) else ""


def _location(home: Path, value: str) -> str:
    """``value`` where it is an address, else the path, taken from ``home``."""
    return value if "://" in value else str(home / value)


def _url(host: object, port: object) -> str:
    """The address of what listens on ``host``: nobody can call the one that means all of a machine's."""
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - a comparison


def load_settings(overrides: Mapping[str, object] | None = None) -> Settings:
    """Settings from the environment, with ``overrides`` on top.

    Raises SettingsError naming the variable, the value and what was expected.
    """
    try:
        return Settings(**dict(overrides or {}))  # type: ignore[arg-type]  # values are validated by pydantic
    except ValidationError as error:
        lines = [
            f"{_PREFIX}{'_'.join(str(part) for part in problem['loc']).upper()}={_shown(problem)}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from error
