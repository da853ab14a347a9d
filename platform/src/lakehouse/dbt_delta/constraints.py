"""The constraints of a model's dbt contract, checked on every batch before it is written."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Iterator, Mapping
from typing import Any

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.errors import BatchError, ModelConfigError
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage.sql import quoted


def check_constraints(connection: DuckDBPyConnection, spec: ModelSpec, node: Mapping[str, Any], rows: str) -> None:
    """Holds ``rows`` against the `not_null` and `check` constraints of an enforced contract.

    Raises BatchError naming every constraint that a row breaks, and ModelConfigError for a constraint that a Delta
    table cannot keep: `unique` and `primary_key` other than on the unique_key of a merge, and `foreign_key`.
    """
    if not (node["config"].get("contract") or {}).get("enforced"):
        return
    broken = []
    for kind, columns, expression in _constraints(node):
        if kind in ("unique", "primary_key") and spec.strategy == "merge" and set(columns) == set(spec.unique_key):
            continue
        if kind not in ("not_null", "check"):
            raise ModelConfigError(
                f"{spec.name}: a Delta table cannot keep the constraint {kind} ({', '.join(columns)}). Use a data "
                "test, or for unique and primary_key a merge on that unique_key."
            )
        holds = expression if kind == "check" else f"{quoted(columns[0])} IS NOT NULL"
        sql = f"SELECT count(*) FROM {rows} WHERE NOT coalesce(({holds}), true)"
        count = connection.execute(sql).fetchall()[0][0]
        if count:
            broken.append(f"{count} rows break {kind} ({holds})")
    if broken:
        raise BatchError(
            f"{spec.name}: {'; '.join(broken)}. Nothing was written.\n"
            "Filter or mend these rows in the model, or drop the constraint from its contract."
        )


def _constraints(node: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    """Kind, columns and expression of each constraint, whether given for the model or for a column."""
    for constraint in node.get("constraints") or []:
        yield _kind(constraint), list(constraint.get("columns") or []), constraint.get("expression") or ""
    for column in (node.get("columns") or {}).values():
        for constraint in column.get("constraints") or []:
            yield _kind(constraint), [column["name"]], constraint.get("expression") or ""


def _kind(constraint: Mapping[str, Any]) -> str:
    return str(getattr(constraint["type"], "value", constraint["type"]))
