"""What an incremental dbt run costs on Delta, beside plain dbt-duckdb in a .duckdb file.

    .venv/bin/python benchmarks/dbt_incremental.py --rows 1000000 10000000

For each size of the target, kind of key and shape of the changes it builds the same model twice, applies the same
changes to the source, and measures one incremental run of each: seconds the model took (dbt's own figure), peak
resident memory of the dbt process, files and bytes that the run added to and took out of the table. The plain model
finds its rows by `batch > max(batch)`, which is safe here only because this source is never late with a batch.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from deltalake import DeltaTable, write_deltalake

REPOSITORY = Path(__file__).parents[1]
ROWS_A_DAY = 100_000
KEYS = {"bigint": "id", "uuid": "md5(id::VARCHAR)::UUID::VARCHAR"}
#: What of the changes hits which row: `fresh` is a new order of the last day, `any` a held one of any day.
SHAPES = {"in order": (0.9, 0.0), "1 % late": (0.89, 0.01), "spread": (0.0, 1.0)}
PROJECT = """
name: bench
version: "1.0.0"
profile: {profile}
flags: {{send_anonymous_usage_stats: false}}
on-run-start: ["{start}"]
on-run-end: ["{end}"]
"""
#: The kernel's figure for a child process starts from what its parent used; the process itself knows better.
RUN_DBT = """
import atexit, sys
status = lambda: next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
atexit.register(lambda: print(status(), file=sys.stderr))
from dbt.cli.main import cli
cli()
"""
LAKEHOUSE_MODEL = """
{{ config(materialized='incremental', unique_key='order_key', partition_by='order_date', cluster_by='customer_id') }}
select * exclude (_change_type) from {{ delta_changes(source('raw', 'orders')) }} where _change_type = 'insert'
"""
PLAIN_MODEL = """
{{ config(materialized='incremental', unique_key='order_key', incremental_strategy='STRATEGY') }}
select * from {{ source('raw', 'orders') }}
{% if is_incremental() %} where batch > (select max(batch) from {{ this }}) {% endif %}
"""
PLAIN_PROFILE = """
plain:
  target: local
  outputs:
    local:
      type: duckdb
      path: {file}
      schema: marts
      threads: 2
      config_options: {{memory_limit: 1GB, preserve_insertion_order: false}}
      settings: {{TimeZone: UTC}}
