"""The programs of the local stack, as data: what runs, on which ports, after which others."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lakehouse.contracts import Contract, Engine
from lakehouse.dbt_delta.manifest import project_files
from lakehouse.errors import LakehouseError
from lakehouse.local.applied import applied_dir, digest
from lakehouse.local.build import JOBS_JAR, sources_fingerprint
from lakehouse.local.dagster import HOST as DAGSTER_HOST
from lakehouse.local.dagster import code_files, dagster_command
from lakehouse.local.flink import HOST as FLINK_HOST
from lakehouse.local.flink import cluster_command, cluster_fingerprint, rest_url
from lakehouse.local.java import Java
from lakehouse.local.kafka import broker_command
from lakehouse.local.monitoring import HOST as MONITORING_HOST
from lakehouse.local.monitoring import monitoring_command
from lakehouse.local.postgres import HOST as POSTGRES_HOST
from lakehouse.local.postgres import server_command
from lakehouse.settings import Settings

#: The cluster, and what keeps the contracts' jobs running on it.
FLINK = ("flink-jobmanager", "flink-taskmanager", "flink-jobs")
#: The programs of each engine that runs for long.
ENGINES: Mapping[Engine, tuple[str, ...]] = {Engine.SPARK: ("spark",), Engine.FLINK: FLINK}
#: Started only when asked for, see `lakehouse up --monitoring`.
MONITORING = ("prometheus", "alertmanager")
#: In the order of starting; stopping goes backwards, so that producers end before the broker does.
PROGRAM_NAMES = (
    "kafka", "postgres", "spark", *FLINK, "dagster-code", "dagster-webserver", "dagster-daemon",
    "exporter", *MONITORING, "generator",
)  # fmt: skip
#: Set in the environment of every program, and inherited by what it starts: tells whose a process is.
MARKER = "LAKEHOUSE_PROGRAM"
#: Part of the declaration of those that read contracts or models at their start: a change of these restarts them.
_CONTRACTS = "LAKEHOUSE_CONTRACTS_DIGEST"
_MODELS = "LAKEHOUSE_MODELS_DIGEST"
_CODE = "LAKEHOUSE_CODE_DIGEST"
_CLUSTER = "LAKEHOUSE_FLINK_DIGEST"
_RECEIVERS = "LAKEHOUSE_RECEIVERS_DIGEST"
#: Settings that some programs alone read: changing one should not restart the broker.
_READ_BY: Mapping[str, tuple[str, ...]] = {
    "LAKEHOUSE_GENERATOR_RATE": ("generator",),
    "LAKEHOUSE_ALERT_RECEIVERS": MONITORING,
    "LAKEHOUSE_ALERT_HASTE": MONITORING,
}


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
    it starts; ``stop_seconds`` is how long it may take to end after ``stop_signal``, which its children get, too, with
    ``stop_group``.
    """

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    needs: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    stop_seconds: int = 20
    stop_signal: str = "TERM"
    stop_group: bool = False

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
        "flink-jobmanager": Endpoint(
            {"flink_rest_port": settings.flink_rest_port, "flink_rpc_port": settings.flink_rpc_port}, rest_url(settings)
        ),
        "flink-taskmanager": Endpoint(),
        "flink-jobs": Endpoint(),
        "dagster-code": Endpoint(
            {"dagster_code_port": settings.dagster_code_port}, f"{DAGSTER_HOST}:{settings.dagster_code_port}"
        ),
        "dagster-webserver": Endpoint({"dagster_port": settings.dagster_port}, settings.webserver_url),
        "dagster-daemon": Endpoint(),
        "exporter": Endpoint(
            {"exporter_port": settings.exporter_port}, f"http://127.0.0.1:{settings.exporter_port}/metrics"
        ),
        "prometheus": Endpoint(
            {"prometheus_port": settings.prometheus_port}, f"http://{MONITORING_HOST}:{settings.prometheus_port}"
        ),
        "alertmanager": Endpoint(
            {"alertmanager_port": settings.alertmanager_port}, f"http://{MONITORING_HOST}:{settings.alertmanager_port}"
        ),
        "generator": Endpoint(),
    }


