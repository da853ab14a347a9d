"""Dagster over tables that no stream writes to: light enough to look at in a browser."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import requests
from deltalake import write_deltalake

from lakehouse.local.customers import ensure_customers
from lakehouse.local.dagster import code_answers, dagster_command
from lakehouse.settings import Settings, load_settings
from lakehouse.storage.postgres import password
from tests.conftest import free_port
from tests.lakehouse_dbt import REPOSITORY, START, Event, Lakehouse
from tests.waiting import wait_for

DAYS = 6
LOST = "offsets_lost: partition 0 of orders.events, offsets 40 to 41"
ROLES = ("code", "webserver", "daemon")
_START_SECONDS, _FOLLOW_SECONDS = 240, 600


class Platform:
    """A copy of the project with orders of the last days, and one loss of events on record."""

    def __init__(self, directory: Path, postgres: Settings) -> None:
        for name in ("dbt", "streaming"):
            shutil.copytree(REPOSITORY / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "target"))
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(REPOSITORY / name, directory / name)
        self.settings = load_settings(
            {
                "home": directory,
                "state_dir": directory / "state",
                "root": str(directory / "tables"),
                "dagster_port": free_port(),
                "dagster_code_port": free_port(),
                # Nobody listens there: what only a broker knows is not measured.
                "kafka_port": free_port(),
                "postgres_port": postgres.postgres_port,
                "postgres_password": password(postgres),
            }
        )
        ensure_customers(postgres)
        self.tables = Lakehouse(directory, directory / "dbt")
        self.tables.postgres = postgres
        self.today = datetime.now(UTC).date()
        before = (datetime.now(UTC) - START).days
        self.tables.create_source()
        self.tables.produce(
            *[Event(f"o{number}", f"c{number}", at=(before - number) * 24 * 60) for number in range(DAYS)]
        )
        self._lose()
        self.tables.run()

    def day(self, ago: int) -> str:
        return (self.today - timedelta(days=ago)).isoformat()

    def damage(self, ago: int) -> None:
        """Writes to the rows of a day what no source has."""
        table = self.tables.table("marts.fct_orders_daily")
        table.update(updates={"amount_usd_cents": "-1"}, predicate=f"order_date = '{self.day(ago)}'")

    @property
    def damaged(self) -> int:
        return int(self.tables.rows("SELECT count(*) FROM marts.fct_orders_daily WHERE amount_usd_cents = -1")[0][0])

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Runs with these tags (`a_b` for `a/b`), newest first: their status, tags and assets."""
        wanted = [{"key": key.replace("_", "/", 1), "value": value} for key, value in tags.items()]
        query = """query Runs($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results {
            runId status tags { key value } assetSelection { path } } } } }"""
        found: list[dict[str, Any]] = self._ask(query, filter={"tags": wanted})["runsOrError"]["results"]
        return found

    @contextmanager
    def running(self) -> Iterator[None]:
        """While Dagster runs."""
        environment = {**os.environ, **self.settings.as_environment(), "DAGSTER_HOME": str(self.settings.home)}
        self.settings.run_dir.mkdir(exist_ok=True)
        with ExitStack() as stack:
            for role in ROLES:
                log = stack.enter_context(self._log(role).open("wb"))
                process = psutil.Popen(
                    dagster_command(role), cwd=self.settings.home, env=environment, stdout=log, stderr=subprocess.STDOUT
                )
                stack.callback(_end, process)
                if role == "code":
                    wait_for(lambda: code_answers(self.settings) is None, "Dagster's code", _START_SECONDS, self.logs)
            wait_for(self._answers, "Dagster to answer", _START_SECONDS, self.logs)
            # The pages ask twice before they materialize what is downstream of something missing.
            wait_for(self._followed, "the models to be built by themselves", _FOLLOW_SECONDS, self.logs)
            yield

    def logs(self) -> str:
        files = [file for role in ROLES if (file := self._log(role)).exists()]
        return "\n".join(file.read_text(encoding="utf-8", errors="replace")[-3000:] for file in files)

    def _log(self, role: str) -> Path:
        return self.settings.home / f"dagster-{role}.log"

    def _ask(self, query: str, **variables: object) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer: dict[str, Any] = requests.post(f"{self.settings.dagster_url}/graphql", json=body, timeout=60).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def _followed(self) -> bool:
        query = """query Built($last: [AssetKeyInput!]) { assetNodes(assetKeys: $last) {
            assetMaterializations(limit: 1) { runId } } }"""
        (last,) = self._ask(query, last=[{"path": ["marts", "fct_daily_revenue"]}])["assetNodes"]
        return bool(last["assetMaterializations"])

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.settings.dagster_url}/server_info", timeout=10).ok
        except requests.ConnectionError:
            return False

    def _lose(self) -> None:
        """A row in quarantine that stands for events which were gone before they were read."""
        table = self.tables.table("raw.orders_rejected")
        schema = pa.schema(table.schema().to_arrow())
        row = {
            "kafka_topic": "orders.events",
            "kafka_partition": 0,
            "kafka_offset": 40,
            "ingested_at": datetime.now(UTC),
            "reason": LOST,
        }
        write_deltalake(table, pa.Table.from_pylist([row], schema=schema), mode="append")


def _end(process: psutil.Popen) -> None:
    """With the runs that it has begun."""
    for one in (*process.children(recursive=True), process):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(60)
