"""Provokes the alerts on a stack of its own, and writes down what each said and how long it took.

    .venv/bin/python -m benchmarks.alerts --write docs/runbooks/README.md

Each provocation is what goes wrong in earnest: a stopped job, a process that stands still or was killed, messages that
break the contract, offsets written twice. It is ended as the alert's runbook says.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

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

#: Its name, and the table it is about.
Alert = tuple[str, str]
ORDERS, ALERTS, WINDOWS = "raw.orders", "streaming.fraud_alerts", "streaming.order_metrics_5min"
SESSIONS = "streaming.customer_sessions"
DAGSTER = Path(sys.executable).with_name("dagster")
#: Alerts of the local stack fire within minutes when hastened; what has not by then, does not.
PATIENCE_SECONDS = 1000
HEADER = """# Runbooks

Each alert has a page here that says what it means, what to look at and what to do. The alerts themselves are generated
from the contracts: see [Watch it with Prometheus](../how-to/monitoring.md).

## As they were provoked
Written by `benchmarks/alerts.py` on {date}: one stack on two cores, each provoked as said, with every waiting
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
    """What raises ``alerts``, up to a `yield`, and what ends it, behind that; both in words, too.

    Those of one ``stage`` do not meet, and are raised at once.
    """

    stage: int
    alerts: tuple[Alert, ...]
    how: str
    remedy: str
    steps: Callable[["Stack"], Iterator[None]]


PROVOCATIONS: list[Provocation] = []


def provokes(
    stage: int, *alerts: Alert, how: str, remedy: str
) -> Callable[[Callable[["Stack"], Iterator[None]]], None]:
    """Lists what follows. What takes longest to resolve comes last: nothing that hides it is behind it."""
    return lambda steps: PROVOCATIONS.append(Provocation(stage, alerts, how, remedy, steps))


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


@provokes(1, ("ExporterDown", ""), how="the exporter stopped", remedy="started")
def _(stack: Stack) -> Iterator[None]:
    stack.supervisor.stop("exporter")
    yield
    stack.supervisor.start("exporter")


@provokes(2, ("ExporterSourceDown", ""), how="SIGSTOP of the broker", remedy="SIGCONT")
def _(stack: Stack) -> Iterator[None]:
    yield from stack.standing_still("kafka")


@provokes(
    3,
    ("KafkaConsumerLagHigh", ORDERS),
    ("ContractMissed", ORDERS),
    ("KafkaConsumerLagGrowing", ""),
    how="SIGSTOP of Spark's JVM, and `produce --rate 2000`",
    remedy="SIGCONT, and no more than it reads",
)
def _(stack: Stack) -> Iterator[None]:
    still = stack.standing_still("spark")
    next(still)
    command = [LAKEHOUSE, "produce", "--rate", "2000"]
    producing = subprocess.Popen(command, env=stack.command_line.environment, stdout=sys.stderr)
    yield
    producing.terminate()
    producing.wait(120)
    next(still, None)


@provokes(3, ("FlinkCheckpointOld", WINDOWS), how="SIGSTOP of the TaskManager", remedy="SIGCONT")
def _(stack: Stack) -> Iterator[None]:
    yield from stack.standing_still("flink-taskmanager")


@provokes(4, ("SparkQueryFailing", SESSIONS), how="the table's directory moved away", remedy="moved back")
def _(stack: Stack) -> Iterator[None]:
    here = Path(stack.catalog.uri(SESSIONS))
    there = here.rename(here.with_suffix(".away"))
    yield
    there.rename(here)


@provokes(
    4,
    ("FlinkJobRestarting", WINDOWS),
    ("FlinkCheckpointFailing", WINDOWS),
    how="five times SIGKILL to the TaskManager",
    remedy="it recovers",
)
def _(stack: Stack) -> Iterator[None]:
    stack.kill_often("flink-taskmanager", 5)
    yield


@provokes(5, ("WriterDown", ALERTS), how=f"`jobs stop {ALERTS}`", remedy="`jobs start`")
def _(stack: Stack) -> Iterator[None]:
    stack.run("jobs", "stop", ALERTS)
    yield
    stack.run("jobs", "start", ALERTS)


@provokes(
    5,
    ("QuarantineRatioHigh", ORDERS),
    ("LateRatioHigh", WINDOWS),
    how="`produce --events 40000 --malformed 0.3 --late 0.3`",
    remedy="good events, in time",
)
def _(stack: Stack) -> Iterator[None]:
    stack.run("produce", "--events", "40000", "--malformed", "0.3", "--late", "0.3")
    yield


