"""Settings over an empty project in a temporary directory."""

import os
from pathlib import Path

import pytest

from lakehouse.local.java import Java
from lakehouse.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "streaming" / "contracts").mkdir(parents=True)
    return load_settings({"home": tmp_path})


@pytest.fixture
def java() -> Java:
    return Java(home=Path("/opt/java"), version=17)
