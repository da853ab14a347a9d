"""Sizes for loads that this machine cannot make, computed from what it has measured.

    .venv/bin/python benchmarks/scaling.py            # the tables
    .venv/bin/python benchmarks/scaling.py --write    # put them into docs/scaling.md

Every figure is a formula over the constants below, and each constant names its measurement, or that it is assumed. How
many queries one Spark driver serves depends on how they queue, which no formula here says: that is simulated.
"""

import argparse
import heapq
import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN, END = "<!-- sizes: benchmarks/scaling.py -->\n", "<!-- end of sizes -->\n"

# docs/benchmarks/spark-streaming.md: 5,000,000 orders into raw.orders, and into windows, per CPU-second.
SPARK, SPARK_WINDOWED = 80_180, 121_803
# docs/benchmarks/flink-ingestion.md, per CPU-second; windows: lakehouse.contracts.cost, 2026-11-22.
FLINK, FLINK_WINDOWED = 541_516, 181_000
# Bytes of an order as a message, as the benchmarks make it; as a row in Parquet, docs/benchmarks/freshness.md.
MESSAGE, ROW = 152, 47
# CPU-seconds of a micro-batch whatever is in it: lakehouse.contracts.cost.
BATCH = 1.2
# Bytes of a commit in Delta's log without files, and of each file that it adds: an entry of raw.orders, 12 columns with
# statistics, measured 2026-11-23 with delta-rs 1.6.6.
COMMIT, ADD = 310, 1_250
# Bytes of Dagster's event log that an observation takes: docs/decisions/0005-dagster-observes-streams.md.
EVENT = 3_000
# Seconds between two looks of the sensor at the tables' versions: lakehouse.components.streaming.
LOOK = 15
# Half of the cores stay free, for catching up. Assumed, as all that follows.
HEADROOM = 2
# Bytes a second that a partition of Kafka takes, and that a TaskManager writes to S3.
PARTITION_RATE, UPLOAD = 10_000_000, 50_000_000
# One order in RocksDB: key, value, and what the tree adds.
STATE_ROW = 200
SLOTS, EXECUTOR_CORES = 2, 2
DAY = 86_400


@dataclass(frozen=True)
class Load:
    """Events a second of one topic, read by one table of each kind."""

    events: int

    @property
    def flink_subtasks(self) -> int:
        return math.ceil(HEADROOM * self.events / FLINK)

    @property
    def flink_windowed_subtasks(self) -> int:
        return math.ceil(HEADROOM * self.events / FLINK_WINDOWED)

    @property
    def partitions(self) -> int:
        """As many as the busiest reader has subtasks, and as the broker's rate asks for."""
        return max(self.flink_windowed_subtasks, math.ceil(self.events * MESSAGE / PARTITION_RATE), 4)

    def spark_cores(self, trigger: float, rate: int) -> float:
        return HEADROOM * (self.events / rate + min(1.0, BATCH / trigger))

    def executors(self, trigger: float, rate: int) -> int:
        return math.ceil(self.spark_cores(trigger, rate) / EXECUTOR_CORES)

    def keyed_state(self, seconds: float) -> float:
        """Bytes of state of a job that keeps each event for so long, as deduplication and patterns do."""
        return self.events * seconds * STATE_ROW

    def checkpoint(self, interval: float) -> tuple[float, float]:
        """Bytes that an incremental checkpoint of that state adds, and the seconds to write them."""
        added = self.events * interval * STATE_ROW
        managers = math.ceil(self.flink_windowed_subtasks / SLOTS)
        return added, added / (managers * UPLOAD)

    def catch_up(self, outage: float, capacity: float) -> float:
        """Seconds until a reader that was away has caught up, where it does ``capacity`` events a second."""
        return outage * self.events / (capacity - self.events)


@dataclass(frozen=True)
class Commits:
    """What a table costs by being committed to, whatever its events: ``interval`` in seconds, ``files`` a commit."""

    interval: float
    files: int

    @property
    def log_a_day(self) -> float:
        return DAY / self.interval * (COMMIT + self.files * ADD)

    @property
    def requests(self) -> float:
        """Writes a second: data files, the log's entry, and as many again for a checkpoint's state and metadata."""
        return 2 * (self.files + 1) / self.interval

    @property
    def events(self) -> float:
        """Entries of Dagster's log a second: an observation and a materialization a look that found a new version."""
        return 2 / max(self.interval, LOOK)