@provokes(
    5,
    ("DagsterRunFailed", ""),
    how="the job `maintenance` of a table that there is not",
    remedy="half an hour without one",
)
def _(stack: Stack) -> Iterator[None]:
    config = {"ops": {"maintain_tables": {"config": {"tables": ["no.table"]}}}}
    command = ["job", "launch", "-w", "workspace.yaml", "-j", "maintenance", "--config-json", json.dumps(config)]
    home = stack.settings.home
    environment = {**stack.command_line.environment, "DAGSTER_HOME": str(home)}
    subprocess.run([DAGSTER, *command], cwd=home, env=environment, check=True, stdout=sys.stderr)
    yield


@provokes(
    5,
    ("EventsDuplicated", ORDERS),
    how="a row appended a second time, by another writer",
    remedy="an hour without one",
)
def _(stack: Stack) -> Iterator[None]:
    table = stack.catalog.open(ORDERS)
    write_deltalake(table, table.to_pyarrow_dataset().head(1), mode="append")
    yield


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--haste", type=float, default=10.0, help="by how much the alerts wait less")
    parser.add_argument("--write", type=Path, help="the page to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        first, *_, last = free_ports_in_a_row(4)
        overrides = {"flink_metrics_ports": f"{first}-{last}", "alert_haste": arguments.haste}
        command_line = project(Path(directory), **overrides)
        try:
            command_line.succeed("up", "--detach", "--monitoring", "--rate", "200")
            stack = Stack(command_line)
            awaited = [alert for one in PROVOCATIONS for alert in one.alerts]
            until(lambda: not any(stack.prometheus.described(*alert) for alert in awaited))
            rows: dict[str, str] = {}
            for stage in sorted({one.stage for one in PROVOCATIONS}):
                rows |= measured(stack, [one for one in PROVOCATIONS if one.stage == stage])
                # After each: a run takes most of an hour, and may be ended amid it.
                if arguments.write:
                    arguments.write.write_text(page(rows, arguments.haste), encoding="utf-8")
        finally:
            stop(command_line)
    print(page(rows, arguments.haste))


def page(rows: Mapping[str, str], haste: float) -> str:
    """The page with ``rows`` by the alert's name."""
    untried = {alert.name for alert in alerts(load_contracts(load_settings().contracts_dir))} - rows.keys()
    names = ", ".join(f"[{name}]({name}.md)" for name in sorted(untried))
    header = HEADER.format(date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", haste=haste)
    return "\n".join([header, *rows.values(), UNTRIED.format(names=names)])


def measured(stack: Stack, provocations: list[Provocation]) -> Iterator[tuple[str, str]]:
    """Provokes what is of one stage, and ends it; each alert that fired, with its row of the page."""
    awaited = {alert: provocation for provocation in provocations for alert in provocation.alerts}
    print("; ".join(one.how for one in provocations), file=sys.stderr, flush=True)
    running = [one.steps(stack) for one in provocations]
    began = time.monotonic()
    for steps in running:
        next(steps)
    fired: dict[Alert, tuple[float, str]] = {}

    def all_fired() -> bool:
        for alert in awaited.keys() - fired.keys():
            if said := stack.prometheus.described(*alert):
                fired[alert] = (time.monotonic() - began, said)
        return len(fired) == len(awaited)

    until(all_fired)
    ended = time.monotonic()
    for steps in running:
        next(steps, None)
    resolved: dict[Alert, float] = {}

    def all_resolved() -> bool:
        for alert in fired.keys() - resolved.keys():
            if stack.prometheus.described(*alert) is None:
                resolved[alert] = time.monotonic() - ended
        return len(resolved) == len(fired)

    until(all_resolved)
    for (name, table), provocation in awaited.items():
        if (name, table) not in fired:
            print(f"{name} did not fire within {PATIENCE_SECONDS} s", file=sys.stderr, flush=True)
            continue
        after, said = fired[name, table]
        gone = f"{resolved[name, table]:.0f} s" if (name, table) in resolved else "not awaited"
        row = f"| [{name}]({name}.md) | {table} | {provocation.how} | {after:.0f} s | {said} "
        row += f"| {provocation.remedy} | {gone} |"
        print(row, file=sys.stderr, flush=True)
        yield name, row


def until(condition: Callable[[], bool]) -> None:
    """Returns when ``condition`` holds, or does not for long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(1)


if __name__ == "__main__":
    main()
