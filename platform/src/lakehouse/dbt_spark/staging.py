"""Rows on their way from Spark into a Delta table: Parquet files beside the tables, for as long as a build takes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import obstore
from dbt.adapters.events.logging import AdapterLogger
from obstore.exceptions import BaseError
from pyspark.sql import DataFrame

from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog, existing_store, hadoop_uri
from lakehouse.storage.sql import literal

_logger = AdapterLogger("lakehouse")
_DIRECTORY = "_staging"
#: What is older was left behind by a run that was killed. Younger files may be of one on another machine.
_BUILT_WITHIN = timedelta(days=1)


class Staging:
    """Rows that were computed, by model, where Spark's executors and DuckDB both reach them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._staged: dict[str, str] = {}

    def write(self, model: str, rows: DataFrame) -> str:
        """Computes ``rows`` and returns the DuckDB relation that holds them."""
        self._delete(f"{_DIRECTORY}/{model}/", datetime.now(UTC) - _BUILT_WITHIN)
        self._staged[model] = f"{_DIRECTORY}/{model}/{uuid4().hex}"
        try:
            rows.write.parquet(self.spark_location(model))
        except Exception:
            self.clear(model)
            raise
        files = literal(f"{self._catalog.root}/{self._staged[model]}/*.parquet")
        # A directory of the root may be called `year=2026`, and is no column.
        return f"read_parquet({files}, hive_partitioning = false)"

    def spark_location(self, model: str) -> str:
        """Where the staged rows of ``model`` are, as Spark names the place."""
        return f"{hadoop_uri(self._catalog.root)}/{self._staged[model]}"

    def clear(self, model: str) -> None:
        """Deletes what was staged here of ``model``, if anything was."""
        if staged := self._staged.pop(model, None):
            self._delete(f"{staged}/", datetime.now(UTC) + _BUILT_WITHIN)

    def _delete(self, prefix: str, before: datetime) -> None:
        """Tells where that fails, and fails nothing: no table depends on it, and a later build tries again."""
        try:
            store = existing_store(self._catalog.root, self._catalog.storage_options)
            if store is None:
                return  # The first table of all is to be made.
            for chunk in obstore.list(store, prefix):
                obstore.delete(store, [entry["path"] for entry in chunk if entry["last_modified"] < before])
        except (BaseError, LakehouseError, OSError) as error:
            _logger.warning(f"staged rows stay below {self._catalog.root}/{prefix}: {error}")
