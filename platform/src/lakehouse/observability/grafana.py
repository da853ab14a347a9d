"""Grafana's JSON of the dashboards."""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from lakehouse.observability.dashboards import DASHBOARDS, Dashboard, Kind, Panel

_BUILDERS: dict[Kind, Any] = {Kind.LINES: timeseries.Panel, Kind.NUMBER: stat.Panel, Kind.TABLE: table.Panel}
#: Of Grafana's 24 columns: four numbers, or two panels, a row.
_WIDTHS = {Kind.LINES: 12, Kind.NUMBER: 6, Kind.TABLE: 12}
_HEIGHTS = {Kind.LINES: 8, Kind.NUMBER: 4, Kind.TABLE: 8}
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


def dashboard_files(home: Path) -> dict[Path, str]:
    """Every generated file below ``deploy/grafana/dashboards`` with its text."""
    directory = home / "deploy" / "grafana" / "dashboards"
    return {directory / f"{dashboard.uid}.json": as_json(dashboard) for dashboard in DASHBOARDS}


def as_json(dashboard: Dashboard) -> str:
    """What Grafana imports. Which Prometheus it asks is chosen there."""
    built = (
        dashboards.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .tags(["lakehouse"])
        .refresh("30s")
        .time("now-1h", "now")
        .with_variable(dashboards.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for panel in dashboard.panels:
        built = built.with_panel(_panel(panel))
    return json.dumps(built.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _panel(panel: Panel) -> Any:
    query = prometheus.Dataquery().expr(panel.expr).legend_format(panel.legend).ref_id("A")
    if panel.kind is Kind.TABLE:
        query = query.instant().format(PromQueryFormat.TABLE)
    return (
        _BUILDERS[panel.kind]()
        .title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .with_target(query)
        .unit(panel.unit)
        .span(_WIDTHS[panel.kind])
        .height(_HEIGHTS[panel.kind])
    )
