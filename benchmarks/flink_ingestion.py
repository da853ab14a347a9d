"""Kafka → `raw.orders` with Flink: how fast a backlog drains, beside the loop that one writes by hand, in one run.

    .venv/bin/python benchmarks/flink_ingestion.py --events 3000000 --rounds 3
    .venv/bin/python benchmarks/flink_ingestion.py --events 3000000 --profile /tmp/flink.jfr

Starts a broker and the local stack's cluster in a temporary directory, with the shipped job: validation, quarantine,
coordinates and exactly-once on, checkpoints every second. It drains a warm-up, its processes are stopped with SIGSTOP
while the backlog is produced, and they go on: measured is a warm job, from the first moment to the last row visible,
CPU of JobManager and TaskManager together. The loop is measured from the start of its processes, which costs it about
a second. Rounds take turns, so that a noisy machine is noisy for both.
"""

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from deltalake import DeltaTable

from lakehouse.contracts import find_contract
from lakehouse.contracts.model import Contract
from lakehouse.flink.rest import FlinkUnreachableError
from lakehouse.flink.spec import JobSpec, contract_file, contract_json, job_spec
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.producer import produce
from lakehouse.local.build import JOBS_JAR
from lakehouse.local.flink import empty_tmp_dir, job_manager, jvm_command, jvm_environment, prepare_cluster
from lakehouse.local.jars import fetch_jars
from lakehouse.local.java import find_java
from lakehouse.local.kafka import PARTITIONS, broker_answers, broker_command, ensure_topics, prepare_broker
from lakehouse.settings import Settings, load_settings
from lakehouse.storage import Catalog, create_tables, table_stats

REPOSITORY = Path(__file__).parents[1]
SCRIPT = REPOSITORY / "benchmarks" / "flink_orders.sql"
WARM_UP = 1_000_000
DEADLINE_SECONDS = 600
LINE = "{:<22} {:>10} {:>8} {:>10} {:>10} {:>9}"


