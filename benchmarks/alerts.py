"""Provokes the alerts on a stack of its own, and writes down what each said and how long it took.

    .venv/bin/python -m benchmarks.alerts --write docs/runbooks/README.md

Each provocation is what goes wrong in earnest: a stopped job, a process that stands still or was killed, messages that
break the contract, offsets written twice. It is ended as the alert's runbook says.
"""

import argparse
import datetime as dt
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
from deltalake import write_deltalake
from tests.conftest import free_ports_in_a_row
from tests.integration.command_line import LAKEHOUSE, CommandLine, project, stop
from tests.monitoring import Prometheus

from lakehouse.contracts import load_contracts
from lakehouse.local.supervisor import Supervisor
from lakehouse.observability.rules import alerts
from lakehouse.settings import load_settings
from lakehouse.storage import Catalog

T = TypeVar("T")
ORDERS, ALERTS, WINDOWS = "raw.orders", "streaming.fraud_alerts", "streaming.order_metrics_5min"
SESSIONS = "streaming.customer_sessions"
DAGSTER = Path(sys.executable).with_name("dagster")
#: Alerts of the local stack fire within minutes when hastened; what has not by then, does not.
PATIENCE_SECONDS = 480
HEADER = """# Runbooks

Each alert has a page here that says what it means, what to look at and what to do. The alerts themselves are generated
from the contracts: see [Watch it with Prometheus](../how-to/monitoring.md).

## As they were provoked
Written by `benchmarks/alerts.py` on {date}: one stack on two cores, each provoked in turn as said, with every waiting
time of the alerts divided by {haste:g}.

| alert | table | provoked by | fired after | it said | ended by | resolved after |
|---|---|---|---|---|---|---|"""
UNTRIED = """
Not provoked so. As of all others, what makes them fire and what does not is tried with made-up series
(`tests/unit/observability`):
{names}.
"""


@dataclass(frozen=True)
class Provocation:
    """What raises ``alert`` for ``table``, up to a `yield`, and what ends it, behind that; both in words, too."""

    alert: str
    table: str
    how: str
    remedy: str
    steps: Callable[["Stack"], Iterator[None]]


PROVOCATIONS: list[Provocation] = []


def provokes(alert: str, table: str, how: str, remedy: str) -> Callable[[Callable[["Stack"], Iterator[None]]], None]:
    """Lists what follows. What disturbs the others most comes last."""
    return lambda steps: PROVOCATIONS.append(Provocation(alert, table, how, remedy, steps))


class Stack:
    """The running stack, and how to hurt it."""

    def __init__(self, command_line: CommandLine) -> None:
        self.command_line = command_line
        self.settings = command_line.settings
        self.catalog = Catalog.from_settings(self.settings)
        self.supervisor = Supervisor(self.settings)
        self.prometheus = Prometheus(self.settings.prometheus_port)

    def run(self, *arguments: str) -> None:
        """`lakehouse …`; raises when it fails."""
        self.command_line.succeed(*arguments)

    def process(self, part: str) -> psutil.Process:
        """The JVM of ``part``."""
        process = psutil.Process(self.supervisor.states()[part].pid)
        return next(found for found in (process, *process.children(recursive=True)) if found.name() == "java")

    def standing_still(self, part: str) -> Iterator[None]:
        """SIGSTOP, and SIGCONT behind the `yield`."""
        process = self.process(part)
        process.suspend()
        yield
        process.resume()

    def kill_often(self, part: str, times: int) -> None:
        """SIGKILL, each time when the supervisor has started it again for a while."""
        for _ in range(times):
            self.process(part).kill()
            time.sleep(15)


@provokes("WriterDown", ALERTS, f"`jobs stop {ALERTS}`", "`jobs start`")
def _(stack: Stack) -> Iterator[None]:
    stack.run("jobs", "stop", ALERTS)
    yield
    stack.run("jobs", "start", ALERTS)


@provokes("QuarantineRatioHigh", ORDERS, "`produce --events 20000 --malformed 0.5`", "good events")
def _(stack: Stack) -> Iterator[None]:
    stack.run("produce", "--events", "20000", "--malformed", "0.5")
    yield


@provokes("LateRatioHigh", WINDOWS, "`produce --events 20000 --late 0.5`", "events in time")
def _(stack: Stack) -> Iterator[None]:
    stack.run("produce", "--events", "20000", "--late", "0.5")
    yield


@provokes("DagsterRunFailed", "", "the job `maintenance` of a table that there is not", "half an hour without one")
def _(stack: Stack) -> Iterator[None]:
    config = {"ops": {"maintain_tables": {"config": {"tables": ["no.table"]}}}}
    command = ["job", "launch", "-w", "workspace.yaml", "-j", "maintenance", "--config-json", json.dumps(config)]
    home = stack.settings.home
    environment = {**stack.command_line.environment, "DAGSTER_HOME": str(home)}
    subprocess.run([DAGSTER, *command], cwd=home, env=environment, check=True, stdout=sys.stderr)
    yield


