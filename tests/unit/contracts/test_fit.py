"""What the rules are asked about a contract, and what speaks against its engine."""

from pathlib import Path

import pytest
from tests.contracts import visits_contract

from lakehouse.contracts import Contract, Engine, load_contracts
from lakehouse.contracts.fit import decision_of, misfits, workload_of
from lakehouse.contracts.workload import Budget, Consumer, Need, SourceKind
from lakehouse.flink.spec import contract_json

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]
COUNTS = {
    "table": "streaming.counts",
    "source": {"topic": "visits", "columns": COLUMNS, "event_time": "at"},
    "on_invalid": "drop",
}


def contract(**changes: object) -> Contract:
    return visits_contract(COLUMNS, **changes)


def test_a_topic_is_a_source_and_consumers_are_known_by_their_names() -> None:
    workload = workload_of(contract(consumers=["Analysts", "BI tools", "dashboards", "alerts", "the fraud desk"]))
    assert workload.source is SourceKind.KAFKA
    assert workload.consumers == {
        *(Consumer.ANALYSTS, Consumer.BI, Consumer.DASHBOARDS, Consumer.ALERTING, Consumer.OTHER)
    }
    assert workload.needs == frozenset()
    assert workload.budget is Budget.NORMAL


def test_what_a_contract_says_of_its_workload_is_taken() -> None:
    given = {"needs": ["exactly-once"], "events_per_second": 250, "budget": "tight"}
    workload = workload_of(contract(workload=given))
    assert workload.needs == {Need.EXACTLY_ONCE}
    assert workload.events_per_second == 250
    assert workload.budget is Budget.TIGHT


def test_windows_are_a_need_besides_those_that_are_named() -> None:
    transform = {"sql": "counts.sql", "window": "5 minutes"}
    counts = contract(**COUNTS, transform=transform, engine="flink", workload={"needs": ["event-patterns"]})
    assert workload_of(counts).needs == {Need.WINDOWS, Need.EVENT_PATTERNS}


def test_a_table_that_follows_a_table_reads_its_changes() -> None:
    columns = [*COLUMNS]
    source = {"table": "raw.visits", "columns": columns, "event_time": "at"}
    followed = visits_contract(
        columns, **{**COUNTS, "source": source}, transform={"function": "example.visits:same", "trigger": "5 s"}
    )
    workload = workload_of(followed)
    assert workload.source is SourceKind.TABLE_CHANGES
    assert [flag.split(":")[0] for flag in misfits(followed)] == ["red flag short-trigger"]


def test_a_transform_that_could_be_a_dbt_model_is_refused_with_the_ways_on() -> None:
    source = {"table": "raw.visits", "columns": COLUMNS, "event_time": "at"}
    transform = {"function": "example.visits:same"}
    with pytest.raises(ValueError, match="dbt cannot run this transform: set `engine: spark`, or make it a dbt model"):
        visits_contract(COLUMNS, **{**COUNTS, "source": source}, transform=transform, freshness="1 hour")


def test_the_needs_of_a_contract_move_it_to_another_engine() -> None:
    assert contract().resolved_engine is Engine.SPARK
    assert contract(workload={"events_per_second": 2_000_000}).resolved_engine is Engine.FLINK


def test_an_explicit_engine_is_taken_and_told_why_not() -> None:
    named = contract(engine="flink", consumers=["analysts"], workload={"budget": "tight"})
    assert named.resolved_engine is Engine.FLINK
    assert decision_of(named).engine is Engine.SPARK
    assert [text.split(":")[0] for text in misfits(named)] == [
        "the rules choose spark (micro-batches)",
        "red flag reporting-only",
        "red flag tight-budget",
    ]


def test_an_engine_that_the_rules_choose_has_its_red_flags_all_the_same() -> None:
    assert [text.split(":")[0] for text in misfits(contract(freshness="5 s", workload={"team": ["sql"]}))] == [
        "red flag no-jvm"
    ]


#: Before the rules it was the freshness alone that chose: nobody's table moved.
SHIPPED = {
    "raw.orders": Engine.SPARK,
    "streaming.customer_sessions": Engine.SPARK,
    "streaming.fraud_alerts": Engine.FLINK,
    "streaming.order_metrics": Engine.SPARK,
    "streaming.order_metrics_5min": Engine.FLINK,
    "streaming.order_metrics_5min_sql": Engine.FLINK,
    "streaming.orders_deduplicated": Engine.SPARK,
    "streaming.orders_enriched": Engine.FLINK,
}


def test_the_shipped_contracts_keep_their_engines_and_fit() -> None:
    contracts = load_contracts(Path(__file__).parents[3] / "streaming" / "contracts")
    assert {contract.table: contract.resolved_engine for contract in contracts} == SHIPPED
    assert {contract.table: misfits(contract) for contract in contracts} == dict.fromkeys(SHIPPED, ())


def test_what_only_the_choice_goes_by_restarts_no_job() -> None:
    told = contract_json(contract(freshness="5 s", workload={"team": ["jvm"], "events_per_second": 12}))
    assert told == contract_json(contract(freshness="5 s"))


def test_an_unknown_answer_names_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="'sql', 'pyspark' or 'jvm'"):
        contract(workload={"team": ["cobol"]})
