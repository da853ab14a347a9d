"""The tables of one dbt process: which version of each a run sees, and what its models consume."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dbt.adapters.events.logging import AdapterLogger
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.errors import ModelConfigError
from lakehouse.dbt_delta.lock import ModelLocks
from lakehouse.dbt_delta.progress import Consumption
from lakehouse.dbt_delta.views import ViewCatalogue
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage import postgres
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.duck import configure_storage, delta_scan_sql, load_delta_extension, show_view
from lakehouse.storage.sql import quoted

_logger = AdapterLogger("lakehouse")


@dataclass
class ModelRun:
    """A model being built: the version its table had at the start (None: no table), and what it consumes."""

    version: int | None
    consumed: dict[str, Consumption] = field(default_factory=dict)


class Session:
    """Shows every Delta table of the catalog as a DuckDB view, pinned to one version for a whole run.

    Outside of a run (`dbt show`, Dagster reading row counts) views follow the newest versions. A table that the run
    itself commits to moves to the committed version, so that models downstream see it.
    """

    def __init__(self, settings: Settings) -> None:
        self.catalog = Catalog.from_settings(settings)
        self._settings = settings
        self._catalogue = ViewCatalogue(settings.catalogue_file, self.catalog)
        self._temporary = settings.state_dir / "tmp" / "duckdb"
        self._locks = ModelLocks(settings.state_dir / "locks")
        self._guard = threading.RLock()
        self._building: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._database: DuckDBPyConnection | None = None
        self._pins: dict[str, int] = {}
        self._runs: dict[str, ModelRun] = {}
        self._invocation: str | None = None

    def prepare(self, connection: DuckDBPyConnection) -> None:
        """Gives a new database the Delta extension, credentials and a place to spill to."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        connection.execute(f"SET temp_directory = '{self._temporary}'")
        load_delta_extension(connection)
        configure_storage(connection, self.catalog)
        with self._guard:
            self._database = connection
            self._pins.clear()

    def refresh(self, invocation: str) -> None:
        """Moves the views to the newest versions, unless ``invocation`` is a run that has pinned them."""
        with self._guard:
            if self._invocation == invocation:
                return
            for name in self.catalog.names():
                self._show(name, self.catalog.open(name).version())
            if self._catalogue.changed():
                with self._cursor() as cursor:
                    for name, reason in self._catalogue.show_in(cursor).items():
                        # A view over a table that is gone concerns those who read the view, and no other model.
                        _logger.warning(f"view {name} cannot be shown: {reason}")

    def start_run(self, invocation: str) -> None:
        """Pins every table to its newest version until another invocation starts."""
        with self._guard:
            self.end_run()
            self.refresh(invocation)
            self._invocation = invocation

    def end_run(self) -> None:
        """Forgets the run, and drops the locks that its failed models still hold."""
        with self._guard:
            self._locks.release_all()
            self._runs.clear()
            self._invocation = None

    def pinned(self, name: str) -> int | None:
        """The version of ``name`` that this run sees; None when there was no such table."""
        with self._guard:
            return self._pins.get(name)

    def tables(self) -> list[str]:
        """The Delta tables that are shown."""
        with self._guard:
            return sorted(self._pins)

    def begin(self, model: str) -> ModelRun:
        """Locks ``model`` and notes the version its table has now; again is fine. Raises ModelBusyError."""
        with self._guard:
            if model not in self._runs:
                self._locks.acquire(model)
                version = self.catalog.open(model).version() if self.catalog.exists(model) else None
                if version is not None:
                    self._show(model, version)
                self._runs[model] = ModelRun(version)
            return self._runs[model]

    def consume(self, model: str, consumption: Consumption) -> None:
        """Notes what ``model`` reads, for the commit to store; of no effect where the model is not being built."""
        with self._guard:
            if model in self._runs:
                self._runs[model].consumed[consumption.source] = consumption

    def finish(self, model: str) -> None:
        """Shows what ``model`` has committed to the models downstream, and unlocks it."""
        with self._guard:
            self._show(model, self.catalog.open(model).version())
            self._runs.pop(model, None)
            self._locks.release(model)

    def attach_postgres(self) -> None:
        """Shows the tables of Postgres, if they are not shown yet. Raises PostgresError when it does not answer."""
        with self._guard, self._cursor() as cursor:
            postgres.attach(cursor, self._settings)

    def publish_view(self, node: Mapping[str, Any], sql: str) -> None:
        """Publishes a dbt view to the catalogue file, and shows it to the models downstream.

        Raises ModelConfigError when a Delta table stands under its name.
        """
        name = f"{node['schema']}.{node['alias']}"
        if self.catalog.exists(name):
            raise ModelConfigError(
                f"{name} is to be a view, but a Delta table stands at {self.catalog.uri(name)}. Move that table away "
                "first, or keep the model a table."
            )
        # The catalogue file has another database name than dbt's, and no need of either.
        select = sql.replace(f"{quoted(node['database'])}.", "")
        with self._guard:
            with self._cursor() as cursor:
                show_view(cursor, name, select)
            self._catalogue.publish(name, select)

    @contextmanager
    def one_commit_at_a_time(self, model: str) -> Iterator[None]:
        """Makes the batches of a microbatch model, which dbt computes in parallel, commit one after the other."""
        with self._building[model]:
            yield

    def _show(self, name: str, version: int) -> None:
        if self._pins.get(name) == version:
            return
        # A cursor of its own: two models in open transactions must not meet in DuckDB's catalogue.
        with self._cursor() as cursor:
            show_view(cursor, name, f"SELECT * FROM {delta_scan_sql(self.catalog, name, version)}")
        self._pins[name] = version

    def _cursor(self) -> DuckDBPyConnection:
        if self._database is None:
            raise LakehouseError("dbt has not opened its database yet")
        return self._database.cursor()
