"""Who is told of which alert, as Alertmanager's own tool works it out."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lakehouse.contracts import load_contracts
from lakehouse.observability.haste import hastened
from lakehouse.observability.routing import RoutingError, alertmanager_configuration
from lakehouse.observability.rules import alerts, rule_groups

REPOSITORY = Path(__file__).parents[3]
CONTRACTS = load_contracts(REPOSITORY / "streaming" / "contracts")
CHECKED_IN = REPOSITORY / "deploy" / "alertmanager" / "alertmanager.yml"
NEEDS_AMTOOL = pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool is missing: apt-get install prometheus-alertmanager"
)
NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)


def ask(*arguments: str) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@NEEDS_AMTOOL
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"team": "team:risk", "severity": "critical"}, "team:risk/critical"),
        ({"team": "team:data-platform", "severity": "error"}, "team:data-platform/error"),
        ({"team": "team:data-platform", "severity": "warning"}, "team:data-platform/warning"),
        ({"severity": "critical"}, "lakehouse/critical"),
        ({"severity": "error"}, "lakehouse/error"),
        # Of a team that no contract names, such as one of another rule file.
        ({"team": "team:elsewhere", "severity": "warning"}, "lakehouse/warning"),
    ],
)
def test_an_alert_goes_to_its_team_by_its_severity(labels: dict[str, str], receiver: str) -> None:
    given = [f"{label}={value}" for label, value in labels.items()]
    assert ask("amtool", "config", "routes", "test", f"--config.file={CHECKED_IN}", *given).strip() == receiver


@NEEDS_AMTOOL
def test_alertmanager_takes_a_destination_for_a_receiver_and_for_all_of_a_team(tmp_path: Path) -> None:
    all_of_team, one = {"webhook_configs": [{"url": "http://a/"}]}, {"webhook_configs": [{"url": "http://b/"}]}
    destinations = {"team:risk": all_of_team, "team:risk/critical": one}
    configuration = alertmanager_configuration(CONTRACTS, destinations, 1.0)
    found = {receiver.pop("name"): receiver for receiver in configuration["receivers"]}
    assert found["team:risk/critical"] == one
    assert found["team:risk/error"] == found["team:risk/warning"] == all_of_team
    assert found["team:data-platform/critical"] == {}
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(alertmanager_configuration(CONTRACTS, destinations, 1.0)))
    assert "SUCCESS" in ask("amtool", "check-config", str(file))


def test_a_destination_of_nobody_is_refused_with_those_there_are() -> None:
    with pytest.raises(RoutingError, match=r"no receiver 'team:risky'.*team:risk/critical.*lakehouse"):
        alertmanager_configuration(CONTRACTS, {"team:risky": {}}, 1.0)


@NEEDS_PROMTOOL
def test_prometheus_takes_what_is_checked_in() -> None:
    told = ask("promtool", "check", "config", str(REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"))
    assert f"{len(alerts(CONTRACTS))} rules found" in told


@pytest.mark.parametrize(
    ("duration", "haste", "expected"),
    [("5m", 1, "5m"), ("5m", 60, "5s"), ("1d", 60, "1440s"), ("10s", 60, "1s"), ("0m", 60, "0m")],
)
def test_a_test_waits_less_and_never_not_at_all(duration: str, haste: float, expected: str) -> None:
    assert hastened(duration, haste) == expected


def test_haste_changes_how_long_an_alert_waits_and_nothing_else_of_it() -> None:
    patient, hasty = (rule_groups(CONTRACTS, haste)[0]["rules"] for haste in (1.0, 60.0))
    assert [rule | {"for": None} for rule in patient] == [rule | {"for": None} for rule in hasty]
    assert {rule["for"] for rule in hasty if rule["alert"] == "WriterDown"} == {"5s"}


def test_a_duration_in_other_words_is_refused() -> None:
    with pytest.raises(ValueError, match="'5 minutes' is not"):
        hastened("5 minutes", 1.0)
