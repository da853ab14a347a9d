"""What follows from a contract."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import Contract, Engine, OnInvalid, load_contract


@pytest.fixture
def contract(write: Callable[..., Path]) -> Contract:
    return load_contract(write())


def test_what_is_not_said_is_the_safe_choice(contract: Contract) -> None:
    assert contract.engine == "auto"
    assert contract.on_invalid is OnInvalid.QUARANTINE
    assert contract.source.fail_on_data_loss is True
    assert contract.source.starting_offsets == "earliest"
    assert contract.source.max_offsets_per_trigger == 100_000
    assert contract.partition_by == ()


@pytest.mark.parametrize(
    ("freshness", "engine"), [("5 seconds", Engine.FLINK), ("1 minute", Engine.SPARK), ("1 hour", Engine.SPARK)]
)
def test_auto_follows_the_freshness(write: Callable[..., Path], smallest: str, freshness: str, engine: Engine) -> None:
    assert load_contract(write(smallest.replace("1 minute", freshness))).resolved_engine is engine


def test_an_engine_that_is_named_is_taken(write: Callable[..., Path], smallest: str) -> None:
    assert load_contract(write(smallest + "engine: flink\n")).resolved_engine is Engine.FLINK


def test_the_table_holds_the_declared_columns_and_then_the_coordinates(contract: Contract) -> None:
    assert [(column.name, column.type, column.nullable) for column in contract.stored_columns()] == [
        ("visit_id", "string", False),
        ("at", "timestamp", False),
        ("seconds", "int", True),
        ("kafka_topic", "string", True),
        ("kafka_partition", "int", True),
        ("kafka_offset", "bigint", True),
        ("kafka_timestamp", "timestamp", True),
        ("ingested_at", "timestamp", True),
    ]


def test_the_quarantine_table_holds_coordinates_raw_bytes_and_the_reason(contract: Contract) -> None:
    assert contract.rejected_table == "raw.visits_rejected"
    assert [(column.name, column.type) for column in contract.rejected_columns()][-3:] == [
        ("raw_key", "binary"),
        ("raw_value", "binary"),
        ("reason", "string"),
    ]
    assert len(contract.rejected_columns()) == 8


def test_a_column_that_there_is_not_is_a_key_error(contract: Contract) -> None:
    with pytest.raises(KeyError, match="nope"):
        contract.column("nope")


def test_a_contract_written_out_is_the_same_contract_read_back(contract: Contract) -> None:
    assert Contract.model_validate(contract.model_dump(mode="json")) == contract


def test_a_contract_does_not_change(contract: Contract) -> None:
    with pytest.raises(ValueError, match="frozen"):
        contract.owner = "me"  # type: ignore[misc]