def lateness(queries: int, cores: int, trigger: float, events: float, seconds: float = 3_600) -> float:
    """The 99th percentile, in seconds, of event → visible of so many queries in one application.

    Each has a batch every ``trigger`` seconds, which takes BATCH and its events at the measured rate on one of
    ``cores``; first come, first served. One that falls due while the last one runs begins behind it.
    """
    random.seed(0)
    due = [(random.uniform(0, trigger), query) for query in range(queries)]  # noqa: S311  (no secret)
    heapq.heapify(due)
    free = [0.0] * cores
    began = [0.0] * queries
    waits: list[float] = []
    while due:
        at, query = heapq.heappop(due)
        if at > seconds:
            break
        start = max(at, heapq.heappop(free))
        took = (BATCH + (start - began[query]) * events / SPARK) * random.uniform(0.7, 1.5)  # noqa: S311
        heapq.heappush(free, start + took)
        # The oldest event of the batch came when the batch before began to read.
        waits.append(start + took - began[query])
        began[query] = start
        heapq.heappush(due, (max(at + trigger, start + took), query))
    return statistics.quantiles(waits[len(waits) // 10 :], n=100)[98]


def most_queries(cores: int, trigger: float, freshness: float) -> int:
    """How many queries of 10 events a second an application of so many cores serves within ``freshness``."""
    fits, beyond = 0, 1
    while lateness(beyond, cores, trigger, 10) <= freshness:
        fits, beyond = beyond, beyond * 2
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        if lateness(middle, cores, trigger, 10) <= freshness:
            fits = middle
        else:
            beyond = middle
    return fits


def told(value: float, unit: str = "") -> str:
    """Two digits, with the prefix that makes them read well."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{float(f'{value / size:.2g}'):g} {prefix}{unit}".strip()
    return f"{float(f'{value:.2g}'):g} {unit}".strip()


def table(head: str, rows: Iterator[tuple[object, ...]]) -> str:
    columns = head.count("|") + 1
    lines = [f"| {head} |", f"|{'---|' * columns}", *(f"| {' | '.join(map(str, row))} |" for row in rows)]
    return "\n".join(lines) + "\n"


def by_rate() -> Iterator[tuple[object, ...]]:
    loads = [Load(10_000), Load(100_000), Load(1_000_000)]

    def row(name: str, formula: str, values: list[object]) -> tuple[object, ...]:
        return name, *values, f"`{formula}`"

    yield row("into Kafka", "events * 152 B", [told(load.events * MESSAGE, "B/s") for load in loads])
    yield row("partitions", "max(window subtasks, rate ÷ 10 MB/s, 4)", [load.partitions for load in loads])
    yield row(
        "Flink ingestion: subtasks, TaskManagers of 2",
        "2 * events ÷ 541,516",
        [f"{load.flink_subtasks}, {math.ceil(load.flink_subtasks / SLOTS)}" for load in loads],
    )
    yield row(
        "Flink windows: subtasks, TaskManagers of 2",
        "2 * events ÷ 181,000",
        [f"{load.flink_windowed_subtasks}, {math.ceil(load.flink_windowed_subtasks / SLOTS)}" for load in loads],
    )
    yield row(
        "Spark ingestion, trigger 10 s: cores, executors of 2",
        "2 * (events ÷ 80,180 + 1.2 ÷ 10)",
        [f"{told(load.spark_cores(10, SPARK))}, {load.executors(10, SPARK)}" for load in loads],
    )
    yield row(
        "Spark windows, trigger 30 s: cores, executors of 2",
        "2 * (events ÷ 121,803 + 1.2 ÷ 30)",
        [f"{told(load.spark_cores(30, SPARK_WINDOWED))}, {load.executors(30, SPARK_WINDOWED)}" for load in loads],
    )
    yield row("rows in Parquet", "events * 47 B * a day", [told(load.events * ROW * DAY, "B") for load in loads])
    yield row(
        "state, ten minutes of events", "events * 600 * 200 B", [told(load.keyed_state(600), "B") for load in loads]
    )
    yield row(
        "its checkpoint every 5 s: size, time",
        "events * 5 * 200 B; ÷ (TaskManagers * 50 MB/s)",
        [f"{told(load.checkpoint(5)[0], 'B')}, {told(load.checkpoint(5)[1], 's')}" for load in loads],
    )
    yield row(
        "after an hour's outage, caught up in",
        "3,600 * events ÷ (capacity - events), capacity = 2 * events",
        [f"{load.catch_up(3_600, HEADROOM * load.events) / 60:.0f} min" for load in loads],
    )


def by_table() -> Iterator[tuple[object, ...]]:
    kinds = {
        "Flink, freshness 5 s, 1 file": Commits(1, 1),
        "Flink, freshness 5 s, 12 files": Commits(1, 12),
        "Flink, freshness 30 s, 1 file": Commits(5, 1),
        "Spark, freshness 1 min, 2 files": Commits(10, 2),
        "Spark, freshness 10 min, 2 files": Commits(100, 2),
    }
    for name, one in kinds.items():
        yield (
            name,
            told(DAY / one.interval),
            told(one.log_a_day, "B"),
            told(one.requests),
            told(1_000 * one.log_a_day, "B"),
            told(1_000 * one.requests),
            told(1_000 * one.events),
            told(1_000 * one.events * EVENT * DAY, "B"),
        )


def by_application() -> Iterator[tuple[object, ...]]:
    for freshness in (60, 300, 600):
        trigger = freshness / 6
        ceiling = [math.floor(cores * trigger / BATCH) for cores in (2, 4, 8)]
        served = [most_queries(cores, trigger, freshness) for cores in (2, 4, 8)]
        yield f"{freshness // 60} min", *served, ", ".join(map(str, ceiling))


def tables() -> str:
    return "\n".join(
        (
            BEGIN.rstrip("\n"),
            "### One topic, by its rate\n",
            table("| 10,000/s | 100,000/s | 1,000,000/s | formula", by_rate()),
            "### A table, and a thousand of them, by how often it is committed to\n",
            table(
                "| commits a day | log a day | S3 writes/s | 1,000: log a day | 1,000: S3 writes/s "
                "| 1,000: Dagster events/s | 1,000: event log a day",
                by_table(),
            ),
            "Log: `86,400 ÷ interval * (310 B + files * 1,250 B)`. Writes: `2 * (files + 1) ÷ interval`.",
            "Dagster: `2 ÷ max(interval, 15 s)`, `3,000 B` each.\n",
            "### Small queries in one Spark application (simulated)\n",
            table("freshness | 2 cores | 4 cores | 8 cores | `cores * trigger ÷ 1.2 s`", by_application()),
            END.rstrip("\n") + "\n",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/scaling.md")
    made = tables()
    if not parser.parse_args().write:
        print(made)
        return
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    DOCUMENT.write_text(before + made + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
