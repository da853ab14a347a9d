"""Who is told of an alert, and how soon: Alertmanager's configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakehouse.contracts import Contract
from lakehouse.errors import LakehouseError
from lakehouse.observability.alert import Severity
from lakehouse.observability.haste import hastened

#: Who is told of what concerns no single table: disks, the exporter, runs.
OPERATORS = "lakehouse"
#: How long to wait for more of the same, before the first word and before the next, and when to repeat it.
_PATIENCE: Mapping[Severity, tuple[str, str, str]] = {
    Severity.CRITICAL: ("10s", "1m", "1h"),
    Severity.ERROR: ("30s", "5m", "4h"),
    Severity.WARNING: ("5m", "30m", "1d"),
}
#: With nobody who writes a table, these follow; the cause is told, once.
_CONSEQUENCES = (
    *("ContractMissed", "KafkaConsumerLagHigh", "KafkaConsumerLagGrowing", "WatermarkOld"),
    *("FlinkCheckpointOld", "AssetCheckFailing"),
)


class RoutingError(LakehouseError):
    """The destinations name a receiver that there is not."""


def receiver_names(contracts: Sequence[Contract]) -> list[str]:
    """Every receiver: a team and a severity, `team:risk/critical`."""
    return [f"{team}/{severity}" for team in _teams(contracts) for severity in Severity]


def alertmanager_configuration(
    contracts: Sequence[Contract], destinations: Mapping[str, Any], haste: float
) -> dict[str, Any]:
    """`alertmanager.yml`: a route for each team and severity, each to a receiver of its own.

    ``destinations`` maps a receiver, or a team for all of its receivers, to Alertmanager's own settings of one, such as
    `webhook_configs`. Without any an alert is shown, and nobody called. Raises RoutingError.
    """
    names = receiver_names(contracts)
    for given in destinations:
        if given not in {*names, *_teams(contracts)}:
            raise RoutingError(
                f"there is no receiver {given!r}. Receivers: {', '.join(names)}; or a team for all of its own: "
                f"{', '.join(_teams(contracts))}"
            )
    *teams, _ = _teams(contracts)
    return {
        "route": {
            "receiver": f"{OPERATORS}/{Severity.WARNING}",
            "group_by": ["alertname", "table"],
            "routes": [
                *({"matchers": [f'team="{team}"'], "routes": _by_severity(team, haste)} for team in teams),
                *_by_severity(OPERATORS, haste),
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="WriterDown"'],
                "target_matchers": [f'alertname=~"{"|".join(_CONSEQUENCES)}"'],
                "equal": ["table"],
            }
        ],
        "receivers": [
            {"name": name, **(destinations.get(name) or destinations.get(name.rpartition("/")[0]) or {})}
            for name in names
        ],
    }


def _teams(contracts: Sequence[Contract]) -> list[str]:
    """Those whom contracts name, and at last the operators."""
    return [*sorted({contract.owner for contract in contracts} - {OPERATORS}), OPERATORS]


def _by_severity(team: str, haste: float) -> list[dict[str, Any]]:
    return [
        {
            "matchers": [f'severity="{severity}"'],
            "receiver": f"{team}/{severity}",
            "group_wait": hastened(wait, haste),
            "group_interval": hastened(interval, haste),
            "repeat_interval": hastened(repeat, haste),
        }
        for severity, (wait, interval, repeat) in _PATIENCE.items()
    ]
