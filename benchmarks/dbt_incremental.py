"""What an incremental dbt run costs on Delta, beside plain dbt-duckdb in a .duckdb file.

    .venv/bin/python benchmarks/dbt_incremental.py --write docs/benchmarks/dbt-incremental.md

For each number of rows and kind of key the same model is built once per engine. Every shape of changes then starts from
copies of these tables, and one incremental run of each engine is measured, in turns: seconds that the model took (dbt's
own figure), CPU seconds of the process meanwhile, its peak resident memory, files and bytes that the run added to and
took out of the table. Figures are medians of the rounds. The plain model finds its rows by `batch > max(batch)`, which
is safe here only because this source is never late with a batch.
"""

import argparse
import datetime as dt
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import duckdb
from deltalake import DeltaTable, write_deltalake

REPOSITORY = Path(__file__).parents[1]
ROWS_A_DAY = 100_000
KEYS = {"bigint": "id", "uuid": "md5(id::VARCHAR)::UUID::VARCHAR"}
#: What of the changes hits which row: `fresh` is a new order of the last day, `any` a held one of any day.
SHAPES = {"in order": (0.9, 0.0), "1 % late": (0.89, 0.01), "spread": (0.0, 1.0)}
DELTA = "Delta merge"
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
import sys, time
from dbt.cli.main import dbtRunner
spent = {}
def watch(event):
    if event.info.name in ("NodeStart", "NodeFinished") and event.data.node_info.resource_type == "model":
        spent[event.info.name] = time.process_time()
result = dbtRunner(callbacks=[watch]).invoke(sys.argv[1:])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("MEASURED", spent["NodeFinished"] - spent["NodeStart"], int(status["VmHWM"].split()[0]) / 1024)
sys.exit(0 if result.success else 1)
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
HEADER = """# The cost of an incremental dbt model

Written by `benchmarks/dbt_incremental.py` on {date}: {machine}.

A target of that many rows, {day:,} a day and partition, gets {changes:,} changed rows: in order (90 % new, 10 % updates
of the last day), the same with 1 % of the rows late, or updates spread over all days. Median of {rounds} rounds.
`plain` is dbt-duckdb with its table in a .duckdb file, updated in place.

| rows | key | changes | engine | model s | CPU s | peak MB | files + | MB + | MB - |
|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Measured:
    """One incremental run. Bytes and files are those of the table, zero where a single file is written in place."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    files_added: float = 0
    mb_added: float = 0
    mb_removed: float = 0


class Bench:
    """One source and the models over it, in a directory that is deleted afterwards."""

    def __init__(self, directory: Path, rows: int, key: str) -> None:
        self._directory = directory
        self._rows = rows
        self._key = key
        self._tables = directory / "tables"
        self._built = directory / "built"
        self._connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(directory / "spill")})
        self._connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")

    def build(self, engines: list[str]) -> None:
        """The source with its first batch, every order once, and the target of each engine."""
        self._append(f"SELECT range AS id, 'placed' AS status, 0 AS batch FROM range({self._rows})", "overwrite")
        self._dbt(self._lakehouse())
        for engine in engines[1:2]:
            self._dbt(self._plain(engine))
            shutil.move(self._database, self._directory / "built.duckdb")
        shutil.move(self._tables, self._built)

    def change(self, changes: int, shape: str) -> None:
        """Puts everything back to how it was built, and adds a second batch of ``changes`` rows to the source."""
        shutil.rmtree(self._tables, ignore_errors=True)
        # Files of a Delta table never change, so links are as good as copies.
        shutil.copytree(self._built, self._tables, copy_function=os.link)
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

    def run(self, engine: str) -> Measured:
        """One incremental `dbt run` of ``engine``."""
        if engine != DELTA:
            project = self._plain(engine)
            shutil.copy(self._directory / "built.duckdb", self._database)
            seconds, cpu_seconds, peak_mb = self._dbt(project)
            return Measured(seconds, cpu_seconds, peak_mb)
        before = self._files()
        seconds, cpu_seconds, peak_mb = self._dbt(self._lakehouse())
        after = self._files()
        added, removed = after.keys() - before.keys(), before.keys() - after.keys()
        return Measured(
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_mb=peak_mb,
            files_added=len(added),
            mb_added=sum(after[file] for file in added) / 1e6,
            mb_removed=sum(before[file] for file in removed) / 1e6,
        )

    @property
    def _database(self) -> Path:
        return self._directory / "plain.duckdb"

    @property
    def _source(self) -> str:
        return str(self._tables / "raw" / "orders")

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

    def _project(self, name: str, model: str, start: str, end: str) -> Path:
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

    def _lakehouse(self) -> Path:
        """The model on Delta."""
        start, end = "{{ lakehouse_start_run() }}", "{{ lakehouse_end_run() }}"
        project = self._project("lakehouse", LAKEHOUSE_MODEL, start, end)
        shutil.copytree(REPOSITORY / "dbt" / "macros", project / "macros")
        shutil.copy(REPOSITORY / "dbt" / "profiles.yml", project)
        return project

    def _plain(self, engine: str) -> Path:
        """The model in a .duckdb file."""
        directory = next(iter(__import__("duckdb_extension_delta").__path__))
        extension = Path(directory, "extensions", f"v{duckdb.__version__}", "delta.duckdb_extension")
        model = PLAIN_MODEL.replace("STRATEGY", engine.removeprefix("plain "))
        project = self._project("plain", model, f"LOAD '{extension}'", "SELECT 1")
        (project / "profiles.yml").write_text(PLAIN_PROFILE.format(file=self._database))
        return project

    def _dbt(self, project: Path) -> tuple[float, float, float]:
        """A `dbt run` in a process of its own: seconds and CPU seconds of the model, and the process's peak MB."""
        environment = {
            **os.environ,
            "LAKEHOUSE_ROOT": str(self._tables),
            "LAKEHOUSE_STATE_DIR": str(self._directory / "state"),
            "LAKEHOUSE_HOME": str(REPOSITORY),
        }
        options = ["--project-dir", str(project), "--profiles-dir", str(project)]
        command = [sys.executable, "-c", RUN_DBT, "--quiet", "run", *options]
        process = subprocess.run(command, env=environment, capture_output=True, text=True)
        if process.returncode != 0:
            raise SystemExit(f"dbt failed in {project}:\n{process.stdout}{process.stderr}")
        results = json.loads((project / "target" / "run_results.json").read_text())["results"]
        seconds = sum(result["execution_time"] for result in results if result["unique_id"].startswith("model."))
        _, cpu_seconds, peak_mb = process.stdout.splitlines()[-1].split()
        return seconds, float(cpu_seconds), float(peak_mb)

    def _files(self) -> dict[str, int]:
        actions = DeltaTable(str(self._tables / "marts" / "m")).get_add_actions(flatten=True)
        return dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))


