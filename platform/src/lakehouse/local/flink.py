"""The local Flink cluster: a JobManager and a TaskManager, plain JVMs from the distribution in the Python package.

`python -m lakehouse.local.flink jobmanager|taskmanager` becomes the process: its supervisor's child is the JVM itself.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from lakehouse.errors import LakehouseError
from lakehouse.flink.rest import JobManager
from lakehouse.flink.spec import checkpoint_store
from lakehouse.local.build import sources_fingerprint
from lakehouse.local.java import find_java, frugal_heap
from lakehouse.logging_format import log4j_properties
from lakehouse.settings import Settings, load_settings
from lakehouse.storage.postgres import password

HOST = "127.0.0.1"
_MAIN_CLASSES = {
    "jobmanager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}
#: What Flink's serializers and its shaded netty look into. The distribution's scripts open these, too.
OPENED = (
    "java.lang", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.text", "java.time", "java.util",
    "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks", "sun.nio.ch",
)  # fmt: skip
_MIB = 1024**2
_LONGEST_LOGGED = 70
_METASPACE = 256 * _MIB
_FRAMEWORK = 128 * _MIB
_LOG4J = f"""\
{log4j_properties()}\
# Four lines for each checkpoint of each job, which are a second apart; those that fail are warnings.
logger.checkpoints.name = org.apache.flink.runtime.checkpoint
logger.checkpoints.level = WARN
logger.sources.name = org.apache.flink.runtime.source.coordinator
logger.sources.level = WARN
logger.parquet.name = org.apache.parquet
logger.parquet.level = WARN
# Nor has S3 a writer that could go on with a half-written object; it says so with each checkpoint.
logger.metadata.name = org.apache.flink.runtime.state.filesystem
logger.metadata.level = WARN
logger.connector.name = org.apache.flink.connector.kafka
logger.connector.level = WARN
# A committer registers the same metric with each checkpoint, and Flink warns of it.
logger.metrics.name = org.apache.flink.metrics.MetricGroup
logger.metrics.level = ERROR
logger.hadoop.name = org.apache.hadoop
logger.hadoop.level = WARN
logger.kafka.name = org.apache.kafka
logger.kafka.level = WARN
logger.kernel.name = io.delta.kernel
logger.kernel.level = WARN
"""


class FlinkMemoryError(LakehouseError):
    """The memory given to Flink does not do."""


@dataclass(frozen=True)
class Memory:
    """How a TaskManager divides its memory, in bytes; Flink's own model, which the distribution's scripts compute."""

    heap: int
    off_heap: int
    managed: int
    network: int
    overhead: int

    @classmethod
    def of_process(cls, size: int, managed_fraction: float) -> "Memory":
        """The division of a process of ``size`` bytes. Raises FlinkMemoryError when nothing is left for tasks."""
        overhead = max(192 * _MIB, size // 10)
        total = size - _METASPACE - overhead
        managed, network = int(total * managed_fraction), max(64 * _MIB, total // 10)
        heap = total - managed - network - _FRAMEWORK
        if heap < 2 * _FRAMEWORK:
            raise FlinkMemoryError(
                f"LAKEHOUSE_FLINK_TASKMANAGER_MEMORY={size // _MIB} leaves {heap // _MIB} MiB of heap, at least "
                f"{2 * _FRAMEWORK // _MIB} are needed: give it 1300 or more"
            )
        return cls(heap=heap, off_heap=_FRAMEWORK + network, managed=managed, network=network, overhead=overhead)

    def options(self) -> dict[str, str]:
        """As options of the TaskManager, which it asks for where no script has computed them."""
        return {
            "taskmanager.memory.framework.heap.size": f"{_FRAMEWORK}b",
            "taskmanager.memory.framework.off-heap.size": f"{_FRAMEWORK}b",
            "taskmanager.memory.task.heap.size": f"{self.heap - _FRAMEWORK}b",
            "taskmanager.memory.task.off-heap.size": "0b",
            "taskmanager.memory.managed.size": f"{self.managed}b",
            "taskmanager.memory.network.min": f"{self.network}b",
            "taskmanager.memory.network.max": f"{self.network}b",
            "taskmanager.memory.jvm-metaspace.size": f"{_METASPACE}b",
            "taskmanager.memory.jvm-overhead.min": f"{self.overhead}b",
            "taskmanager.memory.jvm-overhead.max": f"{self.overhead}b",
            "taskmanager.cpu.cores": "1.0",
        }


def rest_url(settings: Settings) -> str:
    """Where the JobManager's REST API and its web interface are."""
    return f"http://{HOST}:{settings.flink_rest_port}"


def job_manager(settings: Settings) -> JobManager:
    """The local cluster's JobManager, whether it runs or not."""
    return JobManager(rest_url(settings))


def cluster_command(role: str) -> tuple[str, ...]:
    """The process of ``role``, `jobmanager` or `taskmanager`."""
    return (sys.executable, "-m", "lakehouse.local.flink", role)


