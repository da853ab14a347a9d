"""The dashboards: Grafana's own form, and expressions that Prometheus understands."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lakehouse.observability.dashboards import DASHBOARDS, Dashboard
from lakehouse.observability.grafana import as_json, dashboard_files

REPOSITORY = Path(__file__).parents[3]
EVERY = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)


@EVERY
def test_each_panel_asks_the_prometheus_that_is_chosen_and_lies_beside_the_others(dashboard: Dashboard) -> None:
    made = json.loads(as_json(dashboard))
    assert [variable["name"] for variable in made["templating"]["list"]] == ["datasource"]
    assert [panel["title"] for panel in made["panels"]] == [panel.title for panel in dashboard.panels]
    assert {panel["datasource"]["uid"] for panel in made["panels"]} == {"${datasource}"}
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in made["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


@EVERY
def test_titles_are_told_apart(dashboard: Dashboard) -> None:
    titles = [panel.title for panel in dashboard.panels]
    assert len(titles) == len(set(titles))


def test_the_same_data_gives_the_same_bytes() -> None:
    assert dashboard_files(REPOSITORY) == dashboard_files(REPOSITORY)
    assert len(dashboard_files(REPOSITORY)) == 6


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
@EVERY
def test_prometheus_understands_every_expression(dashboard: Dashboard, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": panel.expr} for number, panel in enumerate(dashboard.panels)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
