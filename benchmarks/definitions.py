"""How long Dagster's code location takes to load, in fresh processes: what every run and every restart waits for.

    .venv/bin/python benchmarks/definitions.py --write docs/benchmarks/definitions.md

dbt's manifest and Python's byte code are there already, as they are from the second start on. Median of the rounds.
"""

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

#: What is imported and done one after the other; each is charged with what those before it have not imported yet.
STAGES = {
    "dagster": "import dagster",
    "storage": "import pyarrow.compute, pyarrow.parquet, deltalake, duckdb, obstore",
    "dagster_dbt, with dbt": "import dagster_dbt",
    "lakehouse.components": "import lakehouse.components",
    "definitions": "import lakehouse.definitions; lakehouse.definitions.lakehouse().get_repository_def()",
}
HEADER = """# Loading the definitions

Written by `benchmarks/definitions.py` on {date}: {machine}.

Median of {rounds} fresh processes, byte code and dbt's manifest there already.

| stage | CPU s | wall s |
|---|---|---|"""
PROGRAM = """
import json, time
told = {{}}
for name, code in {stages!r}.items():
    cpu, wall = time.process_time(), time.perf_counter()
    exec(code)
    told[name] = (time.process_time() - cpu, time.perf_counter() - wall)
print(json.dumps(told))
"""


def load(state_dir: str) -> dict[str, tuple[float, float]]:
    """CPU seconds and seconds of each stage, in a process of its own."""
    environment = {**os.environ, "LAKEHOUSE_STATE_DIR": state_dir}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(stages=STAGES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    """Prints the table, and writes it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", type=Path, help="The page to write.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lakehouse-definitions-") as directory:
        load(directory)  # Makes the manifest.
        rounds = [load(directory) for _ in range(arguments.rounds)]
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, Python {platform.python_version()}"
    lines = [HEADER.format(date=dt.datetime.now(dt.UTC).date(), machine=machine, rounds=arguments.rounds)]
    for name in STAGES:
        cpu, wall = (statistics.median(told[name][part] for told in rounds) for part in (0, 1))
        lines.append(f"| {name} | {cpu:.2f} | {wall:.2f} |")
    cpu, wall = (statistics.median(sum(stage[part] for stage in told.values()) for told in rounds) for part in (0, 1))
    lines.append(f"| all | {cpu:.2f} | {wall:.2f} |")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