@provokes("ExporterDown", "", "the exporter stopped", "started")
def _(stack: Stack) -> Iterator[None]:
    stack.supervisor.stop("exporter")
    yield
    stack.supervisor.start("exporter")


@provokes("SparkQueryFailing", SESSIONS, "the table's directory moved away", "moved back")
def _(stack: Stack) -> Iterator[None]:
    here = Path(stack.catalog.uri(SESSIONS))
    there = here.rename(here.with_suffix(".away"))
    yield
    there.rename(here)


@provokes("KafkaConsumerLagHigh", ORDERS, "SIGSTOP of Spark's JVM", "SIGCONT")
def _(stack: Stack) -> Iterator[None]:
    yield from stack.standing_still("spark")


@provokes("ContractMissed", ORDERS, "SIGSTOP of Spark's JVM", "SIGCONT")
def _(stack: Stack) -> Iterator[None]:
    yield from stack.standing_still("spark")


@provokes("KafkaConsumerLagGrowing", "", "SIGSTOP of Spark's JVM, and `produce --rate 2000`", "SIGCONT")
def _(stack: Stack) -> Iterator[None]:
    still = stack.standing_still("spark")
    next(still)
    command = [LAKEHOUSE, "produce", "--rate", "2000"]
    producing = subprocess.Popen(command, env=stack.command_line.environment, stdout=sys.stderr)
    yield
    producing.send_signal(signal.SIGINT)
    producing.wait(60)
    next(still, None)


@provokes("FlinkCheckpointOld", WINDOWS, "SIGSTOP of the TaskManager", "SIGCONT")
def _(stack: Stack) -> Iterator[None]:
    yield from stack.standing_still("flink-taskmanager")


@provokes("FlinkJobRestarting", WINDOWS, "five times SIGKILL to the TaskManager", "it recovers")
def _(stack: Stack) -> Iterator[None]:
    stack.kill_often("flink-taskmanager", 5)
    yield


@provokes("FlinkCheckpointFailing", WINDOWS, "five times SIGKILL to the TaskManager", "it recovers")
def _(stack: Stack) -> Iterator[None]:
    stack.kill_often("flink-taskmanager", 5)
    yield


@provokes("EventsDuplicated", ORDERS, "a row appended a second time, by another writer", "an hour without one")
def _(stack: Stack) -> Iterator[None]:
    table = stack.catalog.open(ORDERS)
    write_deltalake(table, table.to_pyarrow_dataset().head(1), mode="append")
    yield


@provokes("ExporterSourceDown", "", "SIGSTOP of the broker", "SIGCONT")
def _(stack: Stack) -> Iterator[None]:
    yield from stack.standing_still("kafka")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--haste", type=float, default=10.0, help="by how much the alerts wait less")
    parser.add_argument("--only", help="these alerts, with commas between")
    parser.add_argument("--write", type=Path, help="the page to write")
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else {one.alert for one in PROVOCATIONS}
    with tempfile.TemporaryDirectory() as directory:
        first, *_, last = free_ports_in_a_row(4)
        overrides = {"flink_metrics_ports": f"{first}-{last}", "alert_haste": arguments.haste}
        command_line = project(Path(directory), **overrides)
        try:
            command_line.succeed("up", "--detach", "--monitoring", "--rate", "200")
            stack = Stack(command_line)
            wait(lambda: not stack.prometheus.firing())
            rows = {one.alert: row for one in PROVOCATIONS if one.alert in only and (row := measured(stack, one))}
        finally:
            stop(command_line)
    untried = sorted({alert.name for alert in alerts(load_contracts(load_settings().contracts_dir))} - rows.keys())
    names = ", ".join(f"[{name}]({name}.md)" for name in untried)
    page = HEADER.format(date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", haste=arguments.haste)
    page = "\n".join([page, *rows.values(), UNTRIED.format(names=names)])
    print(page)
    if arguments.write:
        arguments.write.write_text(page, encoding="utf-8")


def measured(stack: Stack, provocation: Provocation) -> str | None:
    """Provokes it, and ends it; the row of the page, or None where it did not fire."""
    name, table, how = provocation.alert, provocation.table, provocation.how
    print(f"{name} {table}: {how}", file=sys.stderr, flush=True)
    steps = provocation.steps(stack)
    began = time.monotonic()
    next(steps)
    said = wait(lambda: stack.prometheus.described(name, table))
    fired = time.monotonic() - began
    began = time.monotonic()
    next(steps, None)
    if said is None:
        print(f"did not fire within {PATIENCE_SECONDS} s", file=sys.stderr, flush=True)
        return None
    gone = wait(lambda: stack.prometheus.described(name, table) is None)
    resolved = f"{time.monotonic() - began:.0f} s" if gone else "not awaited"
    row = f"| [{name}]({name}.md) | {table} | {how} | {fired:.0f} s | {said} | {provocation.remedy} | {resolved} |"
    print(row, file=sys.stderr, flush=True)
    return row


def wait(look: Callable[[], T]) -> T | None:
    """What ``look`` gives as soon as it is true; None when it is not for long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(1)
    return None


if __name__ == "__main__":
    main()