def cluster_configuration(settings: Settings) -> dict[str, object]:
    """The production settings, and over them what is special on one machine."""
    file = settings.home / "deploy" / "flink" / "config.yaml"
    production: dict[str, object] = yaml.safe_load(file.read_text(encoding="utf-8"))
    memory = _task_memory(settings, production)
    return {
        **production,
        "jobmanager.rpc.address": HOST,
        "jobmanager.rpc.port": settings.flink_rpc_port,
        "jobmanager.bind-host": HOST,
        "rest.address": HOST,
        "rest.bind-address": HOST,
        "rest.port": settings.flink_rest_port,
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.numberOfTaskSlots": settings.flink_task_slots,
        **memory.options(),
        "parallelism.default": 1,
        "metrics.reporter.prom.port": settings.flink_metrics_ports,
        # After a kill of the one, the other notices this late: sooner than by default, later than a busy laptop stalls.
        "heartbeat.interval": "3 s",
        "heartbeat.timeout": "20 s",
        **_rocksdb_logs(_tmp_dir(settings, "taskmanager")),
        "web.upload.dir": str(settings.run_dir / "flink"),
        # The jobs are on the cluster's class path already: their classes are loaded once, not once a job.
        "classloader.resolve-order": "parent-first",
        # Checkpoints reach S3 by Hadoop's S3A, which tables need there anyway, and not by a plugin with another copy.
        "fs.allowed-fallback-filesystems": "s3a",
        **checkpoint_store(settings),
    }


def cluster_fingerprint(settings: Settings) -> str:
    """Changes with what the processes read when they start."""
    told = yaml.safe_dump(cluster_configuration(settings), sort_keys=True) + sources_fingerprint(settings, "flink")
    return hashlib.sha256(told.encode()).hexdigest()


def prepare_cluster(settings: Settings) -> None:
    """Writes the configuration that both processes read."""
    _config_dir(settings).mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(cluster_configuration(settings), sort_keys=True)
    (_config_dir(settings) / "config.yaml").write_text(text, encoding="utf-8")
    (_config_dir(settings) / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")


def jvm_command(settings: Settings, java: Path, role: str) -> list[str]:
    """The JVM of ``role``."""
    distribution = _distribution()
    jars = (distribution / "lib", *(settings.jars_dir / jar_set for jar_set in ("flink", "s3")))
    class_path = [str(directory / "*") for directory in jars]
    return [
        str(java),
        *_memory_flags(settings, role),
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={_config_dir(settings) / 'log4j2.properties'}",
        # What the web interface shows; written by the supervisor, which takes the standard output.
        f"-Dlog.file={settings.logs_dir / f'flink-{role}.log'}",
        *("-cp", os.pathsep.join(class_path)),
        _MAIN_CLASSES[role],
        *("--configDir", str(_config_dir(settings))),
        f"-Dio.tmp.dirs={_tmp_dir(settings, role)}",
    ]


def jvm_environment(settings: Settings) -> dict[str, str]:
    """What the JVMs find in their environment: plugins, and the secrets that scripts refer to."""
    environment = {"FLINK_PLUGINS_DIR": str(_distribution() / "plugins")}
    if settings.postgres_password_file.is_file():  # Else there is no local Postgres, or its password is given.
        environment["LAKEHOUSE_POSTGRES_PASSWORD"] = password(settings)
    return environment


def _memory_flags(settings: Settings, role: str) -> tuple[str, ...]:
    if role == "jobmanager":
        return (*frugal_heap(settings.flink_jobmanager_heap), f"-XX:MaxMetaspaceSize={_METASPACE}")
    memory = _task_memory(settings, cluster_configuration(settings))
    return (
        f"-Xmx{memory.heap}",
        f"-Xms{memory.heap}",
        f"-XX:MaxDirectMemorySize={memory.off_heap}",
        f"-XX:MaxMetaspaceSize={_METASPACE}",
    )


def _task_memory(settings: Settings, configuration: Mapping[str, object]) -> Memory:
    fraction = float(str(configuration["taskmanager.memory.managed.fraction"]))
    return Memory.of_process(settings.flink_taskmanager_memory * _MIB, fraction)


def _distribution() -> Path:
    """The directory of the Flink distribution, with lib/ and plugins/."""
    found = importlib.util.find_spec("pyflink")
    if found is None or not found.submodule_search_locations:
        raise LakehouseError("the package apache-flink-libraries is not installed. Install it: make setup")
    return Path(next(iter(found.submodule_search_locations)))


def empty_tmp_dir(settings: Settings, role: str) -> None:
    """A process that was killed leaves its spilled and cached files behind, some hundred MB each time."""
    directory = _tmp_dir(settings, role)
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)


def _rocksdb_logs(directory: Path) -> dict[str, str]:
    """Has RocksDB log there; else its logs would go beside those of the processes, and stay.

    It names a log by the whole path of its state, some 180 characters below ``directory``. Where that would be longer
    than a file's name may be, the choice is Flink's, which then leaves the log beside the state.
    """
    return {"state.backend.rocksdb.log.dir": str(directory)} if len(str(directory)) <= _LONGEST_LOGGED else {}


def _tmp_dir(settings: Settings, role: str) -> Path:
    return settings.state_dir / "tmp" / f"flink-{role}"


def _config_dir(settings: Settings) -> Path:
    return settings.run_dir / "flink"


def main(role: str) -> None:
    """Becomes the JVM of ``role``."""
    settings = load_settings()
    prepare_cluster(settings)
    empty_tmp_dir(settings, role)
    environment = {**os.environ, **jvm_environment(settings)}
    command = jvm_command(settings, find_java().executable, role)
    os.execve(command[0], command, environment)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main(sys.argv[1])
