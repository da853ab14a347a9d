"""Advised commands can be typed as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.invocation import command


def test_with_lakehouse_on_path_its_name_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "lakehouse"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("down") == "lakehouse down"


@pytest.mark.parametrize("directory", [Path(sys.executable).parents[2], Path("/"), Path("/usr/share")])
def test_without_it_the_command_works_from_where_one_stands(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(directory)
    typed = command("down --help")
    assert typed.endswith("bin/lakehouse down --help")
    done = subprocess.run(
        typed.split(), capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}, check=True
    )
    assert "Stop the stack" in done.stdout
