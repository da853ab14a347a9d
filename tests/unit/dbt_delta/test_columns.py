"""Which types are stored as what, and which changes of a schema are refused."""

from dataclasses import replace

import pytest

from lakehouse.dbt_delta.columns import Resolution, resolve, stored_columns
from lakehouse.dbt_delta.errors import SchemaChangeError
from lakehouse.dbt_delta.spec import ModelSpec, OnSchemaChange

SPEC = ModelSpec.from_node(
    {"schema": "marts", "alias": "m", "config": {"materialized": "incremental", "unique_key": "id"}}
)
TABLE = {"id": "BIGINT", "price": "DECIMAL(18,2)"}


@pytest.mark.parametrize(
    ("computed", "stored"),
    [
        ("HUGEINT", "DECIMAL(38,0)"),
        ("UINTEGER", "BIGINT"),
        ("UUID", "VARCHAR"),
        ("ENUM('a', 'b')", "VARCHAR"),
        ("TIMESTAMP_NS", "TIMESTAMP"),
        ("STRUCT(a INTEGER)[]", "STRUCT(a INTEGER)[]"),
    ],
)
def test_types_that_delta_lacks_are_stored_as_one_that_holds_their_values(computed: str, stored: str) -> None:
    assert stored_columns("marts.m", {"c": computed}) == {"c": stored}


@pytest.mark.parametrize("kind", ["INTERVAL", "TIME", '"NULL"', "BIT"])
def test_a_type_that_cannot_be_stored_is_refused(kind: str) -> None:
    with pytest.raises(SchemaChangeError, match=r"marts\.m: column 'c' has type .*Cast it"):
        stored_columns("marts.m", {"c": kind})


@pytest.mark.parametrize(
    ("mode", "computed", "expected"),
    [
        ("ignore", {**TABLE, "new": "DATE"}, Resolution(TABLE)),
        ("append_new_columns", {"id": "INTEGER", "new": "DATE"}, Resolution({**TABLE, "new": "DATE"}, ("new",))),
        (
            "sync_all_columns",
            {"id": "VARCHAR", "new": "DATE"},
            Resolution({"id": "VARCHAR", "new": "DATE"}, ("new",), ("price", "id")),
        ),
        ("fail", {"id": "INTEGER", "price": "DECIMAL(10,2)"}, Resolution(TABLE)),
    ],
)
def test_a_changed_schema_is_resolved_as_configured(
    mode: OnSchemaChange, computed: dict[str, str], expected: Resolution
) -> None:
    assert resolve(replace(SPEC, on_schema_change=mode), computed, TABLE) == expected


@pytest.mark.parametrize(
    ("mode", "computed", "problem"),
    [
        ("ignore", {"id": "BIGINT"}, "'price' of the table is no longer computed"),
        ("fail", {**TABLE, "new": "DATE"}, "'new' is new"),
        ("append_new_columns", {"id": "VARCHAR", "price": "DECIMAL(18,2)"}, "'id' is VARCHAR now and BIGINT"),
        ("append_new_columns", {"id": "BIGINT", "price": "DECIMAL(20,4)"}, "'price' is DECIMAL"),
        ("append_new_columns", {"id": "BIGINT", "price": "DOUBLE"}, "'price' is DOUBLE now"),
    ],
)
def test_a_changed_schema_that_does_not_fit_is_refused(
    mode: OnSchemaChange, computed: dict[str, str], problem: str
) -> None:
    with pytest.raises(SchemaChangeError, match=problem):
        resolve(replace(SPEC, on_schema_change=mode), computed, TABLE)
