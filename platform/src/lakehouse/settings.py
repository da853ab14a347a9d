"""Every port, path and address of the platform, each with exactly one setting.

A setting is read from the environment variable ``LAKEHOUSE_<NAME>`` when ``load_settings()`` is called, never
at import. Processes that the local stack starts receive the resolved values through ``as_environment()``, so
that all of them agree.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lakehouse.errors import LakehouseError

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
        description="Where checkpoints live, a path or s3a://bucket/prefix; default: in the state directory"
    )
    contracts_dir: Path = Field(description="One YAML file a streaming table; default: streaming/contracts")

    kafka_port: int = Field(default=9092, ge=1, le=65535, description="Local broker, clients")
    kafka_controller_port: int = Field(default=9093, ge=1, le=65535, description="Local broker, KRaft controller")
    kafka_bootstrap_servers: str = Field(default="", description="host:port[,…]; default: the local broker")
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

    dagster_host: str = Field(default="127.0.0.1", description="Address the Dagster webserver listens on")
    dagster_port: int = Field(default=3000, ge=1, le=65535, description="Dagster webserver")

    spark_ui_port: int = Field(default=4040, ge=1, le=65535, description="Spark UI of the streaming application")
    spark_status_port: int = Field(default=4041, ge=1, le=65535, description="Status of the Spark queries, JSON")
    spark_driver_memory: str = Field(default="1g", description="-Xmx of the Spark application")
    spark_master: str = Field(default="local[2]", description="Spark master of the streaming application")

    dbt_memory: str = Field(default="1GB", description="Memory limit of DuckDB in a dbt run")

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
        values["checkpoint_root"] = _location(home, str(values.get("checkpoint_root") or state / "checkpoints"))
        values["contracts_dir"] = home / str(values.get("contracts_dir") or _MARKER)
        if not values.get("kafka_bootstrap_servers"):
            values["kafka_bootstrap_servers"] = f"127.0.0.1:{values.get('kafka_port') or 9092}"
        return values

    @field_validator("root", "checkpoint_root")
    @classmethod
    def _strip_slash(cls, value: str) -> str:
        return value.rstrip("/")

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
    def catalogue_file(self) -> Path:
        """The DuckDB file that shows every Delta table and dbt view by name."""
        return self.state_dir / "lakehouse.duckdb"

    @property
    def dbt_dir(self) -> Path:
        return self.home / "dbt"

    def as_environment(self) -> dict[str, str]:
        """Every setting as its environment variable, for processes that the stack starts."""
        return {f"{_PREFIX}{name.upper()}": _text(value) for name, value in self.model_dump().items()}


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _location(home: Path, value: str) -> str:
    """``value`` where it is an address, else the path, taken from ``home``."""
    return value if "://" in value else str(home / value)


def load_settings(overrides: Mapping[str, object] | None = None) -> Settings:
    """Settings from the environment, with ``overrides`` on top.

    Raises SettingsError naming the variable, the value and what was expected.
    """
    try:
        return Settings(**dict(overrides or {}))  # type: ignore[arg-type]  # values are validated by pydantic
    except ValidationError as error:
        lines = [
            f"{_PREFIX}{'_'.join(str(part) for part in problem['loc']).upper()}={problem['input']!r}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from error
