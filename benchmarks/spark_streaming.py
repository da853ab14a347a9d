"""Kafka → Delta with Spark, ours beside the job of a tutorial in the same run.

    .venv/bin/python benchmarks/spark_streaming.py --events 1000000 --events 5000000 --latency 60 --write PAGE.md

A backlog drains through `raw.orders`, `streaming.order_metrics` and `benchmarks/naive_spark.py`; each
job drains a warm-up first, and is stopped while the backlog is produced, as in `spark_ingestion.py`. Then 10,000 events
a second arrive for `--latency` seconds: how long from produced to visible, by the commit of each file.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from spark_ingestion import REPOSITORY, WARM_UP, started, usage

from lakehouse.contracts import load_contracts
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.producer import produce
from lakehouse.local.jars import JAR_SETS, fetch_jars
from lakehouse.local.java import find_java
from lakehouse.local.kafka import broker_answers, broker_command, ensure_topics, prepare_broker
from lakehouse.settings import Settings, load_settings

DEADLINE_SECONDS = 1800
STEADY_RATE = 10_000
DRAINED = ("job", "events", "seconds", "events/s", "per CPU-s", "peak MiB")
DRAIN = "{:<26} {:>10} {:>8} {:>10} {:>12} {:>9}"


@dataclass(frozen=True)
class Job:
    """A job to measure. ``contract`` is the file it is made of; None: the naive job, which does ``naive``."""

    name: str
    contract: str | None = None
    naive: str = ""

    def command(self, settings: Settings, topic: str) -> list[str]:
        """The job's process, reading ``topic``."""
        if self.contract is not None:
            return [sys.executable, "-m", "lakehouse_spark"]
        script = str(Path(__file__).with_name("naive_spark.py"))
        jars = str(settings.jars_dir / "spark")
        return [
            sys.executable,
            script,
            self.naive,
            settings.kafka_bootstrap_servers,
            topic,
            str(settings.state_dir),
            jars,
        ]

    def checkpoint(self, settings: Settings) -> Path:
        """Where Spark notes the offsets of the batches that are done."""
        if self.contract is None:
            return settings.state_dir / "checkpoint"
        (contract,) = [
            c for c in load_contracts(settings.contracts_dir) if self.contract.startswith(c.table.split(".")[1])
        ]
        return Path(settings.checkpoint_root) / contract.table


JOBS = (
    Job("raw.orders", "orders.yaml"),
    Job("naive: from_json, append", naive="ingest"),
    Job("streaming.order_metrics", "order_metrics.yaml"),
    Job("naive: windows, append", naive="windows"),
)


def done(checkpoint: Path) -> int:
    """How many events the finished batches have read, by Spark's own logs."""
    numbers = [int(file.name) for file in (checkpoint / "commits").glob("[0-9]*")] if checkpoint.exists() else []
    if not numbers:
        return 0
    line = (checkpoint / "offsets" / str(max(numbers))).read_text().splitlines()[2]
    return sum(offset for partitions in json.loads(line).values() for offset in partitions.values())


def wait_until(reached: Callable[[], bool], job: psutil.Process) -> float:
    """Returns when ``reached``, with the largest resident memory seen, in MiB."""
    peak, deadline = 0.0, time.monotonic() + DEADLINE_SECONDS
    while not reached():
        if time.monotonic() > deadline or not job.is_running() or job.status() == psutil.STATUS_ZOMBIE:
            raise TimeoutError(f"the job ended, or took longer than {DEADLINE_SECONDS} s: see its log")
        peak = max(peak, usage(job)[1])
        time.sleep(0.2)
    return peak


def prepare(settings: Settings, job: Job, topic: str) -> None:
    """The job's contracts and topic. A contract that takes its columns from another is given both, with one to run."""
    settings.contracts_dir.mkdir(parents=True)
    for name in ("orders.yaml", "order_metrics.yaml"):
        if name == "order_metrics.yaml" and job.contract != name:
            continue
        text = (REPOSITORY / "streaming" / "contracts" / name).read_text().replace("orders.events", topic)
        if job.contract not in (None, name):
            # There for its columns alone.
            text = text.replace("engine: auto", "engine: flink")
        (settings.contracts_dir / name).write_text(text)
    ensure_topics(settings, load_contracts(settings.contracts_dir))


def send(settings: Settings, topic: str, count: int, rate: float | None = None) -> None:
    """Orders, a few of them malformed, repeated or late."""
    config = GeneratorConfig(events=count, rate=rate, malformed=0.001, duplicates=0.01, late=0.01, seed=1, topic=topic)
    produce(settings, config, manifest_path=settings.state_dir / "manifest.json")


@dataclass(frozen=True)
class Drained:
    """How a backlog drained through a warm job. ``peak`` is the largest resident memory in MiB."""

    job: str
    events: int
    seconds: float
    cpu_seconds: float
    peak: float

    def cells(self) -> tuple[str, ...]:
        """Job, events, seconds, events a second, events a CPU-second, MiB."""
        rates = (f"{self.events / self.seconds:,.0f}", f"{self.events / self.cpu_seconds:,.0f}")
        return (self.job, f"{self.events:,}", f"{self.seconds:.1f}", *rates, f"{self.peak:,.0f}")


@dataclass(frozen=True)
class Latency:
    """How long ``rows`` steady events took from produced to visible, in seconds."""

    job: str
    rows: int
    p50: float
    p95: float

    def cells(self) -> tuple[str, ...]:
        """Job, rows, median, 95th percentile."""
        return (self.job, f"{self.rows:,}", f"{self.p50:.2f}", f"{self.p95:.2f}")


