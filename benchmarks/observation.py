"""What observing streaming tables costs: CPU seconds of a tick of Dagster's sensor, by what changed since the last.

    .venv/bin/python benchmarks/observation.py --write docs/benchmarks/observation.md

So many tables with so many versions each, observed by the sensor of the code location with its measurement of freshness
(no broker answers). Figures are CPU seconds of this process with all its threads; storing the events that a tick
reports is the daemon's work, and measured apart, in a SQLite instance.
"""

import argparse
import datetime as dt
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import dagster as dg
import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.components.assets import observed_tables
from lakehouse.components.freshness import FreshnessMeter
from lakehouse.components.versions import version_sensor
from lakehouse.contracts import OnInvalid, find_contract
from lakehouse.settings import Settings, load_settings
from lakehouse.storage import Catalog, create_tables

REPOSITORY = Path(__file__).parents[1]
ROWS = 1_000
Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation
Result = TypeVar("Result")
HEADER = """# The cost of observation

Written by `benchmarks/observation.py` on {date}: {machine}.

One tick of the sensor `streaming_table_versions` over {tables:,} tables of {versions} versions each, freshness measured
too; CPU seconds of all threads. What a tick reports is stored by the daemon: see the last column.

| tick | CPU s | wall s | events | CPU s to store them (SQLite) |
|---|---|---|---|---|"""


class Bench:
    """Tables that are copies of one, and the sensor that observes them all."""

    def __init__(self, directory: Path, tables: int, versions: int) -> None:
        self.settings: Settings = load_settings(
            {"home": REPOSITORY, "state_dir": directory / "state", "kafka_bootstrap_servers": "127.0.0.1:1"}
        )
        self.catalog = Catalog.from_settings(self.settings)
        orders = find_contract(self.settings.contracts_dir, "raw.orders")
        self.template = orders.model_copy(update={"table": "raw.template", "on_invalid": OnInvalid.DROP})
        self.contracts = [self.template.model_copy(update={"table": f"raw.t{n:04}"}) for n in range(tables)]
        create_tables(self.catalog, self.template)
        for version in range(versions):
            self._commit(version)
        self._copy()
        self.cursor: str | None = None
        self.start()

    def start(self) -> None:
        """A code location that has just been loaded, and goes on from the cursor."""
        meter = FreshnessMeter(self.settings, self.catalog, self.contracts)
        self.sensor = version_sensor(observed_tables(self.contracts), self.catalog, 15, meter, meter.marts, meter.lags)

    def change(self, tables: int) -> None:
        """One more commit in so many of the tables."""
        self._commit(self.catalog.open(self.template.table).version())
        self._copy(tables)

    def tick(self, instance: dg.DagsterInstance) -> list[Event]:
        """What the sensor reports."""
        result = self.sensor(dg.build_sensor_context(instance=instance, cursor=self.cursor))
        if not isinstance(result, dg.SensorResult):
            return []
        self.cursor = result.cursor
        return list(result.asset_events)

    def _commit(self, number: int) -> None:
        table = self.catalog.open(self.template.table)
        schema = pa.schema(table.schema().to_arrow())
        offsets = np.arange(number * ROWS, (number + 1) * ROWS)
        known = {
            "kafka_topic": pa.array([self.template.source.topic] * ROWS),
            "kafka_partition": pa.array(np.zeros(ROWS, dtype=np.int32)),
            "kafka_offset": pa.array(offsets),
            **{name: pa.array(["x"] * ROWS) for name in ("order_id", "customer_id", "status", "currency")},
            "amount_cents": pa.array(offsets),
        }
        now = pa.array(np.full(ROWS, time.time_ns() // 1000)).cast(pa.timestamp("us", "UTC"))
        columns = [known.get(field.name, now).cast(field.type) for field in schema]
        write_deltalake(table, pa.Table.from_arrays(columns, schema=schema), mode="append")

    def _copy(self, tables: int | None = None) -> None:
        source = Path(self.catalog.uri(self.template.table))
        for contract in self.contracts[:tables]:
            shutil.copytree(source, self.catalog.uri(contract.table), dirs_exist_ok=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    # Logs and data never change, so a thousand tables need the room of one.
    if not Path(target).exists():
        os.link(source, target)


def store(instance: dg.DagsterInstance, events: list[Event]) -> None:
    """As the daemon does."""
    for event in events:
        instance.report_runless_asset_event(event)


def cost(work: Callable[[], Result]) -> tuple[float, float, Result]:
    """CPU seconds, seconds, and what ``work`` returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.process_time() - cpu, time.perf_counter() - wall, found


def main() -> None:
    """Prints the table, and writes it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--write", type=Path, help="The page to write.")
    arguments = parser.parse_args()
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, Python {platform.python_version()}"
    lines = [
        HEADER.format(
            date=dt.datetime.now(dt.UTC).date(), machine=machine, tables=arguments.tables, versions=arguments.versions
        )
    ]
    with tempfile.TemporaryDirectory(prefix="lakehouse-observation-") as directory:
        bench = Bench(Path(directory), arguments.tables, arguments.versions)
        with dg.DagsterInstance.local_temp(directory) as instance:
            for name, changed in (
                ("the first of all", None),
                ("nothing changed", 0),
                ("a tenth changed", arguments.tables // 10),
                ("every table changed", arguments.tables),
            ):
                if changed:
                    bench.change(changed)
                # A measurement that is a few seconds old would be shared, and the next tick is 15 seconds away.
                bench.start()
                cpu, wall, events = cost(lambda: bench.tick(instance))
                stored, _, _ = cost(lambda reported=events: store(instance, reported))  # type: ignore[misc]
                lines.append(f"| {name} | {cpu:.2f} | {wall:.2f} | {len(events):,} | {stored:.2f} |")
                print(lines[-1], flush=True)
    if arguments.write:
        arguments.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
