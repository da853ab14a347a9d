"""The real dbt project over tables of one's own: events go into raw.orders, dbt runs in this process."""

import datetime as dt
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from deltalake import DeltaTable, write_deltalake

from lakehouse.contracts.loader import find_contract
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from lakehouse.storage.duck import connect
from lakehouse.storage.postgres import password

REPOSITORY = Path(__file__).parents[1]
PROJECT = REPOSITORY / "dbt"
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Event:
    """An order event; times are minutes after START."""

    order_id: str
    customer_id: str = "c1"
    amount_cents: int = 100
    status: str | None = "placed"
    at: int = 0
    currency: str = "USD"
    created: int | None = None

    def later(self, minutes: int, **changes: Any) -> "Event":
        """The next event of the same order."""
        created = self.at if self.created is None else self.created
        return replace(self, **{"at": self.at + minutes, "created": created, **changes})


class Lakehouse:
    """Tables below a directory, and dbt on them."""

    #: The Postgres that dbt reads. Without one, its models are left out.
    postgres: Settings | None = None
    #: dbt-duckdb keeps its database for the life of a process. Many runs in one place can share it: it opens slowly.
    keep_database = False
    #: Which output of the profile computes the models.
    target = "local"
    #: Where dbt writes what it makes. A manifest is of one target.
    artifacts = "target"

    def __init__(self, directory: Path, project: Path = PROJECT, manifest: Manifest | None = None) -> None:
        self.catalog = Catalog(str(directory / "tables"))
        self._directory = directory
        self._project = project
        self._manifest = manifest
        self._offset = 0

    def create_source(self) -> None:
        """An empty raw.orders, as the streaming writer creates it."""
        create_tables(self.catalog, find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders"))

    def produce(self, *events: Event) -> None:
        """Appends events in one commit, as the streaming writer does."""
        options = dict(self.catalog.storage_options)
        uri = self.catalog.uri("raw.orders")
        write_deltalake(uri, self._table(events), mode="append", storage_options=options)

    def dbt(self, *arguments: str, env: dict[str, str] | None = None) -> dbtRunnerResult:
        """Runs dbt and returns its result, whether it succeeded or not."""
        given = {
            "LAKEHOUSE_ROOT": self.catalog.root,
            "LAKEHOUSE_HOME": str(REPOSITORY),
            "LAKEHOUSE_STATE_DIR": str(self._directory / "state"),
            **self._postgres_environment(),
            **(env or {}),
        }
        before = dict(os.environ)
        os.environ.update(given)
        try:
            # dbt looks through the whole stack at its start, source lines and all, and a test's stack is deep: in a
            # thread of its own a run takes half of the time.
            with ThreadPoolExecutor(max_workers=1) as pool:
                runner = dbtRunner(manifest=self._manifest)
                given_arguments = [*arguments, *self._selection(arguments), *self._options()]
                return pool.submit(runner.invoke, given_arguments).result()
        finally:
            if not self.keep_database:
                DuckDBConnectionManager.close_all_connections()
            os.environ.clear()
            os.environ.update(before)

    def run(self, *arguments: str) -> None:
        """`dbt build` without its tests; fails the test when dbt fails."""
        result = self.dbt("build", "--exclude-resource-type", "test", "unit_test", *arguments)
        assert result.success, messages(result)

    def table(self, name: str) -> DeltaTable:
        return self.catalog.open(name)

    def version(self, name: str) -> int:
        return int(self.catalog.open(name).version())

    def versions(self) -> dict[str, int]:
        """The version of every table."""
        return {name: self.version(name) for name in self.catalog.names()}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the tables' newest versions."""
        with connect(self.catalog) as connection:
            return connection.execute(sql).fetchall()

    def _postgres_environment(self) -> dict[str, str]:
        if self.postgres is None:
            return {}
        return {
            "LAKEHOUSE_POSTGRES_PORT": str(self.postgres.postgres_port),
            "LAKEHOUSE_POSTGRES_PASSWORD": password(self.postgres),
        }

    def _selection(self, arguments: Sequence[str]) -> list[str]:
        everything = arguments[0] in ("build", "run", "test") and not {"--select", "--exclude"} & set(arguments)
        return ["--exclude", "source:postgres+"] if everything and self.postgres is None else []

    def _options(self) -> list[str]:
        target = self._directory / self.artifacts
        options = ["--project-dir", str(self._project), "--profiles-dir", str(PROJECT), "--target", self.target]
        return [*options, "--target-path", str(target), "--log-path", str(target), "--quiet"]

    def _table(self, events: Sequence[Event]) -> pa.Table:
        schema = pa.schema(self.table("raw.orders").schema().to_arrow())
        rows = []
        for event in events:
            rows.append(
                {
                    "order_id": event.order_id,
                    "customer_id": event.customer_id,
                    "amount_cents": event.amount_cents,
                    "status": event.status,
                    "event_time": minute(event.at),
                    "currency": event.currency,
                    "created_at": minute(event.at if event.created is None else event.created),
                    "kafka_topic": "orders.events",
                    "kafka_partition": 0,
                    "kafka_offset": self._offset,
                    "kafka_timestamp": minute(event.at),
                    "ingested_at": minute(event.at),
                }
            )
            self._offset += 1
        return pa.Table.from_pylist(rows, schema=schema)


def minute(minutes: int) -> dt.datetime:
    """A point in time, minutes after START."""
    return START + dt.timedelta(minutes=minutes)


def day(days: int) -> dt.date:
    """A date, days after START."""
    return (START + dt.timedelta(days=days)).date()


def messages(result: dbtRunnerResult) -> str:
    """What dbt said about nodes that failed, or about itself."""
    nodes: Iterable[Any] = getattr(result.result, "results", None) or []
    failed = [f"{node.node.name}: {node.message}" for node in nodes if node.status in ("error", "fail")]
    return "\n".join([*failed, str(result.exception or "")]).strip()


class SparkLakehouse(Lakehouse):
    """The same, with models that Spark computes, in the session of this process."""

    target = "spark"
    artifacts = "target-spark"


def parse(directory: Path, project: Path = PROJECT, kind: type[Lakehouse] = Lakehouse) -> Manifest:
    """The manifest of a project, so that many runs parse it once."""
    result = kind(directory, project).dbt("parse")
    assert result.success, messages(result)
    assert isinstance(result.result, Manifest)
    return result.result


def home_with_spark(directory: Path) -> Path:
    """A home whose project has Spark compute fct_orders_daily, between models of DuckDB, and reads no Postgres."""
    home = directory / "home"
    project = shutil.copytree(PROJECT, home / "dbt", ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models" / "exposures.yml").unlink()  # Of customers, too.
    file = project / "dbt_project.yml"
    said = "    marts:\n      +schema: marts\n"
    assert said in file.read_text()
    models = "      fct_orders_daily: {+meta: {engine: spark}}\n      dim_customers: {+enabled: false}\n"
    file.write_text(file.read_text().replace(said, said + models, 1))
    (home / "streaming").symlink_to(REPOSITORY / "streaming")
    return home
