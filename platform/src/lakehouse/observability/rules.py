"""The rules of Prometheus, generated from the contracts."""

from collections.abc import Sequence
from typing import Any

from lakehouse.contracts import Contract
from lakehouse.observability.alert import Alert
from lakehouse.observability.contract_alerts import contract_alerts
from lakehouse.observability.general_alerts import GENERAL
from lakehouse.observability.haste import hastened


def alerts(contracts: Sequence[Contract]) -> list[Alert]:
    """Every alert, those that hold for all tables first."""
    return [*GENERAL, *(alert for contract in contracts for alert in contract_alerts(contract))]


def rule_groups(contracts: Sequence[Contract], haste: float = 1.0) -> list[dict[str, Any]]:
    """The alerts as groups of Prometheus' own format, which its operator takes, too.

    How long each waits is divided by ``haste``.
    """
    return [{"name": "lakehouse", "rules": [_rule(alert, haste) for alert in alerts(contracts)]}]


def _rule(alert: Alert, haste: float) -> dict[str, Any]:
    labels = {"severity": alert.severity.value, "table": alert.table, "team": alert.team}
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": hastened(alert.lasting, haste),
        "labels": {label: value for label, value in labels.items() if value is not None},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook": f"docs/runbooks/{alert.name}.md",
        },
    }