@contextmanager
def started(command: list[str] | tuple[str, ...], environment: dict[str, str], log: Path) -> Iterator[psutil.Process]:
    """``command`` in a process group of its own, ended at the end; a recording is written then."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def usage(processes: list[psutil.Process]) -> tuple[float, float]:
    """CPU-seconds and resident MiB of ``processes``."""
    return sum(sum(p.cpu_times()[:2]) for p in processes), sum(p.memory_info().rss for p in processes) / 2**20


def wait_until(what: str, held: object, processes: list[psutil.Process]) -> float:
    """Returns once ``held()`` is true, with the largest resident memory seen, in MiB."""
    peak, deadline = 0.0, time.monotonic() + DEADLINE_SECONDS
    while not held():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {DEADLINE_SECONDS} s for {what}")
        peak = max(peak, usage(processes)[1]) if processes else 0.0
        time.sleep(0.1)
    return peak


class Bench:
    """A broker and a cluster that live as long as the benchmark."""

    def __init__(self, settings: Settings, stack: ExitStack, profile: Path | None) -> None:
        self.settings = settings
        self.catalog = Catalog.from_settings(settings)
        self.orders = find_contract(settings.contracts_dir, "raw.orders")
        java = find_java()
        prepare_broker(settings, java)
        stack.enter_context(started(broker_command(settings, java), {}, settings.state_dir / "broker.log"))
        wait_until("the broker", lambda: broker_answers(settings) is None, [])
        prepare_cluster(settings)
        self.cluster = []
        for role in ("jobmanager", "taskmanager"):
            # They are stopped for longer than a heartbeat.
            command = [*jvm_command(settings, java.executable, role), "-Dheartbeat.timeout=30 min"]
            if profile and role == "taskmanager":
                command.insert(1, f"-XX:StartFlightRecording=settings=profile,filename={profile},dumponexit=true")
            empty_tmp_dir(settings, role)
            log = settings.state_dir / f"{role}.log"
            self.cluster.append(stack.enter_context(started(command, jvm_environment(settings), log)))
        self.manager = job_manager(settings)
        # Scripts are looked for in a project's directory of scripts.
        self.scripts = settings.state_dir / "project"
        (self.scripts / "streaming" / "flink").mkdir(parents=True)
        (self.scripts / "streaming" / "flink" / "sql").symlink_to(SCRIPT.parent)
        wait_until("the TaskManager", self._registered, [])

    def _registered(self) -> bool:
        try:
            return self.manager.task_managers() > 0
        except FlinkUnreachableError:
            return False

    def send(self, topic: str, count: int) -> None:
        """Produces well-formed orders; the loop cannot take others."""
        config = GeneratorConfig(events=count, duplicates=0.01, late=0.01, seed=1, topic=topic)
        produce(self.settings, config, manifest_path=self.settings.state_dir / "manifest.json")

    def contract(self, name: str) -> Contract:
        """The contract of `raw.orders` as one of `raw.<name>`, fed from a topic of its own."""
        source = self.orders.source.model_copy(update={"topic": f"orders.{name}"})
        contract = self.orders.model_copy(
            update={"table": f"raw.{name}", "source": source, "engine": "flink", "parallelism": 2}
        )
        ensure_topics(self.settings, [contract])
        create_tables(self.catalog, contract)
        return contract

    def copied(self, name: str) -> Contract:
        """As ``contract``, filled by a SQL script."""
        told = self.orders.model_dump(mode="json")
        told |= {"table": f"raw.{name}", "engine": "flink", "on_invalid": "drop", "transform": {"sql": SCRIPT.name}}
        told["parallelism"] = 2
        told["source"] |= {"topic": f"orders.{name}", "columns": told["columns"], "event_time": "event_time"}
        contract = Contract.model_validate(told)
        ensure_topics(self.settings, [contract])
        create_tables(self.catalog, contract)
        return contract

    def rows(self, contract: Contract) -> int:
        return table_stats(self.catalog, contract.table).rows

    def flink(self, contract: Contract, spec: JobSpec, events: int) -> tuple[float, float, float]:
        """Seconds, CPU-seconds and peak MiB of the job ``spec``."""
        self.send(contract.source.topic, WARM_UP)
        file = contract_file(self.settings, contract.table)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(contract_json(contract))
        jar = self.settings.jars_dir / "flink" / JOBS_JAR
        job_id = uuid.uuid4().hex
        self.manager.run(
            self.manager.upload(jar, "flink-jobs-benchmark.jar"),
            spec.entry_class,
            spec.arguments,
            job_id=job_id,
            configuration=spec.configuration,
            restore=None,
        )
        wait_until("the warm-up", lambda: self.rows(contract) == WARM_UP, self.cluster)
        for process in self.cluster:
            process.send_signal(signal.SIGSTOP)
        self.send(contract.source.topic, events)
        cpu, _ = usage(self.cluster)
        for process in self.cluster:
            process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        peak = wait_until("the backlog", lambda: self.rows(contract) == WARM_UP + events, self.cluster)
        measured = time.monotonic() - began, usage(self.cluster)[0] - cpu, peak
        self.manager.cancel(job_id)
        wait_until("the end of the job", lambda: all(job.ended for job in self.manager.jobs()), [])
        return measured

    def ingestion(self, name: str, events: int) -> tuple[float, float, float]:
        """The shipped job for contracts without a transform."""
        contract = self.contract(name)
        return self.flink(contract, job_spec(self.settings, contract, "benchmark"), events)

    def sql(self, name: str, events: int) -> tuple[float, float, float]:
        """The script, under the shipped job for scripts; no quarantine and no coordinates."""
        contract = self.copied(name)
        here = self.settings.model_copy(update={"home": self.scripts})
        return self.flink(contract, job_spec(here, contract, "benchmark"), events)

    def loop(self, name: str, events: int, processes: int) -> tuple[float, float, float]:
        """The same for the loop in ``processes`` processes."""
        contract = self.contract(name)
        self.send(contract.source.topic, events)
        script = str(REPOSITORY / "benchmarks" / "peers" / "python_loop.py")
        servers, table = self.settings.kafka_bootstrap_servers, self.catalog.uri(contract.table)
        command = [sys.executable, script, servers, contract.source.topic, table, str(events)]
        began, peak = time.monotonic(), 0.0
        before = os.times()
        process = subprocess.Popen([*command, "--processes", str(processes)])
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            members = [watched, *watched.children(recursive=True)]
            try:
                peak = max(peak, usage(members)[1])
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.1)
        seconds, after = time.monotonic() - began, os.times()
        if process.returncode or DeltaTable(table).to_pyarrow_dataset().count_rows() != events:
            raise SystemExit("the loop did not write what it read")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return seconds, cpu, peak


def main() -> None:
    """Reads the arguments, takes turns, prints a line a round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000, help="size of the backlog")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", type=Path, help="record the TaskManager with JFR into this file")
    parser.add_argument("--write", type=Path, help="write the medians as a page of the documentation")
    arguments = parser.parse_args()
    installed = load_settings()
    for jar_set in ("kafka", "flink"):
        fetch_jars(installed, jar_set)
    ports = {"kafka_port": 39092, "kafka_controller_port": 39093, "flink_rest_port": 38081, "flink_rpc_port": 36123}
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as directory, ExitStack() as stack:
        settings = load_settings({"state_dir": directory, "flink_metrics_ports": "0", **ports})
        settings.jars_dir.symlink_to(installed.jars_dir)
        bench = Bench(settings, stack, arguments.profile)
        variants = {
            "flink ingestion": lambda turn: bench.ingestion(f"flink_{turn}", arguments.events),
            "flink sql": lambda turn: bench.sql(f"sql_{turn}", arguments.events),
            "python loop, 1 process": lambda turn: bench.loop(f"one_{turn}", arguments.events, 1),
            "python loop, 2 processes": lambda turn: bench.loop(f"two_{turn}", arguments.events, 2),
        }
        print(LINE.format("variant", "events", "seconds", "events/s", "per CPU-s", "peak MiB"))
        figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in variants}
        for turn in range(arguments.rounds):
            for name, run in variants.items():
                figures[name].append(run(turn))
                _print(name, arguments.events, *figures[name][-1])
        print("medians")
        medians = {}
        for name, rounds in figures.items():
            medians[name] = [statistics.median(column) for column in zip(*rounds, strict=True)]
            _print(name, arguments.events, *medians[name])
        if arguments.write:
            arguments.write.write_text(_page(medians, arguments))


