"""Prometheus and Alertmanager of the local stack, where they are installed.

`python -m lakehouse.local.monitoring prometheus|alertmanager` writes their files and becomes the process.
"""

import http.client
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from shutil import which
from typing import Any

import yaml

from lakehouse.contracts import load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.observability.monitoring import monitoring_files
from lakehouse.settings import Settings, load_settings

HOST = "127.0.0.1"
#: The names of the programs: upstream's, and Debian's where it has one of its own.
_NAMES = {"prometheus": ("prometheus",), "alertmanager": ("alertmanager", "prometheus-alertmanager")}
#: Where a package manager puts them; the supervisor's programs are not given the PATH of a shell.
_ALSO = os.pathsep.join(("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"))
_INSTALL = (
    "Install them: sudo apt-get install -y --no-install-recommends prometheus prometheus-alertmanager (Debian, "
    "Ubuntu), brew install prometheus alertmanager (macOS), or put both programs into /usr/local/bin"
)
_KEPT = ("--storage.tsdb.retention.time=7d", "--storage.tsdb.retention.size=1GB")
_ANSWER_SECONDS = 5.0


class MonitoringError(LakehouseError):
    """Prometheus or Alertmanager is missing, or what it is to be given cannot be read."""


def find_tool(role: str) -> Path | None:
    """The program of ``role``, `prometheus` or `alertmanager`; None where it is not installed."""
    found = (which(name) or which(name, path=_ALSO) for name in _NAMES[role])
    return next((Path(path) for path in found if path), None)


def check_tools(roles: Iterable[str]) -> str:
    """Where the programs are. Raises MonitoringError, with how to get them, when one is missing."""
    found = {role: find_tool(role) for role in roles}
    missing = [role for role, path in found.items() if path is None]
    if missing:
        raise MonitoringError(f"not installed: {', '.join(missing)}. {_INSTALL}")
    return ", ".join(str(path) for path in found.values())


def monitoring_command(role: str) -> tuple[str, ...]:
    """The process of ``role``."""
    return (sys.executable, "-m", "lakehouse.local.monitoring", role)


def prepare_monitoring(settings: Settings) -> None:
    """Writes the files that both processes read. Raises MonitoringError, and RoutingError for a wrong receiver."""
    contracts = load_contracts(settings.contracts_dir)
    for file, text in monitoring_files(_directory(settings), settings, contracts, destinations(settings)).items():
        file.parent.mkdir(parents=True, exist_ok=True)
        # How receivers are reached may hold a secret.
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")


def destinations(settings: Settings) -> dict[str, Any]:
    """How receivers are reached: what stands in the file of the setting. Raises MonitoringError."""
    file = settings.receivers_file
    if file is None:
        return {}
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise MonitoringError(f"LAKEHOUSE_ALERT_RECEIVERS={settings.alert_receivers}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise MonitoringError(
            f"LAKEHOUSE_ALERT_RECEIVERS={settings.alert_receivers} holds {found!r}; expected are receivers, each with "
            "Alertmanager's settings of it, as in `team:risk/critical: {webhook_configs: [{url: …}]}`"
        )
    return found


def ready(port: int) -> str | None:
    """None when the server on ``port``, either of the two, is ready; else what is missing."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/-/ready")
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {error}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else f"port {port} answers {answer.status} {answer.reason}"


def server_command(settings: Settings, role: str) -> list[str]:
    """The command of ``role``. Raises MonitoringError where it is not installed."""
    check_tools([role])
    if role == "prometheus":
        port, options = settings.prometheus_port, [
            f"--config.file={_directory(settings) / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={settings.state_dir / 'prometheus'}",
            *_KEPT,
        ]  # fmt: skip
    else:
        port, options = settings.alertmanager_port, [
            f"--config.file={_directory(settings) / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={settings.state_dir / 'alertmanager'}",
            # It has no others to talk to.
            "--cluster.listen-address=",
        ]  # fmt: skip
    address = f"{HOST}:{port}"
    return [str(find_tool(role)), *options, f"--web.listen-address={address}", f"--web.external-url=http://{address}/"]


def _directory(settings: Settings) -> Path:
    """What is laid out as `deploy` is."""
    return settings.run_dir / "monitoring"


def main(role: str) -> None:
    """Becomes the server of ``role``."""
    settings = load_settings()
    prepare_monitoring(settings)
    command = server_command(settings, role)
    os.execv(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main(sys.argv[1])
