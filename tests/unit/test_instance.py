"""Where the local Dagster instance keeps its runs: below the state directory, whatever the working directory."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import DagsterInstance

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project directory with this repository's dagster.yaml, and another as the current directory."""
    project = tmp_path / "project"
    (project / "streaming" / "contracts").mkdir(parents=True)
    shutil.copy(REPOSITORY / "dagster.yaml", project)
    monkeypatch.chdir(tmp_path)
    return project


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*.db")}


def test_without_variables_it_lies_in_the_projects_state_directory(project: Path, tmp_path: Path) -> None:
    with DagsterInstance.from_config(str(project)) as instance:
        assert instance.get_runs() == []
        assert instance.run_monitoring_enabled
    assert {"runs.db", "schedules.db"} <= files(project / ".lakehouse" / "dagster")
    assert files(tmp_path) == files(project / ".lakehouse" / "dagster")


def test_two_state_directories_of_one_checkout_keep_their_runs_apart(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path / name))
        with DagsterInstance.from_config(str(project)) as instance:
            assert instance.run_storage.get_run_storage_id()
    first, second = ((tmp_path / name / "dagster" / "history" / "runs.db") for name in ("first", "second"))
    assert first.is_file()
    assert second.is_file()
    assert not (project / ".lakehouse").exists()


def test_the_dagster_command_line_finds_it(project: Path, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "instance", "info"]
    environment = {**os.environ, "DAGSTER_HOME": str(project), "LAKEHOUSE_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert str(tmp_path / "state" / "dagster") in done.stdout
