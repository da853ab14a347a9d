"""What Dagster loads, as a whole: that it is valid, and that a change of it shows in a review."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.settings import Settings
from tests.definitions import SNAPSHOT, load, snapshot
from tests.integration.conftest import REPOSITORY


def test_the_definitions_are_those_that_were_reviewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
    # Set and put back by pytest; `load` overwrites it.
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path))
    loaded = snapshot(load(tmp_path))
    assert loaded == SNAPSHOT.read_text(encoding="utf-8"), "write it anew: .venv/bin/python -m tests.definitions"


def test_dagster_validates_them_as_it_loads_them(tmp_path: Path, make_settings: Callable[..., Settings]) -> None:
    environment = {**os.environ, **make_settings(tmp_path).as_environment(), "DAGSTER_HOME": str(REPOSITORY)}
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful for code location lakehouse" in done.stdout + done.stderr