@contextmanager
def bench(rows: int, key: str) -> Iterator[Bench]:
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield Bench(directory, rows, key)
    finally:
        shutil.rmtree(directory)


def measure(options: argparse.Namespace) -> dict[tuple[int, str, str, str], Measured]:
    """Rows, key, shape and engine to the median of what was measured."""
    engines = [DELTA, *(f"plain {strategy}" for strategy in options.plain)]
    figures = {}
    for rows in options.rows:
        for key in options.keys:
            with bench(rows, key) as one:
                one.build(engines)
                for shape in options.shapes:
                    rounds: dict[str, list[Measured]] = {engine: [] for engine in engines}
                    for _ in range(options.rounds):
                        one.change(options.changes, shape)
                        for engine in engines:
                            rounds[engine].append(one.run(engine))
                            print(rows, key, shape, engine, rounds[engine][-1], file=sys.stderr, flush=True)
                    for engine, runs in rounds.items():
                        medians = (statistics.median(column) for column in zip(*map(astuple, runs), strict=True))
                        figures[rows, key, shape, engine] = Measured(*medians)
    return figures


def report(options: argparse.Namespace, figures: dict[tuple[int, str, str, str], Measured]) -> str:
    """The figures as a Markdown page."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), {memory:.0f} GB of memory"
    lines = HEADER.format(
        date=dt.datetime.now(dt.UTC).date(),
        machine=f"{machine}, DuckDB {duckdb.__version__}, Python {platform.python_version()}",
        day=ROWS_A_DAY,
        changes=options.changes,
        rounds=options.rounds,
    ).splitlines()
    for (rows, key, shape, engine), one in figures.items():
        lines.append(
            f"| {rows:,} | {key} | {shape} | {engine} | {one.seconds:.2f} | {one.cpu_seconds:.2f} | {one.peak_mb:.0f} "
            f"| {one.files_added:.0f} | {one.mb_added:.1f} | {one.mb_removed:.1f} |"
        )
    lines += ["", *_ratios(options, figures)]
    return "\n".join(lines) + "\n"


def _ratios(options: argparse.Namespace, figures: dict[tuple[int, str, str, str], Measured]) -> list[str]:
    """Delta against the faster of the plain strategies, and the largest target against the smallest."""
    small, large = min(options.rows), max(options.rows)
    lines = [
        f"| key | changes | {large:,} / {small:,} rows: s | CPU | Delta / faster plain at {large:,} rows: s | CPU |",
        "|---|---|---|---|---|---|",
    ]
    for key in options.keys:
        for shape in options.shapes:
            delta, smaller = figures[large, key, shape, DELTA], figures[small, key, shape, DELTA]
            plain = [figures[large, key, shape, f"plain {strategy}"] for strategy in options.plain]
            grown = f"{delta.seconds / smaller.seconds:.2f} | {delta.cpu_seconds / smaller.cpu_seconds:.2f}"
            peer = min(plain, key=lambda one: one.seconds, default=None)
            beside = (
                f"{delta.seconds / peer.seconds:.2f} | {delta.cpu_seconds / peer.cpu_seconds:.2f}" if peer else "- | -"
            )
            lines.append(f"| {key} | {shape} | {grown} | {beside} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="rows of the target")
    parser.add_argument("--changes", type=int, default=100_000, help="changed rows")
    parser.add_argument("--keys", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--plain", nargs="*", default=["merge", "delete+insert"], help="strategies of the peer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="the Markdown file to write")
    options = parser.parse_args()
    page = report(options, measure(options))
    print(page)
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(page)


if __name__ == "__main__":
    main()
