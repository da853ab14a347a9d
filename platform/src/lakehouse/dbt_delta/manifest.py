"""The dbt manifest, parsed again when the project changed. Dagster reads it to know the models."""

import fcntl
import subprocess
import sys
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings

_SOURCES = ("*.sql", "*.yml", "*.csv", "*.py", "*.md")


class ManifestError(LakehouseError):
    """dbt cannot parse the project."""


def target_dir(settings: Settings) -> Path:
    """Where dbt writes what it compiles."""
    return settings.state_dir / "dbt"


def current_manifest(settings: Settings) -> Path:
    """The manifest of the project as it stands, parsed first where a file is newer than the last one.

    Safe when several processes ask at once: one parses, the others wait. Raises ManifestError with dbt's words.
    """
    target = target_dir(settings)
    target.mkdir(parents=True, exist_ok=True)
    manifest = target / "manifest.json"
    with (target / "parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(file.stat().st_mtime for file in project_files(settings.dbt_dir))
        if not manifest.exists() or manifest.stat().st_mtime < newest:
            _parse(settings, target)
    return manifest


def project_files(project: Path) -> list[Path]:
    """What dbt parses of the project: not what it writes itself."""
    skipped = {project / "target", project / "logs", project / "dbt_packages"}
    return [file for pattern in _SOURCES for file in project.rglob(pattern) if not skipped & set(file.parents)]


def _parse(settings: Settings, target: Path) -> None:
    project = str(settings.dbt_dir)
    command = [sys.executable, "-m", "dbt.cli.main", "--quiet", "--log-path", str(settings.logs_dir), "parse"]
    options = ["--project-dir", project, "--profiles-dir", project, "--target-path", str(target)]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode != 0:
        raise ManifestError(f"dbt cannot parse {project}:\n{(result.stdout + result.stderr).strip()}")
