"""Prometheus and Alertmanager of the local stack: where they are looked for, and what they are given."""

import stat
from pathlib import Path

import pytest

from lakehouse.local.checks import examine
from lakehouse.local.java import Java
from lakehouse.local.monitoring import (
    MonitoringError,
    check_tools,
    destinations,
    prepare_monitoring,
    server_command,
)
from lakehouse.local.programs import MONITORING, declare_programs, needed_names
from lakehouse.local.stack import Stack
from lakehouse.local.supervisor import Supervisor
from lakehouse.settings import Settings, load_settings


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse.local.monitoring.which", lambda *_, **__: None)


@pytest.fixture
def with_receivers(settings: Settings) -> Settings:
    return load_settings({"home": settings.home, "alert_receivers": "receivers.yaml"})


@pytest.mark.usefixtures("nothing_installed")
def test_what_is_missing_is_told_with_how_to_get_it() -> None:
    with pytest.raises(MonitoringError, match=r"not installed: prometheus, alertmanager.*apt-get install") as error:
        check_tools(MONITORING)
    assert "brew install" in str(error.value)


@pytest.mark.usefixtures("nothing_installed")
def test_up_looks_for_them_before_it_starts_anything(
    settings: Settings, java: Java, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.local.stack.find_java", lambda: java)
    steps = Stack(settings).up(["kafka", *MONITORING], 50)
    titles = [step.title for step in steps]
    assert titles.index("Monitoring") < titles.index("Supervisor")
    with pytest.raises(MonitoringError):
        steps[titles.index("Monitoring")].run()


def test_debians_name_of_alertmanager_is_known(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"prometheus-alertmanager": "/usr/bin/prometheus-alertmanager"}
    monkeypatch.setattr("lakehouse.local.monitoring.which", lambda name, **_: installed.get(name))
    command = server_command(settings, "alertmanager")
    assert command[0] == "/usr/bin/prometheus-alertmanager"
    assert f"--web.listen-address=127.0.0.1:{settings.alertmanager_port}" in command


def test_they_run_only_where_they_are_wanted() -> None:
    assert not set(MONITORING) & set(needed_names([]))
    assert set(MONITORING) < set(needed_names([], monitoring=True))


def test_their_files_name_the_ports_of_this_stack_and_are_the_users_own(settings: Settings) -> None:
    elsewhere = load_settings({"home": settings.home, "exporter_port": 20001, "flink_metrics_ports": "20002-20003"})
    prepare_monitoring(elsewhere)
    file = settings.run_dir / "monitoring" / "prometheus" / "prometheus.yml"
    text = file.read_text()
    assert all(f"127.0.0.1:{port}" in text for port in (20001, 20002, 20003))
    assert "raw.orders" in (file.parent / "rules" / "lakehouse.yaml").read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_other_receivers_restart_those_that_read_them(with_receivers: Settings, java: Java) -> None:
    (with_receivers.home / "receivers.yaml").write_text("lakehouse: {}")
    before = declare_programs(with_receivers, java, 50.0, [])
    (with_receivers.home / "receivers.yaml").write_text("lakehouse: {webhook_configs: []}")
    after = declare_programs(with_receivers, java, 50.0, [])
    assert {a.name for b, a in zip(before, after, strict=True) if b != a} == set(MONITORING)


def test_who_is_called_concerns_no_other_part(settings: Settings, with_receivers: Settings, java: Java) -> None:
    before, after = (declare_programs(s, java, 50.0, []) for s in (settings, with_receivers))
    assert {a.name for b, a in zip(before, after, strict=True) if b != a} == set(MONITORING)


@pytest.mark.usefixtures("nothing_installed")
def test_the_doctor_tells_what_is_missing_as_no_problem(settings: Settings) -> None:
    (finding,) = (found for found in examine(settings, Supervisor(settings)) if found.name == "Monitoring")
    assert finding.ok
    assert "not installed: prometheus, alertmanager" in finding.detail
    assert "up --monitoring` needs them" in finding.detail


@pytest.mark.parametrize("content", [None, "- one", "lakehouse: http://a/", "{"])
def test_receivers_that_are_none_are_refused_by_the_name_of_the_setting(
    with_receivers: Settings, content: str | None
) -> None:
    file: Path = with_receivers.home / "receivers.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(MonitoringError, match=r"LAKEHOUSE_ALERT_RECEIVERS=receivers\.yaml"):
        destinations(with_receivers)
