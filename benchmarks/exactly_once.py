"""Kills processes of the whole stack while events flow, and compares each table with what the broker confirmed.

    .venv/bin/python -m benchmarks.exactly_once --kills 30 --write docs/benchmarks/exactly-once.md

The stack is one of its own, as `lakehouse up` starts it, with one table more: Flink ingests the topic that Spark
ingests. Every kill is a SIGKILL, to a process and at a moment chosen at random; the next one comes when events that
were sent after it have reached both tables. The oracle is the generator's own record of what the broker confirmed.
"""

import argparse
import datetime as dt
import os
import platform
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
from tests.integration.command_line import project, stop
from tests.integration.flink.load import Load
from tests.integration.flink.readers import Held, expected_offsets, reader
from tests.integration.flink.stack import FlinkStack
from tests.waiting import wait_for

from lakehouse.generator.manifest import Manifest, events_path
from lakehouse.local.supervisor import Supervisor
from lakehouse.storage.duck import connect

BY_SPARK, BY_FLINK, MART = "raw.orders", "raw.orders_by_flink", "marts.fct_orders_daily"
PARTS = (
    *("kafka", "postgres", "spark", "flink-jobmanager", "flink-taskmanager", "flink-jobs"),
    *("dagster-code", "dagster-webserver", "dagster-daemon", "exporter"),
)
#: Part, and whether its JVM or the process that the supervisor started.
VICTIMS = {
    "Kafka's broker": ("kafka", "java"),
    "Spark's JVM": ("spark", "java"),
    "Spark's driver": ("spark", "python"),
    "Flink's TaskManager": ("flink-taskmanager", "java"),
    "Flink's JobManager": ("flink-jobmanager", "java"),
    "what watches Flink's jobs": ("flink-jobs", "python"),
    "Dagster's code, with its runs": ("dagster-code", "python"),
}
PATIENCE_SECONDS = 600
#: Behind the last event no other news starts dbt than its schedule, each quarter of an hour.
SCHEDULED_SECONDS = 1200
HEADER = """# Nothing lost, nothing doubled

Written by `benchmarks/exactly_once.py` on {date}: {machine}. Seed {seed}.

The whole stack under load: {rate} events a second for {minutes:.0f} minutes, some of them late, sent twice or
malformed, and {kills} times SIGKILL, each to a process and at a moment chosen at random. The next kill came when events
that were sent after the one before had reached both tables. The oracle is what the broker confirmed to the generator,
row for row.

## What was killed
| process | times | events visible again after, median | at most |
|---|---|---|---|"""
TABLES = """
## What the tables hold
The broker confirmed {sent:,} messages: {valid:,} valid events, {duplicates:,} of them sent twice, {late:,} late, and
{malformed:,} malformed ones.

| table, read by | rows | missing | too many |
|---|---|---|---|"""


class Trial:
    """The stack, its load, and its kills."""

    def __init__(self, stack: FlinkStack, seed: int) -> None:
        self.stack = stack
        self.recovered: dict[str, list[float]] = defaultdict(list)
        self._supervisor = Supervisor(stack.settings)
        self._chosen = random.Random(seed)  # noqa: S311  (no secret)

    def kill(self, load: Load) -> None:
        """SIGKILL to one of the victims, and waits until both tables hold events that were sent after it."""
        name = self._chosen.choice(sorted(VICTIMS))
        time.sleep(self._chosen.uniform(0, 5))
        for process in self._processes(*VICTIMS[name]):
            process.kill()
        began, sent = time.monotonic(), load.await_more()
        for table in (BY_SPARK, BY_FLINK):
            self.stack.await_rows(table, sent, PATIENCE_SECONDS)
        self.recovered[name].append(seconds := time.monotonic() - began)
        print(f"{name}: {seconds:.0f} s, {sent:,} events", file=sys.stderr, flush=True)

    def _processes(self, part: str, kind: str) -> Iterator[psutil.Process]:
        started = psutil.Process(self._supervisor.states()[part].pid)
        children = started.children(recursive=True)
        if kind == "java":
            yield next(process for process in (started, *children) if process.name() == "java")
            return
        yield started
        if part.startswith("dagster"):
            yield from children


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--write", type=Path, help="the page to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        command_line = project(Path(directory), flink_metrics_ports="0")
        stack = FlinkStack(command_line)
        stack.declare(BY_FLINK, freshness="5 seconds", engine="flink")
        try:
            command_line.succeed("up", "--detach", "--only", ",".join(PARTS))
            page = tried(Trial(stack, arguments.seed), arguments, Path(directory) / "sent.json")
        finally:
            stop(command_line)
    print(page)
    if arguments.write:
        arguments.write.write_text(page, encoding="utf-8")


