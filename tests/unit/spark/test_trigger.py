"""How often Spark starts a batch is what its red flag warns of and what its cost counts."""

from datetime import timedelta

import pytest
from tests.contracts import visits_contract

from lakehouse.contracts.cost import running_cost
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.fit import misfits, workload_of
from lakehouse_spark.query import longest_wait

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]


@pytest.mark.parametrize(
    ("freshness", "trigger", "told", "flagged"),
    [
        ("1 minute", timedelta(seconds=10), "10 seconds", False),
        ("59 seconds", timedelta(seconds=59) / 6, "9833 milliseconds", True),
        ("30 seconds", timedelta(seconds=5), "5 seconds", True),
        ("2 seconds", timedelta(seconds=1), "1 second", True),
    ],
)
def test_the_runner_the_cost_and_the_red_flag_go_by_one_trigger(
    freshness: str, trigger: timedelta, told: str, flagged: bool
) -> None:
    contract = visits_contract(COLUMNS, freshness=freshness, engine="spark")
    assert longest_wait(contract) == trigger
    assert f"1.2 s a batch ÷ {told} +" in running_cost(workload_of(contract), Engine.SPARK).formula
    assert any(text.startswith("red flag short-trigger") for text in misfits(contract)) is flagged
