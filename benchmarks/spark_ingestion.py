"""Kafka → `raw.orders` with Spark: how fast a backlog drains, per second and per CPU-second.

    .venv/bin/python benchmarks/spark_ingestion.py --events 3000000 --cap 100000 --cap 1000000

Starts a broker and the streaming application (the process that `lakehouse up` starts) in a temporary directory. The
application drains a warm-up first, is stopped with SIGSTOP while the backlog is produced, and goes on: what is measured
is a warm job, quarantine and exactly-once on, from the first moment to the last row visible. One line a cap.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from lakehouse.contracts import load_contracts
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.producer import produce
from lakehouse.local.jars import JAR_SETS, fetch_jars
from lakehouse.local.java import find_java
from lakehouse.local.kafka import broker_answers, broker_command, ensure_topics, prepare_broker
from lakehouse.settings import Settings, load_settings
from lakehouse.storage import Catalog, table_stats

REPOSITORY = Path(__file__).parents[1]
#: The JVM compiles for many seconds: less would measure its compiler.
WARM_UP = 1_000_000
DEADLINE_SECONDS = 900


@contextmanager
def started(command: list[str] | tuple[str, ...], settings: Settings, log: Path) -> Iterator[psutil.Process]:
    """``command`` in a process group of its own, killed at the end."""
    environment = {**os.environ, **settings.as_environment()}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def usage(process: psutil.Process) -> tuple[float, float]:
    """CPU-seconds and resident MiB of ``process`` and its children."""
    cpu, resident = 0.0, 0
    for member in (process, *process.children(recursive=True)):
        # Spark starts short-lived helpers, which may end while we look.
        with suppress(psutil.NoSuchProcess):
            cpu += sum(member.cpu_times()[:2])
            resident += member.memory_info().rss
    return cpu, resident / 2**20


def wait_for_rows(settings: Settings, rows: int, process: psutil.Process) -> float:
    """Returns when both tables hold ``rows``, with the largest resident memory seen, in MiB."""
    catalog = Catalog.from_settings(settings)
    peak, deadline = 0.0, time.monotonic() + DEADLINE_SECONDS
    while True:
        names = [name for name in ("raw.orders", "raw.orders_rejected") if catalog.exists(name)]
        if sum(table_stats(catalog, name).rows for name in names) >= rows:
            return peak
        if time.monotonic() > deadline:
            raise TimeoutError(f"{rows} rows did not arrive within {DEADLINE_SECONDS} s")
        peak = max(peak, usage(process)[1])
        time.sleep(0.2)


def measure(settings: Settings, events: int, cap: int) -> None:
    """Prints one line for a job whose batches hold at most ``cap`` events."""
    text = (REPOSITORY / "streaming" / "contracts" / "orders.yaml").read_text()
    settings.contracts_dir.mkdir()
    topic = f"orders.{cap}"
    text = text.replace("topic: orders.events", f"topic: {topic}")
    text = text.replace(
        "max_offsets_per_trigger: 100000", f"max_offsets_per_trigger: {cap}\n  catch_up_offsets_per_trigger: {cap}"
    )
    (settings.contracts_dir / "orders.yaml").write_text(text)
    ensure_topics(settings, load_contracts(settings.contracts_dir))

    def send(count: int) -> None:
        config = GeneratorConfig(events=count, malformed=0.001, duplicates=0.01, late=0.01, seed=1, topic=topic)
        produce(settings, config, manifest_path=settings.state_dir / "manifest.json")

    send(WARM_UP)
    command = [sys.executable, "-m", "lakehouse_spark"]
    with started(command, settings, settings.state_dir / "spark.log") as job:
        wait_for_rows(settings, WARM_UP, job)
        os.killpg(job.pid, signal.SIGSTOP)
        send(events)
        cpu, _ = usage(job)
        os.killpg(job.pid, signal.SIGCONT)
        began = time.monotonic()
        peak = wait_for_rows(settings, WARM_UP + events, job)
        seconds, cpu = time.monotonic() - began, usage(job)[0] - cpu
    print(f"{cap:>10,} {events:>10,} {seconds:>8.1f} {events / seconds:>10,.0f} {events / cpu:>12,.0f} {peak:>9,.0f}")


def main() -> None:
    """Reads the arguments and measures each cap."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000, help="size of the backlog")
    parser.add_argument("--cap", type=int, action="append", help="max_offsets_per_trigger; may be given several times")
    arguments = parser.parse_args()
    jars = load_settings().jars_dir
    for jar_set in JAR_SETS:
        fetch_jars(load_settings(), jar_set)
    print(f"{'cap':>10} {'events':>10} {'seconds':>8} {'events/s':>10} {'per CPU-s':>12} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as directory:
        ports = {
            "kafka_port": 39092,
            "kafka_controller_port": 39093,
            "spark_ui_port": 34040,
            "spark_status_port": 34041,
        }
        shared = load_settings({"state_dir": directory, **ports})
        shared.jars_dir.symlink_to(jars)
        java = find_java()
        prepare_broker(shared, java)
        with started(broker_command(shared, java), shared, Path(directory) / "broker.log"):
            while broker_answers(shared) is not None:
                time.sleep(0.2)
            for cap in arguments.cap or [100_000, 1_000_000]:
                state = Path(directory) / str(cap)
                state.mkdir()
                (state / "jars").symlink_to(jars)
                measure(
                    load_settings({"state_dir": state, "contracts_dir": state / "contracts", **ports}),
                    arguments.events,
                    cap,
                )


if __name__ == "__main__":
    main()
