"""What of the dbt project each engine builds; what Spark cannot build is refused before anything runs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lakehouse.components.dbt import without_versions
from lakehouse.components.dbt_engine import DbtEngine, engine_of
from lakehouse.dbt_delta.errors import ModelConfigError

#: Where the manifest has what a model may read.
_KINDS = ("sources", "nodes", "functions")


def selections(manifest: Mapping[str, Any]) -> dict[DbtEngine, str]:
    """What each engine builds and tests, as dbt selects it. An engine that builds nothing is left out.

    Models go by name: `--exclude config.meta.engine:spark` would leave out the data tests of DuckDB's models that read
    one of Spark's. Raises ModelConfigError for what Spark cannot build, or where an engine is none.
    """
    names: dict[DbtEngine, list[str]] = {}
    for node in (*manifest["nodes"].values(), *manifest["functions"].values()):
        if node["resource_type"] not in ("model", "seed", "snapshot", "function") or _is(node, "ephemeral"):
            continue
        engine = engine_of(node)
        if engine is DbtEngine.SPARK and (reason := _refused(manifest, node)):
            raise ModelConfigError(
                f"{node['unique_id']} has `engine: spark` in its meta, and Spark cannot build it: {reason}. Let DuckDB "
                "build it (`engine: duckdb`), or see docs/how-to/dbt-on-spark.md."
            )
        names.setdefault(engine, []).append(".".join(node["fqn"]))
    for test in manifest["nodes"].values():
        if test["resource_type"] == "test" and (reason := _not_tested(manifest, test)):
            raise ModelConfigError(f"{test['unique_id']} fails at each run: {reason}")
    if DbtEngine.SPARK not in names:
        return {DbtEngine.DUCKDB: "fqn:*"}
    if DbtEngine.DUCKDB in names:
        # For their data tests.
        names[DbtEngine.DUCKDB].append("source:*")
    return {engine: " ".join(selected) for engine, selected in names.items()}


def _refused(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> str | None:
    """Why Spark cannot build ``node``; None where it can."""
    if _is(node, "snapshot"):
        return "it is a snapshot"
    if _is(node, "view"):
        return "it is a view, which on Spark is there for the run only"
    if node.get("language") == "python":
        return "it is a Python model"
    if node["config"].get("incremental_strategy") == "microbatch":
        return "its strategy is microbatch"
    return _unread(_read(manifest, node))


def _not_tested(manifest: Mapping[str, Any], test: Mapping[str, Any]) -> str | None:
    """Why a data ``test`` cannot run where Spark does, which runs all that read a model of its; None where it can."""
    read = list(_read(manifest, test))
    of_spark = [parent["unique_id"] for parent in read if parent["resource_type"] == "model" and _on_spark(parent)]
    if not of_spark or not (reason := _unread(read)):
        return None
    return (
        f"{reason}. Spark runs it, as `engine: spark` has it build {' and '.join(of_spark)}. Let DuckDB build that "
        "(`engine: duckdb`), or leave out the test."
    )


def _unread(parents: Iterable[Mapping[str, Any]]) -> str | None:
    """What of ``parents`` Spark cannot read, and why; None where it can read them all."""
    for parent in parents:
        if parent["resource_type"] == "source" and without_versions(parent):
            return f"it reads {parent['unique_id']}, which is no Delta table"
        if parent["resource_type"] == "function":
            return f"it calls {parent['unique_id']}, which is in DuckDB alone"
        if _is(parent, "view"):
            return (
                f"it reads {parent['unique_id']}, a view, which is in DuckDB alone. Make that a table, or `ephemeral`, "
                "and so a part of what reads it"
            )
    return None


def _on_spark(node: Mapping[str, Any]) -> bool:
    return engine_of(node) is DbtEngine.SPARK


def _read(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What ``node`` reads, also by way of ephemeral models, which are a part of its SQL."""
    for unique_id in node["depends_on"].get("nodes", ()):
        parent = next(manifest[kind][unique_id] for kind in _KINDS if unique_id in manifest[kind])
        if _is(parent, "ephemeral"):
            yield from _read(manifest, parent)
        else:
            yield parent


def _is(node: Mapping[str, Any], materialized: str) -> bool:
    return bool(node["config"].get("materialized") == materialized)
