"""What Prometheus scrapes and whom it tells, from the settings and the contracts."""

import re
from collections.abc import Sequence
from typing import Any

from lakehouse.contracts import Contract
from lakehouse.observability.haste import hastened
from lakehouse.settings import Settings

_HOST = "127.0.0.1"
#: As often as the exporter collects.
_EVERY = "15s"


def prometheus_configuration(settings: Settings, contracts: Sequence[Contract]) -> dict[str, Any]:
    """`prometheus.yml`. The rules are looked for beside it."""
    every = hastened(_EVERY, settings.alert_haste)
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": ["rules/*.yaml"],
        "alerting": {
            "alert_relabel_configs": tables_and_teams(contracts),
            "alertmanagers": [{"static_configs": [{"targets": [f"{_HOST}:{settings.alertmanager_port}"]}]}],
        },
        "scrape_configs": [
            _job("lakehouse", [settings.exporter_port]),
            _job("spark", [settings.spark_status_port]),
            # Each of Flink's processes takes the first port that is free, so that some of these answer.
            _job("flink", _range(settings.flink_metrics_ports)),
        ],
    }


def _job(name: str, ports: Sequence[int]) -> dict[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [f"{_HOST}:{port}" for port in ports]}]}


def _range(ports: str) -> range:
    first, _, last = ports.partition("-")
    return range(int(first), int(last or first) + 1)


def tables_and_teams(contracts: Sequence[Contract]) -> list[dict[str, Any]]:
    """The rules that give each alert the table that it is about, and that table's team, by which it is routed."""
    teams: dict[str, list[str]] = {}
    for contract in contracts:
        teams.setdefault(contract.owner, []).append(contract.table)
    return [
        _when("consumergroup", r"lakehouse\.(.+)", "table", "$1"),
        _when("asset", "([^/]+)/([^/]+)", "table", "$1.$2"),
        # Flink's reporter writes a dot of a name as an underscore: which one was a dot, only the contracts know.
        *(_when("job_name", c.table.replace(".", "_"), "table", c.table) for c in contracts),
        *(_when("table", "|".join(map(re.escape, tables)), "team", team) for team, tables in sorted(teams.items())),
    ]


def _when(label: str, regex: str, target: str, replacement: str) -> dict[str, Any]:
    return {"source_labels": [label], "regex": regex, "target_label": target, "replacement": replacement}