def declare_programs(
    settings: Settings, java: Java, generator_rate: float, contracts: Sequence[Contract]
) -> tuple[Program, ...]:
    """All programs of the stack, in the order of starting. ``generator_rate`` is in events per second.

    Of ``contracts`` an engine's own count for it: what concerns another one restarts nothing of it.
    """
    bin_dir = Path(sys.executable).parent
    kafka = settings.kafka_bootstrap_servers.split(",")[0]
    broker = ("kafka",) if settings.kafka_is_local else ()
    files = digest(settings.contracts_dir)
    models = _digest(project_files(settings.dbt_dir))
    receivers = _digest(file for file in (settings.receivers_file,) if file and file.is_file())
    database = _dagsters_database(settings)
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
            environment={"SPARK_LOCAL_IP": "127.0.0.1", _CONTRACTS: _served(contracts, Engine.SPARK)},
            needs=broker,
            waits_for=(kafka,),
            # A micro-batch in flight may finish, see lakehouse_spark.application.
            stop_seconds=90,
        ),
        *_flink_programs(settings, broker, kafka, _served(contracts, Engine.FLINK)),
        Program(
            name="dagster-code",
            title="Dagster code location",
            command=dagster_command("code"),
            environment={
                "DAGSTER_HOME": str(settings.home),
                _CONTRACTS: files,
                _MODELS: models,
                _CODE: _digest(code_files()),
            },
            needs=tuple(database),
            waits_for=tuple(database.values()),
            stop_seconds=30,
            # It would wait for its runs, and nobody else tells them: a run that is killed counts as running for hours.
            stop_group=True,
        ),
        *(
            Program(
                name=f"dagster-{role}",
                title=f"Dagster {role}",
                command=dagster_command(role),
                environment={"DAGSTER_HOME": str(settings.home)},
                needs=("dagster-code", *database),
                waits_for=(f"{DAGSTER_HOST}:{settings.dagster_code_port}", *database.values()),
                stop_seconds=30,
            )
            for role in ("webserver", "daemon")
        ),
        Program(
            name="exporter",
            title="Metrics exporter",
            command=(sys.executable, "-m", "lakehouse.observability.exporter"),
            # What it collects from may be down: it says so.
            environment={_CONTRACTS: files, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        ),
        *(
            Program(
                name=name,
                title=name.capitalize(),
                command=monitoring_command(name),
                # Their files follow from these.
                environment={_CONTRACTS: files, _RECEIVERS: receivers},
            )
            for name in MONITORING
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


def _dagsters_database(settings: Settings) -> dict[str, str]:
    """The program that Dagster keeps its runs in and its address, where it is one of the stack."""
    if settings.dagster_storage != "postgres" or settings.postgres_host != POSTGRES_HOST:
        return {}
    return {"postgres": f"{POSTGRES_HOST}:{settings.postgres_port}"}


def _flink_programs(settings: Settings, broker: tuple[str, ...], kafka: str, contracts: str) -> tuple[Program, ...]:
    cluster = {_CLUSTER: cluster_fingerprint(settings)}
    jobmanager, taskmanager, keeper = FLINK
    return (
        Program(
            name=jobmanager,
            title="Flink JobManager",
            command=cluster_command("jobmanager"),
            environment=cluster,
            needs=broker,
        ),
        Program(
            name=taskmanager,
            title="Flink TaskManager",
            command=cluster_command("taskmanager"),
            environment=cluster,
            needs=(jobmanager,),
            waits_for=(f"{FLINK_HOST}:{settings.flink_rpc_port}",),
        ),
        Program(
            name=keeper,
            title="Flink jobs",
            command=(
                *(sys.executable, "-m", "lakehouse.flink.keeper", "--url", rest_url(settings)),
                *(
                    "--jar",
                    str(settings.jars_dir / "flink" / JOBS_JAR),
                    "--code",
                    sources_fingerprint(settings, "flink"),
                ),
            ),
            environment={_CONTRACTS: contracts},
            needs=(jobmanager, taskmanager, *broker),
            waits_for=(kafka, f"{FLINK_HOST}:{settings.flink_rest_port}"),
            # A job that is being submitted is waited for.
            stop_seconds=60,
        ),
    )


def needed_names(contracts: Iterable[Contract], *, monitoring: bool = False) -> list[str]:
    """The programs that serve ``contracts``: an engine that no contract asks for is left out.

    Nor do ``monitoring``'s belong to them, unless they are wanted.
    """
    engines = {contract.resolved_engine for contract in contracts}
    unused = {name for engine, names in ENGINES.items() if engine not in engines for name in names}
    if not monitoring:
        unused |= set(MONITORING)
    return [name for name in PROGRAM_NAMES if name not in unused]


def generator_ready_file(settings: Settings) -> Path:
    """Where the generator writes its process number once the broker has confirmed an event."""
    return settings.run_dir / "generator.ready"


def _digest(files: Iterable[Path]) -> str:
    """Changes when one of ``files`` does: what a program has read when it started."""
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def _served(contracts: Iterable[Contract], engine: Engine) -> str:
    """Changes when one of the contracts that ``engine`` serves does, or what it takes from another."""
    found = hashlib.sha256()
    for contract in contracts:
        if contract.resolved_engine is engine:
            found.update(json.dumps(contract.writer_fields()).encode() + b"\0")
    return found.hexdigest()


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
        "LAKEHOUSE_CONTRACTS_DIR": str(applied_dir(settings)),
        MARKER: program.name,
        "JAVA_HOME": str(java.home),
        "PATH": os.pathsep.join(str(directory) for directory in path),
        "PYTHONUNBUFFERED": "1",
        # An arena of memory for each thread, as glibc makes them, is waste: the JVMs have hundreds of threads.
        "MALLOC_ARENA_MAX": "2",
    }
    for setting, readers in _READ_BY.items():
        if program.name not in readers:
            shared.pop(setting)
    return replace(program, environment={**shared, **program.environment})
