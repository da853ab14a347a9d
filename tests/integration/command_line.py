"""`lakehouse` as a user types it, in a copy of the project, on free ports."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakehouse.local.jars import JAR_SETS, fetch_jars
from lakehouse.local.processes import stale_processes, stop_processes
from lakehouse.settings import Settings, load_settings
from tests.conftest import free_ports

REPOSITORY = Path(__file__).parents[2]
LAKEHOUSE = Path(sys.executable).parent / "lakehouse"


@dataclass
class CommandLine:
    """`lakehouse` with the settings of one project, and ``variables`` in its environment beside these."""

    settings: Settings
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LAKEHOUSE, *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def succeed(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.succeed("status", "--json"))
        return answer

    def parts(self) -> dict[str, dict[str, Any]]:
        return {part["name"]: part for part in self.status()["parts"]}

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.settings.as_environment(), **self.variables}


def project(directory: Path, **overrides: object) -> CommandLine:
    """A copy of what the stack reads, so that Dagster's and dbt's files do not land in the repository.

    ``overrides`` are settings.
    """
    for name in ("dbt", "streaming", "deploy"):
        shutil.copytree(REPOSITORY / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "target"))
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, directory / name)
    shared = load_settings({"home": REPOSITORY})
    (directory / ".lakehouse").mkdir()
    for jar_set in JAR_SETS:
        fetch_jars(shared, jar_set)
    (directory / ".lakehouse" / "jars").symlink_to(shared.jars_dir)
    names = [name for name in Settings.model_fields if name.endswith("_port")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    derived = {
        "state_dir": directory / ".lakehouse",
        "root": str(directory / ".lakehouse" / "tables"),
        "checkpoint_root": str(directory / ".lakehouse" / "checkpoints"),
        "kafka_bootstrap_servers": f"127.0.0.1:{ports['kafka_port']}",
    }
    return CommandLine(load_settings({"home": directory, **derived, **ports, **overrides}))


def stop(command_line: CommandLine) -> None:
    done = command_line.run("down")
    stop_processes(process.pid for process in stale_processes(command_line.settings, None))
    assert done.returncode == 0, done.stdout + done.stderr
