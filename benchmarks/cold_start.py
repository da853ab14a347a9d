"""A clean clone: seconds from `make up` to ready and to the first row in `marts.fct_orders_daily`; memory of it all.

    .venv/bin/python benchmarks/cold_start.py

Package caches of this machine are used as they are (warm, when the project was installed here before). The clone is of
the last commit; it lies in a temporary directory, takes ports of its own, and is stopped and deleted at the end.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PORTS = ("POSTGRES_PORT", "KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "DAGSTER_PORT", "SPARK_UI_PORT", "SPARK_STATUS_PORT")
QUESTION = "SELECT count(*) AS orders FROM marts.fct_orders_daily"
DEADLINE_SECONDS = 900


def orders(clone: Path, environment: dict[str, str]) -> int:
    """Rows of the mart; 0 while it does not exist."""
    command = [clone / ".venv" / "bin" / "lakehouse", "query", QUESTION, "--format", "json"]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    return int(json.loads(done.stdout)[0]["orders"]) if done.returncode == 0 else 0


def main() -> None:
    """Prints the three figures."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
    environment |= {f"LAKEHOUSE_{name}": str(29_092 + offset) for offset, name in enumerate(PORTS)}
    with tempfile.TemporaryDirectory(prefix="lakehouse-cold-") as directory:
        clone = Path(directory) / "clone"
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
        began = time.monotonic()
        try:
            subprocess.run(["make", "up"], cwd=clone, env=environment, check=True)
            print(f"make up until ready: {time.monotonic() - began:.0f} s", flush=True)
            while not orders(clone, environment):
                if time.monotonic() - began > DEADLINE_SECONDS:
                    raise TimeoutError(f"no row in marts.fct_orders_daily within {DEADLINE_SECONDS} s")
                time.sleep(1)
            print(f"make up until the first row in fct_orders_daily: {time.monotonic() - began:.0f} s", flush=True)
            subprocess.run([clone / ".venv" / "bin" / "lakehouse", "status"], cwd=clone, env=environment, check=True)
        finally:
            subprocess.run(["make", "down"], cwd=clone, env=environment, check=True)


if __name__ == "__main__":
    main()
