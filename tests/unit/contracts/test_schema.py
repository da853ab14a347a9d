"""The JSON schema of a contract, by which editors check, agrees with the loader."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.generate import contract_schema

SHIPPED = Path(__file__).parents[3] / "streaming" / "contracts"
SCHEMA: dict[str, Any] = json.loads(contract_schema())
ORDERS: dict[str, Any] = yaml.safe_load((SHIPPED / "orders.yaml").read_text())
KNOWN = {key for model in (SCHEMA, *SCHEMA["$defs"].values()) for key in model.get("properties", {})}

jsonschema.Draft202012Validator.check_schema(SCHEMA)
accepted = jsonschema.Draft202012Validator(SCHEMA).is_valid

Spoil = Callable[[dict[str, Any]], dict[str, Any]]
PARTS: dict[str, Spoil] = {
    "contract": lambda contract: contract,
    "source": lambda contract: contract["source"],
    "event_time": lambda contract: contract["event_time"],
    "column": lambda contract: contract["columns"][2],
}


def orders() -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(ORDERS))
    return copy


def test_it_accepts_the_shipped_contract() -> None:
    assert accepted(ORDERS)


def test_it_accepts_the_smallest_contract(smallest: str) -> None:
    assert accepted(yaml.safe_load(smallest))


@pytest.mark.parametrize("part", PARTS)
@given(key=st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda key: key not in KNOWN))
def test_it_refuses_unknown_keys(part: str, key: str) -> None:
    contract = orders()
    PARTS[part](contract)[key] = "x"
    assert not accepted(contract)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("contract", "freshness", 60),
        ("contract", "freshness", "soon"),
        ("contract", "table", "orders"),
        ("contract", "engine", "kafka"),
        ("contract", "on_invalid", "ignore"),
        ("contract", "columns", []),
        ("source", "format", "avro"),
        ("source", "max_offsets_per_trigger", 0),
        ("column", "type", "int64"),
        ("column", "name", "Amount"),
    ],
)
def test_it_refuses_values_that_the_loader_refuses(part: str, key: str, value: object) -> None:
    contract = orders()
    PARTS[part](contract)[key] = value
    assert not accepted(contract)


@pytest.mark.parametrize("duration", ["30s", "5 Min", "1.5 hours", "250 ms", "7 days", "1 sec"])
def test_it_accepts_durations_that_the_loader_accepts(duration: str) -> None:
    assert accepted({**orders(), "freshness": duration})


@pytest.mark.parametrize("key", ["table", "description", "owner", "freshness", "source", "columns", "event_time"])
def test_it_misses_what_must_be_given(key: str) -> None:
    contract = orders()
    del contract[key]
    assert not accepted(contract)


def test_the_file_that_editors_read_is_the_one_generated_now() -> None:
    assert (SHIPPED / "contract.schema.json").read_text() == contract_schema()