def tried(trial: Trial, arguments: argparse.Namespace, record: Path) -> str:
    """The page."""
    stack, began = trial.stack, time.monotonic()
    with Load(stack, stack.topic(BY_SPARK), record, rate=arguments.rate) as load:
        stack.await_rows(BY_SPARK, load.await_more(), PATIENCE_SECONDS)
        for _ in range(arguments.kills):
            trial.kill(load)
        sent = load.finish()
    minutes = (time.monotonic() - began) / 60
    for table in (BY_SPARK, BY_FLINK):
        stack.await_rows(table, sent.counts.sent, PATIENCE_SECONDS)
    lines = [
        HEADER.format(
            date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
            machine=f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[2]:.1f}",
            minutes=minutes,
            **{name: getattr(arguments, name) for name in ("seed", "rate", "kills")},
        )
    ]
    lines += [
        f"| {name} | {len(seconds)} | {median(seconds):.0f} s | {max(seconds):.0f} s |"
        for name, seconds in sorted(trial.recovered.items())
    ]
    counts = sent.counts
    told = {name: getattr(counts, name) for name in ("sent", "valid", "duplicates", "late", "malformed")}
    lines += [TABLES.format(**told), *compared(stack, sent, events_path(record)), mart(stack), ""]
    return "\n".join(lines)


def compared(stack: FlinkStack, sent: Manifest, events: Path) -> Iterator[str]:
    """A row for each table of events and each engine that reads it."""
    for table in (BY_SPARK, BY_FLINK):
        for engine in ("delta-rs", "duckdb"):
            held = Held(reader(engine), *(stack.catalog.uri(f"{table}{end}") for end in ("", "_rejected")), [events])
            offsets = held.offsets() == expected_offsets(sent)
            for name, (missing, surplus) in (
                (table, held.differences()),
                (f"{table}_rejected", held.quarantine_differences()),
            ):
                rows = held.rows(f"SELECT count(*) FROM {'rejected' if name != table else 'stored'}")[0][0]
                yield f"| {name}, {engine} | {rows:,} | {len(missing)} | {len(surplus)} |"
            yield f"| its offsets, each once | {'yes' if offsets else 'NO'} | | |"


def mart(stack: FlinkStack) -> str:
    """The row of dbt's table, once Dagster has brought it up to date by itself: an order each."""

    def differences() -> tuple[int, int, int]:
        if not stack.catalog.exists(MART):
            return 0, 1, 0
        duck = connect(stack.catalog)
        orders, held = f"SELECT DISTINCT order_id FROM {BY_SPARK}", f"SELECT order_id FROM {MART}"
        sql = "SELECT ({}), ({}), ({})".format(
            f"SELECT count(*) FROM {MART}",
            f"SELECT count(*) FROM ({orders} EXCEPT ALL {held})",
            f"SELECT count(*) FROM ({held} EXCEPT ALL {orders})",
        )
        return duck.execute(sql).fetchall()[0]

    wait_for(lambda: not any(differences()[1:]), f"{MART} to have every order", SCHEDULED_SECONDS, differences)
    rows, missing, surplus = differences()
    return f"| {MART}, against the orders of {BY_SPARK} | {rows:,} | {missing} | {surplus} |"


if __name__ == "__main__":
    main()
