"""Which engine builds which models, and what is refused before Spark is asked."""

from typing import Any

import pytest

from lakehouse.components.dbt_engine import DbtEngine, engine_of
from lakehouse.components.dbt_selection import selections
from lakehouse.dbt_delta.errors import ModelConfigError

SPARK = {"meta": {"engine": "spark"}}


def node(name: str, reads: str = "", kind: str = "model", language: str = "sql", **config: Any) -> dict[str, Any]:
    """As dbt's manifest has it; ``reads`` are unique ids."""
    return {
        "unique_id": f"{kind}.shop.{name}",
        "fqn": ["shop", name],
        "resource_type": kind,
        "language": language,
        "config": {"materialized": "table", **config},
        "depends_on": {"nodes": reads.split()},
    }


CENTS = node("cents", kind="function")


def manifest(*nodes: dict[str, Any]) -> dict[str, Any]:
    events = {"resource_type": "source", "unique_id": "source.shop.raw.orders", "loader": "", "config": {}}
    customers = {**events, "unique_id": "source.shop.shop.customers", "loader": "postgres"}
    return {
        "nodes": {each["unique_id"]: each for each in nodes},
        "sources": {each["unique_id"]: each for each in (events, customers)},
        "functions": {CENTS["unique_id"]: CENTS},
    }


def refused(*nodes: dict[str, Any]) -> str:
    with pytest.raises(ModelConfigError) as raised:
        selections(manifest(*nodes))
    return str(raised.value)


def test_duckdb_computes_a_model_that_says_nothing() -> None:
    assert engine_of(node("m")) is engine_of(node("m", meta={"owner": "me"})) is DbtEngine.DUCKDB
    assert engine_of(node("m", meta={"engine": "duckdb"})) is DbtEngine.DUCKDB
    assert engine_of(node("m", **SPARK)) is DbtEngine.SPARK


@pytest.mark.parametrize("value", ["sparc", "Spark", "", None, ["spark"]])
def test_an_engine_that_is_none_is_told_with_its_model_and_what_is_expected(value: object) -> None:
    said = refused(node("orders"), node("m", meta={"engine": value}))
    assert f"model.shop.m has `engine: {value}` in its meta" in said
    assert "Expected one of: duckdb, spark" in said


def test_without_a_model_of_sparks_duckdb_builds_all_there_is() -> None:
    assert selections(manifest(node("m"), node("n", meta={"engine": "duckdb"}))) == {DbtEngine.DUCKDB: "fqn:*"}


def test_each_engine_builds_its_own_and_duckdb_tests_the_sources() -> None:
    nodes = [node("a"), node("b", **SPARK), node("rates", kind="seed"), node("not_null_b", "model.shop.b", kind="test")]
    assert selections(manifest(*nodes)) == {
        DbtEngine.DUCKDB: "shop.a shop.rates shop.cents source:*",
        DbtEngine.SPARK: "shop.b",
    }


def test_spark_may_build_all_there_is() -> None:
    every = manifest(node("b", **SPARK))
    every["functions"].clear()
    assert selections(every) == {DbtEngine.SPARK: "shop.b"}


@pytest.mark.parametrize(
    ("refuse", "reason"),
    [
        (node("m", materialized="view", **SPARK), "it is a view"),
        (node("m", kind="snapshot", materialized="snapshot", **SPARK), "it is a snapshot"),
        (node("m", language="python", **SPARK), "it is a Python model"),
        (
            node("m", materialized="incremental", incremental_strategy="microbatch", **SPARK),
            "its strategy is microbatch",
        ),
        (node("m", "function.shop.cents", **SPARK), "it calls function.shop.cents, which is in DuckDB alone"),
        (
            node("m", "source.shop.shop.customers", **SPARK),
            "it reads source.shop.shop.customers, which is no Delta table",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_spark_cannot_build_is_refused_with_the_reason(refuse: dict[str, Any], reason: str) -> None:
    said = refused(refuse)
    assert f"{refuse['unique_id']} has `engine: spark` in its meta, and Spark cannot build it: {reason}" in said
    assert "`engine: duckdb`" in said


def test_spark_reads_no_view_of_duckdbs_not_even_by_way_of_an_ephemeral_model() -> None:
    view = node("seen", materialized="view")
    between = node("between", "model.shop.seen", materialized="ephemeral", **SPARK)
    for reads, others in (("model.shop.seen", [view]), ("model.shop.between", [view, between])):
        assert "it reads model.shop.seen, a view" in refused(*others, node("m", reads, **SPARK))


def test_spark_reads_tables_seeds_and_ephemeral_models_of_streams() -> None:
    nodes = [
        node("a"),
        node("rates", kind="seed", materialized="seed"),
        node("between", "source.shop.raw.orders", materialized="ephemeral"),
        node("m", "model.shop.a seed.shop.rates model.shop.between", **SPARK),
    ]
    assert selections(manifest(*nodes))[DbtEngine.SPARK] == "shop.m"


@pytest.mark.parametrize("reads", ["model.shop.seen", "model.shop.between", "source.shop.shop.customers"])
def test_a_test_of_a_model_of_sparks_that_spark_cannot_run_is_refused_with_the_reason(reads: str) -> None:
    others = [node("seen", materialized="view"), node("between", "model.shop.seen", materialized="ephemeral")]
    said = refused(*others, node("b", **SPARK), node("same", f"model.shop.b {reads}", kind="test"))
    what = "source.shop.shop.customers, which is no" if reads.startswith("source") else "model.shop.seen, a view"
    assert f"test.shop.same fails at each run: it reads {what}" in said
    assert "`engine: spark` has it build model.shop.b" in said
    assert "`engine: duckdb`" in said


def test_a_test_of_tables_runs_on_spark_as_well() -> None:
    nodes = [
        node("a"),
        node("b", **SPARK),
        node("same", "model.shop.a model.shop.b source.shop.raw.orders", kind="test"),
    ]
    assert selections(manifest(*nodes))[DbtEngine.SPARK] == "shop.b"


def test_duckdb_reads_what_it_likes() -> None:
    nodes = [
        node("seen", materialized="view"),
        node("m", "model.shop.seen source.shop.shop.customers function.shop.cents"),
        node("same", "model.shop.m model.shop.seen source.shop.shop.customers", kind="test"),
        node("b", **SPARK),
    ]
    assert selections(manifest(*nodes))[DbtEngine.SPARK] == "shop.b"