def drain(settings: Settings, job: Job, events: int) -> Drained:
    """Drains a backlog of ``events`` through a warm job."""
    topic = f"orders.{settings.state_dir.name}"
    prepare(settings, job, topic)
    warm_up = min(WARM_UP, events)
    send(settings, topic, warm_up)
    checkpoint = job.checkpoint(settings)
    with started(job.command(settings, topic), settings, settings.state_dir / "job.log") as process:
        wait_until(lambda: done(checkpoint) >= warm_up, process)
        os.killpg(process.pid, signal.SIGSTOP)
        send(settings, topic, events)
        cpu, _ = usage(process)
        os.killpg(process.pid, signal.SIGCONT)
        began = time.monotonic()
        peak = wait_until(lambda: done(checkpoint) >= warm_up + events, process)
        seconds, cpu = time.monotonic() - began, usage(process)[0] - cpu
    return Drained(job.name, events, seconds, cpu, peak)


def latency(settings: Settings, job: Job, seconds: int) -> Latency:
    """Has steady events arrive for so many ``seconds``."""
    topic = f"orders.{settings.state_dir.name}"
    prepare(settings, job, topic)
    with started(job.command(settings, topic), settings, settings.state_dir / "job.log") as process:
        send(settings, topic, STEADY_RATE * 10, STEADY_RATE)
        wait_until(lambda: done(job.checkpoint(settings)) >= STEADY_RATE * 10, process)
        since = datetime.now(UTC)
        send(settings, topic, STEADY_RATE * seconds, STEADY_RATE)
        wait_until(lambda: done(job.checkpoint(settings)) >= STEADY_RATE * (10 + seconds), process)
    table = settings.state_dir / "table" if job.contract is None else Path(settings.root) / "raw" / "orders"
    waited = visible_after(table, since)
    p50, p95 = np.percentile(waited, [50, 95])
    return Latency(job.name, len(waited), p50, p95)


def visible_after(table: Path, since: datetime) -> Sequence[float]:
    """Seconds from the broker's timestamp of each row to the commit of its file, of rows produced after ``since``."""
    waited: list[np.ndarray] = []
    for entry in sorted((table / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        committed = next(action["commitInfo"]["timestamp"] for action in actions if "commitInfo" in action) / 1000
        for path in (action["add"]["path"] for action in actions if "add" in action):
            taken = pq.read_table(table / path, columns=["kafka_timestamp"])["kafka_timestamp"]
            # Spark's own default is a type with nanoseconds.
            times = taken.cast(pa.timestamp("us"), safe=False).cast("int64").to_numpy() / 1e6
            waited.append(committed - times[times >= since.timestamp()])
    return np.concatenate(waited)


def main() -> None:
    """Reads the arguments, starts a broker, and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, action="append", help="size of the backlog; may be given several times")
    parser.add_argument("--latency", type=int, default=60, help="seconds of steady events; 0 for none")
    parser.add_argument("--write", type=Path, help="write the figures as a page of the documentation")
    arguments = parser.parse_args()
    jars = load_settings().jars_dir
    for jar_set in JAR_SETS:
        fetch_jars(load_settings(), jar_set)
    ports = {"kafka_port": 39092, "kafka_controller_port": 39093, "spark_ui_port": 34040, "spark_status_port": 34041}
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as directory:
        shared = load_settings({"state_dir": directory, **ports})
        shared.jars_dir.symlink_to(jars)
        java = find_java()
        prepare_broker(shared, java)

        def own(name: str) -> Settings:
            state = Path(directory) / name
            state.mkdir()
            (state / "jars").symlink_to(jars)
            return load_settings({"state_dir": state, "contracts_dir": state / "contracts", **ports})

        with started(broker_command(shared, java), shared, Path(directory) / "broker.log"):
            while broker_answers(shared) is not None:
                time.sleep(0.2)
            print(DRAIN.format(*DRAINED))
            drained, steady = [], []
            for events in arguments.events or [1_000_000]:
                for number, job in enumerate(JOBS):
                    drained.append(drain(own(f"{events}-{number}"), job, events))
                    print(DRAIN.format(*drained[-1].cells()), flush=True)
            for number, job in enumerate(JOBS[:2] if arguments.latency else ()):
                steady.append(latency(own(f"steady-{number}"), job, arguments.latency))
                print(" ".join(steady[-1].cells()), flush=True)
    if arguments.write:
        arguments.write.write_text(page(drained, steady))


def page(drained: Sequence[Drained], steady: Sequence[Latency]) -> str:
    """The figures as a page of the documentation."""
    load = os.getloadavg()[2]
    return f"""# From Kafka into Delta with Spark

Written by `benchmarks/spark_streaming.py` on {datetime.now(UTC).date()}: {os.cpu_count()} cores, load {load:.1f} over
the last quarter of an hour. Beside each of our tables the job of a tutorial in default settings, in the same run: it
parses with `from_json` and appends, without validation, quarantine, offsets or a check of what was lost.

## A backlog
Through a job that is warm, from its first moment to the last event visible. The last events of `raw.orders` fill no
batch and wait for one, up to ten seconds by its contract, which is a large part of the shorter backlog's time.
CPU-seconds are those of driver and JVM.

{table(DRAINED, [found.cells() for found in drained])}

## {STEADY_RATE:,} events a second
From the broker's timestamp of an event to the commit that made it visible, in seconds.

{table(("job", "events", "p50", "p95"), [found.cells() for found in steady])}
"""


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