"""


@dataclass(frozen=True)
class Measured:
    """One incremental run. Bytes and files are those of the table, zero where a single file is written in place."""

    seconds: float
    peak_mb: float
    files_added: int = 0
    bytes_added: int = 0
    bytes_removed: int = 0


class Bench:
    """One source and the models over it, in a directory that is deleted afterwards."""

    def __init__(self, directory: Path, rows: int, key: str) -> None:
        self._directory = directory
        self._rows = rows
        self._key = key
        self._source = str(directory / "tables" / "raw" / "orders")
        self._connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(directory / "spill")})
        self._connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")

    def make_source(self) -> None:
        """The first batch: every order once."""
        self._append(f"SELECT range AS id, 'placed' AS status, 0 AS batch FROM range({self._rows})", "overwrite")

    def change_source(self, changes: int, shape: str) -> None:
        """The second batch, of ``changes`` rows."""
        fresh, anywhere = SHAPES[shape]
        new, old = int(changes * fresh), int(changes * anywhere)
        recent = changes - new - old
        step = (self._rows - ROWS_A_DAY) // old if old else 1
        self._append(
            f"SELECT {self._rows} + range AS id, 'placed' AS status, 1 AS batch FROM range({new}) "
            f"UNION ALL SELECT {self._rows - ROWS_A_DAY} + range, 'paid', 1 FROM range({recent}) "
            f"UNION ALL SELECT range * {step}, 'paid', 1 FROM range({old})",
            "append",
        )

    def _append(self, orders: str, mode: str) -> None:
        rows = self._connection.execute(
            f"SELECT {KEYS[self._key]} AS order_key, 'c' || (id * 7919 % 50000) AS customer_id, status, "
            "(id * 31 % 100000)::BIGINT AS amount_cents, batch, "
            f"TIMESTAMPTZ '2025-01-01' + to_seconds((id * 86400.0 / {ROWS_A_DAY})::BIGINT) AS created_at, "
            f"DATE '2025-01-01' + (id // {ROWS_A_DAY})::INTEGER AS order_date FROM ({orders}) ORDER BY id"
        ).to_arrow_reader(100_000)
        feed: dict[str, str | None] = {"delta.enableChangeDataFeed": "true"}
        if mode == "append":
            write_deltalake(self._source, rows, mode="append")
        else:
            write_deltalake(self._source, rows, mode="overwrite", configuration=feed)

    def project(self, name: str, model: str, start: str, end: str) -> Path:
        """A dbt project of one model."""
        project = self._directory / name
        shutil.rmtree(project, ignore_errors=True)
        (project / "models").mkdir(parents=True)
        profile = "lakehouse" if name == "lakehouse" else "plain"
        (project / "dbt_project.yml").write_text(PROJECT.format(profile=profile, start=start, end=end))
        (project / "models" / "m.sql").write_text(model)
        location = "" if name == "lakehouse" else f", meta: {{external_location: \"delta_scan('{self._source}')\"}}"
        sources = f"sources: [{{name: raw, tables: [{{name: orders, config: {{enabled: true{location}}}}}]}}]"
        (project / "models" / "sources.yml").write_text(sources)
        return project

    def lakehouse(self) -> Path:
        """The model on Delta."""
        start, end = "{{ lakehouse_start_run() }}", "{{ lakehouse_end_run() }}"
        project = self.project("lakehouse", LAKEHOUSE_MODEL, start, end)
        shutil.copytree(REPOSITORY / "dbt" / "macros", project / "macros")
        shutil.copy(REPOSITORY / "dbt" / "profiles.yml", project)
        return project

    def plain(self, strategy: str) -> Path:
        """The model in a .duckdb file."""
        directory = next(iter(__import__("duckdb_extension_delta").__path__))
        extension = Path(directory, "extensions", f"v{duckdb.__version__}", "delta.duckdb_extension")
        project = self.project("plain", PLAIN_MODEL.replace("STRATEGY", strategy), f"LOAD '{extension}'", "SELECT 1")
        (project / "profiles.yml").write_text(PLAIN_PROFILE.format(file=project / "bench.duckdb"))
        return project

    def run(self, project: Path) -> Measured:
        """One `dbt run` in a process of its own."""
        before = self._files() if project.name == "lakehouse" else {}
        environment = {
            **os.environ,
            "LAKEHOUSE_ROOT": str(self._directory / "tables"),
            "LAKEHOUSE_STATE_DIR": str(self._directory / "state"),
            "LAKEHOUSE_HOME": str(REPOSITORY),
        }
        dbt = [sys.executable, "-c", RUN_DBT, "--quiet", "run"]
        options = ["--project-dir", str(project), "--profiles-dir", str(project)]
        process = subprocess.run([*dbt, *options], env=environment, stderr=subprocess.PIPE, text=True)
        if process.returncode != 0:
            raise SystemExit(f"dbt failed in {project}:\n{process.stderr}")
        results = json.loads((project / "target" / "run_results.json").read_text())["results"]
        seconds = sum(result["execution_time"] for result in results if result["unique_id"].startswith("model."))
        after = self._files() if project.name == "lakehouse" else {}
        added, removed = after.keys() - before.keys(), before.keys() - after.keys()
        return Measured(
            seconds=seconds,
            peak_mb=int(process.stderr.split()[-2]) / 1024,
            files_added=len(added),
            bytes_added=sum(after[file] for file in added),
            bytes_removed=sum(before[file] for file in removed),
        )

    def _files(self) -> dict[str, int]:
        uri = str(self._directory / "tables" / "marts" / "m")
        if not DeltaTable.is_deltatable(uri):
            return {}
        actions = DeltaTable(uri).get_add_actions(flatten=True)
        return dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))


@contextmanager
def bench(rows: int, key: str) -> Iterator[Bench]:
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield Bench(directory, rows, key)
    finally:
        shutil.rmtree(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="rows of the target")
    parser.add_argument("--changes", type=int, default=100_000, help="changed rows")
    parser.add_argument("--keys", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--plain", nargs="*", default=["merge", "delete+insert"], help="strategies of the peer")
    options = parser.parse_args()
    print("| rows | key | changes | engine | model s | peak MB | files + | MB + | MB - |", flush=True)
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for rows in options.rows:
        for key in options.keys:
            for shape in options.shapes:
                with bench(rows, key) as one:
                    one.make_source()
                    projects = {"Delta merge": one.lakehouse()}
                    one.run(projects["Delta merge"])
                    one.change_source(options.changes, shape)
                    report(rows, key, shape, "Delta merge", one.run(projects["Delta merge"]))
                for strategy in options.plain:
                    with bench(rows, key) as one:
                        one.make_source()
                        plain = one.plain(strategy)
                        one.run(plain)
                        one.change_source(options.changes, shape)
                        report(rows, key, shape, f"plain {strategy}", one.run(plain))


def report(rows: int, key: str, shape: str, engine: str, measured: Measured) -> None:
    figures = f"{measured.seconds:.2f} | {measured.peak_mb:.0f} | {measured.files_added}"
    megabytes = f"{measured.bytes_added / 1e6:.1f} | {measured.bytes_removed / 1e6:.1f}"
    print(f"| {rows:,} | {key} | {shape} | {engine} | {figures} | {megabytes} |", flush=True)


if __name__ == "__main__":
    main()
