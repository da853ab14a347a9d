"""What alerts and dashboards ask for is what is served: a name that nobody serves would be silent for ever."""

import re
from pathlib import Path

import pytest

from lakehouse.contracts import load_contracts
from lakehouse.observability.catalogue import PARTS
from lakehouse.observability.dashboards import DASHBOARDS
from lakehouse.observability.rules import alerts

CONTRACTS = load_contracts(Path(__file__).parents[3] / "streaming" / "contracts")
SERVED = {spec.name for part in PARTS for spec in part.specs} | {"up"}
NAME = re.compile(r"\b(?:lakehouse|kafka|flink)_\w+|\bup\b")
_SUFFIXES = re.compile(r"_(bucket|count|sum)$")
EXPRESSIONS = {
    **{f"{alert.name} {alert.table or ''}": alert.expr for alert in alerts(CONTRACTS)},
    **{f"{board.uid} {panel.title}": panel.expr for board in DASHBOARDS for panel in board.panels},
}


def named(expression: str) -> set[str]:
    """The metrics of ``expression``, without what stands in quotes."""
    found = NAME.findall(re.sub(r'"[^"]*"', "", expression))
    return {name if name in SERVED else _SUFFIXES.sub("", name) for name in found}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_its_metrics_are_described_in_the_reference(expression: str) -> None:
    assert named(expression)
    assert named(expression) <= SERVED
