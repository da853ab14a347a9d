"""Which engine computes a dbt model: DuckDB, or Spark where the model says so, `config: {meta: {engine: spark}}`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from lakehouse.dbt_delta.errors import ModelConfigError


class DbtEngine(StrEnum):
    """What `engine` may say."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def engine_of(node: Mapping[str, Any]) -> DbtEngine:
    """The engine of a ``node`` of the manifest. Raises ModelConfigError where it names none."""
    asked = node["config"].get("meta", {}).get("engine", DbtEngine.DUCKDB)
    if asked not in list(DbtEngine):
        raise ModelConfigError(
            f"{node['unique_id']} has `engine: {asked}` in its meta, which is none. Expected one of: "
            f"{', '.join(DbtEngine)}; without it, duckdb computes the model."
        )
    return DbtEngine(asked)
