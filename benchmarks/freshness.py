"""What measuring freshness costs: CPU time of a look at a table, by what was committed since the last one.

    .venv/bin/python benchmarks/freshness.py --write docs/benchmarks/freshness.md

The table of `raw.orders` gets commits of so many rows, and is looked at after each few of them, as the exporter does
every 15 seconds. Figures are medians of the rounds, in CPU milliseconds of this process with all its threads; reading
and writing the state file is part of a look.
"""

import argparse
import datetime as dt
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.contracts import Contract, find_contract
from lakehouse.observability.look import look
from lakehouse.observability.state import state_file
from lakehouse.settings import Settings, load_settings
from lakehouse.storage import Catalog, create_tables

REPOSITORY = Path(__file__).parents[1]
PARTITIONS = 4
#: Commits between two looks, and rows of each: a quiet table, Spark at 200 and at 100,000 events/s, Flink each second.
SHAPES = ((0, 0), (1, 2_000), (15, 200), (1, 100_000), (15, 100_000), (1, 1_000_000))
HEADER = """# The cost of measured freshness

Written by `benchmarks/freshness.py` on {date}: {machine}.

One look at `raw.orders` and its quarantine, with so many commits since the last look and so many rows in each. Median
of {rounds} rounds; CPU time of all threads, the state file included. Four columns of a file are read.

| commits | rows each | CPU ms a look | CPU ms a million rows | KB of these columns, of a file | state file KB |
|---|---|---|---|---|---|"""


@dataclass
class Bench:
    """One table and its writer, which numbers the offsets on."""

    settings: Settings
    catalog: Catalog
    contract: Contract
    following: int = 0

    def commit(self, rows: int) -> None:
        """A commit of ``rows`` events, spread over the partitions."""
        table = self.catalog.open(self.contract.table)
        numbers = np.arange(rows)
        now_us = time.time_ns() // 1000
        schema = pa.schema(table.schema().to_arrow())
        values = {
            "kafka_topic": pa.array(["orders.events"]).take(pa.array(np.zeros(rows, dtype=np.int64))),
            "kafka_partition": pa.array((numbers % PARTITIONS).astype(np.int32)),
            "kafka_offset": pa.array(self.following + numbers // PARTITIONS),
        }
        self.following += rows // PARTITIONS
        moments = pa.array(now_us - np.random.default_rng(1).integers(0, 30_000_000, rows))
        for field in schema:
            if field.name in values:
                values[field.name] = values[field.name].cast(field.type)
            elif pa.types.is_timestamp(field.type):
                values[field.name] = moments.cast(field.type)
            elif pa.types.is_integer(field.type):
                values[field.name] = pa.array(numbers).cast(field.type)
            else:
                values[field.name] = pa.array(numbers).cast(pa.string()).cast(field.type)
        write_deltalake(
            table, pa.table({field.name: values[field.name] for field in schema}, schema=schema), mode="append"
        )

    def look(self) -> float:
        """CPU milliseconds of a look."""
        before = time.process_time()
        look(self.settings, self.catalog, self.contract)
        return (time.process_time() - before) * 1000


def measured(bench: Bench, commits: int, rows: int, rounds: int) -> str:
    """One line of the page."""
    spent = []
    for _ in range(rounds):
        for _ in range(commits):
            bench.commit(rows)
        spent.append(bench.look())
    file = state_file(bench.settings, bench.contract.table)
    cpu, total = statistics.median(spent), commits * rows
    a_million = f"{cpu / total * 1e6:,.0f}" if total >= 100_000 else ""
    size = file.stat().st_size / 1024
    return f"| {commits} | {rows:,} | {cpu:.1f} | {a_million} | {_share(bench) if total else ''} | {size:.0f} |"


def _share(bench: Bench) -> str:
    """Compressed size of the columns that a look reads, of the newest file, and of all its columns."""
    newest = max(Path(bench.catalog.uri(bench.contract.table)).glob("*.parquet"), key=lambda file: file.stat().st_mtime)
    parquet = bench.catalog.parquet(str(newest))
    group = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
    columns = [row.column(i) for row in group for i in range(row.num_columns)]
    read = {"kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp"}
    part = sum(c.total_compressed_size for c in columns if c.path_in_schema in read)
    return f"{part / 1024:,.0f} of {sum(c.total_compressed_size for c in columns) / 1024:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", type=Path, help="the page to write; default: standard output")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        settings = load_settings({"home": REPOSITORY, "state_dir": Path(directory) / "state"})
        contract = find_contract(settings.contracts_dir, "raw.orders")
        catalog = Catalog.from_settings(settings)
        create_tables(catalog, contract)
        bench = Bench(settings, catalog, contract)
        bench.commit(1000)
        bench.look()
        lines = [measured(bench, commits, rows, options.rounds) for commits, rows in SHAPES]
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, Python {platform.python_version()}"
    head = HEADER.format(date=dt.datetime.now(dt.UTC).date(), machine=machine, rounds=options.rounds)
    page = "\n".join([head, *lines]) + "\n"
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main()