def _page(medians: dict[str, list[float]], arguments: argparse.Namespace) -> str:
    rows = "".join(
        f"| {name} | {arguments.events / seconds:,.0f} | {arguments.events / cpu:,.0f} | {peak:,.0f} |\n"
        for name, (seconds, cpu, peak) in medians.items()
    )
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[2]:.1f} over the last quarter of an hour"
    return f"""# From Kafka into Delta with Flink

Written by `benchmarks/flink_ingestion.py` on {datetime.now(UTC).date()}: {machine}, Python {platform.python_version()}.

{arguments.events:,} orders in {PARTITIONS} partitions, drained by a job that is warm, checkpoints every second, with
parallelism 2. Ingestion validates, has a quarantine and writes coordinates; the SQL script does not. CPU and memory are
those of JobManager and TaskManager together. Beside them, in turns, the loop that one writes by hand (confluent-kafka,
pyarrow's JSON reader, delta-rs, the offset in Delta's transaction), which stops at a malformed message. Medians of
{arguments.rounds} rounds.

| | events/s | events per CPU-second | peak MiB |
|---|---|---|---|
{rows}"""


def _print(name: str, events: int, seconds: float, cpu: float, peak: float) -> None:
    rate, share = f"{events / seconds:,.0f}", f"{events / cpu:,.0f}"
    print(LINE.format(name, f"{events:,}", f"{seconds:.1f}", rate, share, f"{peak:,.0f}"), flush=True)


if __name__ == "__main__":
    main()
