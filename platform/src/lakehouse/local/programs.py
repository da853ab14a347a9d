"""The programs of the local stack, as data: what runs, on which ports, after which others."""

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lakehouse.dbt_delta.manifest import project_files
from lakehouse.errors import LakehouseError
from lakehouse.local.java import Java
from lakehouse.local.kafka import broker_command, is_local
from lakehouse.local.postgres import server_command
from lakehouse.settings import Settings

#: In the order of starting; stopping goes backwards, so that producers end before the broker does.
PROGRAM_NAMES = ("kafka", "postgres", "spark", "dagster-webserver", "dagster-daemon", "generator")
#: Set in the environment of every program, and inherited by what it starts: tells whose a process is.
MARKER = "LAKEHOUSE_PROGRAM"
#: Part of the declaration of those that read contracts or models at their start: a change of these restarts them.
_CONTRACTS = "LAKEHOUSE_CONTRACTS_DIGEST"
_MODELS = "LAKEHOUSE_MODELS_DIGEST"


class UnknownProgramError(LakehouseError):
    """No program of the stack has this name."""


@dataclass(frozen=True)
class Endpoint:
    """Where a program is reached. ``ports`` maps the setting of each port to its number."""

    ports: Mapping[str, int] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True)
class Program:
    """One process under the supervisor.

    ``needs`` are the programs without which it does not become ready, ``waits_for`` the ``host:port`` it needs before
    it starts; ``stop_seconds`` is how long it may take to end after ``stop_signal``.
    """

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    needs: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    stop_seconds: int = 20
    stop_signal: str = "TERM"

    @property
    def supervised_command(self) -> tuple[str, ...]:
        """The command, behind a wait for the ports it needs."""
        if not self.waits_for:
            return self.command
        return (sys.executable, "-m", "lakehouse.local.wait_for", *self.waits_for, "--", *self.command)


def endpoints(settings: Settings) -> dict[str, Endpoint]:
    """Where each program is reached, by name."""
    return {
        "kafka": Endpoint(
            {"kafka_port": settings.kafka_port, "kafka_controller_port": settings.kafka_controller_port},
            f"127.0.0.1:{settings.kafka_port}",
        ),
        "postgres": Endpoint({"postgres_port": settings.postgres_port}, f"127.0.0.1:{settings.postgres_port}"),
        "spark": Endpoint(
            {"spark_ui_port": settings.spark_ui_port, "spark_status_port": settings.spark_status_port},
            f"http://127.0.0.1:{settings.spark_ui_port}",
        ),
        "dagster-webserver": Endpoint({"dagster_port": settings.dagster_port}, dagster_url(settings)),
        "dagster-daemon": Endpoint(),
        "generator": Endpoint(),
    }


def declare_programs(settings: Settings, java: Java, generator_rate: float) -> tuple[Program, ...]:
    """All programs of the stack, in the order of starting. ``generator_rate`` is in events per second."""
    bin_dir = Path(sys.executable).parent
    kafka = settings.kafka_bootstrap_servers.split(",")[0]
    broker = ("kafka",) if is_local(settings) else ()
    contracts = _digest(settings.contracts_dir.glob("*.yaml"))
    models = _digest(project_files(settings.dbt_dir))
    programs = (
        Program(
            name="kafka",
            title="Kafka broker",
            command=broker_command(settings, java),
            environment={},
            stop_seconds=60,
        ),
        Program(
            name="postgres",
            title="Postgres",
            command=server_command(settings),
            environment={},
            # With SIGTERM it would wait for its clients to leave.
            stop_signal="INT",
        ),
        Program(
            name="spark",
            title="Spark queries",
            command=(sys.executable, "-m", "lakehouse_spark"),
            # Without it the UI listens on all interfaces, whatever spark.driver.bindAddress says.
            environment={"SPARK_LOCAL_IP": "127.0.0.1", _CONTRACTS: contracts},
            needs=broker,
            waits_for=(kafka,),
            # A micro-batch in flight may finish, see lakehouse_spark.application.
            stop_seconds=90,
        ),
        Program(
            name="dagster-webserver",
            title="Dagster webserver",
            command=(
                str(bin_dir / "dagster-webserver"),
                *("-h", settings.dagster_host, "-p", str(settings.dagster_port), "-w", "workspace.yaml"),
            ),
            environment={"DAGSTER_HOME": str(settings.home), _CONTRACTS: contracts, _MODELS: models},
        ),
        Program(
            name="dagster-daemon",
            title="Dagster daemon",
            command=(str(bin_dir / "dagster-daemon"), "run", "-w", "workspace.yaml"),
            environment={"DAGSTER_HOME": str(settings.home), _CONTRACTS: contracts, _MODELS: models},
            stop_seconds=30,
        ),
        Program(
            name="generator",
            title="Order generator",
            command=(
                *(str(bin_dir / "lakehouse"), "produce", "--rate", f"{generator_rate:g}"),
                *("--ready-file", str(generator_ready_file(settings))),
            ),
            environment={},
            needs=broker,
            waits_for=(kafka,),
        ),
    )
    return tuple(_with_environment(program, settings, java) for program in programs)


def generator_ready_file(settings: Settings) -> Path:
    """Where the generator writes its process number once the broker has confirmed an event."""
    return settings.run_dir / "generator.ready"


def dagster_url(settings: Settings) -> str:
    """Where a browser on this machine finds Dagster."""
    host = "127.0.0.1" if settings.dagster_host == "0.0.0.0" else settings.dagster_host  # noqa: S104 - a comparison
    return f"http://{host}:{settings.dagster_port}"


def _digest(files: Iterable[Path]) -> str:
    """Changes when one of ``files`` does: what a program has read when it started."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def check_names(names: Iterable[str], known: Iterable[str] = PROGRAM_NAMES) -> None:
    """Raises UnknownProgramError, listing the known names, for the first name that is none of them."""
    for name in names:
        if name not in known:
            raise UnknownProgramError(f"no part of the stack is called {name!r}. Parts: {', '.join(known)}")


def _with_environment(program: Program, settings: Settings, java: Java) -> Program:
    """``program`` with the environment that all share.

    PATH is the same from whichever shell it is started: a program restarts when its declaration changes, and an
    activated virtual environment is no change.
    """
    path = (Path(sys.executable).parent, java.home / "bin", "/usr/local/bin", "/usr/bin", "/bin")
    shared = {
        **settings.as_environment(),
        MARKER: program.name,
        "JAVA_HOME": str(java.home),
        "PATH": os.pathsep.join(str(directory) for directory in path),
        "PYTHONUNBUFFERED": "1",
    }
    if program.name != "generator":
        # Only the generator follows its rate: changing it should not restart the broker.
        shared.pop("LAKEHOUSE_GENERATOR_RATE")
    return replace(program, environment={**shared, **program.environment})
